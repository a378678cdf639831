"""Ids in the paths and queries of pages."""

from typing import Annotated
from uuid import UUID

from pydantic import BeforeValidator

from relay.kit.problems import Problem


def parse_id(value: object) -> UUID:
    """Parse a UUID. Raises Problem 404 if it is invalid."""
    try:
        return UUID(str(value))
    except ValueError:
        # An invalid id gets the same response as an id of another user.
        raise Problem(404, "not-found", "Nothing in your account has this id.") from None


type PathId = Annotated[UUID, BeforeValidator(parse_id)]
"""A UUID in a path. Raises Problem 404 if it is invalid."""
