"""Who is calling."""

from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True, kw_only=True, slots=True)
class Caller:
    """The account holder behind a request and the credential it came with."""

    user_id: UUID
    # The installation; None for a person who calls with a token of their own.
    credential_id: UUID | None
    email: str | None
    name: str
    plan: str
    # Which of Enode's languages to tell interventions in.
    language: str = "en-US"

    @property
    def rate_limit_key(self) -> UUID:
        """Whom limits on bursts are for."""
        return self.credential_id or self.user_id

    @property
    def title(self) -> str:
        """What to call the account in a user interface."""
        return self.name or self.email or "EVConduit"
