"""The caller of an API request."""

from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True, kw_only=True, slots=True)
class Caller:
    """The user who sent a request, and the credential they used."""

    user_id: UUID
    # The installation's credential; None for a user who calls with their own Supabase token.
    credential_id: UUID | None
    email: str | None
    name: str
    plan: str
    # The language of interventions, one of those that Enode supports.
    language: str = "en-US"

    @property
    def rate_limit_key(self) -> UUID:
        """The key of rate limits: the credential, else the user."""
        return self.credential_id or self.user_id

    @property
    def title(self) -> str:
        """The account's name in a user interface."""
        return self.name or self.email or "EVConduit"
