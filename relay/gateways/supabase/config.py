"""Configuration of the Supabase project."""

from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True, slots=True)
class SupabaseConfig:
    """The project's URL without a trailing slash, its public key (anon) and its secret key (service role)."""

    url: str
    anon_key: str = field(repr=False)
    service_role_key: str = field(repr=False)

    @property
    def auth_url(self) -> str:
        """The URL of Supabase Auth; also the issuer of the tokens that it signs."""
        return f"{self.url}/auth/v1"
