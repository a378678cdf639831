"""Stand-ins for two C++ modules of Home Assistant's voice assistant, which have no wheels; the demo needs no compiler.

Home Assistant's frontend does not load without them: what it asks first (`get_services`) imports every component. This
folder lies on the Python path of the demo's Home Assistant, and only where the real modules are missing.
"""
