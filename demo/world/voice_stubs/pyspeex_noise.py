class AudioProcessor:
    """Would take noise out of speech."""

    def __init__(self, auto_gain: int, noise_suppression: int) -> None:
        raise NotImplementedError("the demo's Home Assistant hears no voice: pyspeex-noise is not installed")
