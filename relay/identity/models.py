"""Who is calling."""

from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True, kw_only=True, slots=True)
class Caller:
    """The account holder behind a request and the credential it came with."""

    user_id: UUID
    credential_id: UUID
    email: str | None
    name: str
    plan: str
    # Which of Enode's languages to tell interventions in.
    language: str = "en-US"

    @property
    def title(self) -> str:
        """What to call the account in a user interface."""
        return self.name or self.email or "EVConduit"
