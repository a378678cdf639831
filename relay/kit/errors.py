"""What goes wrong before the relay runs."""


class OperatorError(Exception):
    """The relay cannot start. The message is one line: the cause, and what to do. It is shown without a traceback."""
