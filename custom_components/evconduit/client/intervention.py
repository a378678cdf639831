from dataclasses import dataclass
from typing import Self

from .json_reader import JsonReader

AGENT_USER = "User"
ACTION_LINK = "Link"


@dataclass(frozen=True, kw_only=True, slots=True)
class Intervention:
    """What someone must do to make the vehicle capable of more.

    `agent` is who must do it. `action` is how Enode can help, if it can. `description` is Markdown, in the account's
    language.
    """

    id: str
    title: str | None
    description: str | None
    agent: str | None
    action: str | None

    @property
    def needs_link(self) -> bool:
        """Whether linking the vehicle again does it."""
        return self.action == ACTION_LINK

    @property
    def is_for_user(self) -> bool:
        """Whether the user must do it, and not the vendor or Enode."""
        return self.agent == AGENT_USER

    @classmethod
    def parse_all(cls, items: object) -> tuple[Self, ...]:
        """Parse the member `interventions`. Skips items without an id; never fails."""
        readers = [JsonReader(item) for item in items if isinstance(item, dict)] if isinstance(items, list) else []
        return tuple(
            cls(
                id=id_,
                title=reader.get_str("title"),
                description=reader.get_str("description"),
                agent=reader.get_str("agent"),
                action=reader.get_str("action"),
            )
            for reader in readers
            if (id_ := reader.get_str("id"))
        )
