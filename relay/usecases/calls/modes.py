"""The mode of a relay, and who can register an account on it."""

from typing import Literal

type Mode = Literal["self-hosted", "cloud"]
type RegistrationPolicy = Literal["closed", "invitation", "open"]
