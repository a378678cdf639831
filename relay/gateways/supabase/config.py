"""Which Supabase project."""

from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True, slots=True)
class SupabaseConfig:
    """The project's address, without a slash at the end, and its two keys: the public one and the secret one."""

    url: str
    anon_key: str = field(repr=False)
    service_role_key: str = field(repr=False)

    @property
    def auth_url(self) -> str:
        """Where Supabase Auth is; also who it says it is in the tokens that it signs."""
        return f"{self.url}/auth/v1"
