class MicroVad:
    """Would tell speech from noise."""

    def __init__(self) -> None:
        raise NotImplementedError("the demo's Home Assistant hears no voice: pymicro-vad is not installed")
