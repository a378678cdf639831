"""Stubs of two C++ modules of Home Assistant's voice assistant, which have no wheels; the demo needs no compiler.

Home Assistant's frontend does not load without them, because its first command (`get_services`) imports every
component. This folder is on the Python path of the demo's Home Assistant only if the real modules are missing.
"""
