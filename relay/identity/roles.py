"""The roles of accounts."""

from typing import Literal, TypeIs

type Role = Literal["user", "admin"]
ROLES: tuple[Role, ...] = ("user", "admin")


def is_role(text: str) -> TypeIs[Role]:
    """Whether this is the name of a role."""
    return text in ROLES
