from dataclasses import dataclass
from typing import Self

from .fields import Fields

USER = "User"


@dataclass(frozen=True, kw_only=True, slots=True)
class Intervention:
    """What somebody must do before the car can do more. `description` is Markdown, in the account's language."""

    id: str
    title: str | None
    description: str | None
    agent: str | None

    @property
    def is_users(self) -> bool:
        """It is the user who must do it, not the maker or Enode."""
        return self.agent == USER

    @classmethod
    def parse_all(cls, items: object) -> tuple[Self, ...]:
        """From `interventions`. One without an id is passed over; never fails."""
        found = [Fields(it) for it in items if isinstance(it, dict)] if isinstance(items, list) else []
        return tuple(
            cls(id=id_, title=it.text("title"), description=it.text("description"), agent=it.text("agent"))
            for it in found
            if (id_ := it.text("id"))
        )
