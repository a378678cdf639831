"""Errors that the relay's operator has to solve."""


class OperatorError(Exception):
    """A command or the start of the relay failed. The message, one line with cause and remedy, is shown as it is."""
