class MicroVad:
    """Stub of the voice activity detector."""

    def __init__(self) -> None:
        raise NotImplementedError("voice is not available in the demo: pymicro-vad is not installed")
