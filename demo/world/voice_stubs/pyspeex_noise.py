class AudioProcessor:
    """Stub of the noise suppression."""

    def __init__(self, auto_gain: int, noise_suppression: int) -> None:
        raise NotImplementedError("voice is not available in the demo: pyspeex-noise is not installed")
