"""The end-to-end checks of `--check`, from the car to Home Assistant and back, through Home Assistant's own API."""
