"""Ids in page paths."""

from typing import Annotated
from uuid import UUID

from pydantic import BeforeValidator

from relay.kit.problems import Problem


def _parse_id(value: object) -> UUID:
    try:
        return UUID(str(value))
    except ValueError:
        # An invalid id gets the same response as an id of another user.
        raise Problem(404, "not-found", "Nothing in your account has this id.") from None


type PathId = Annotated[UUID, BeforeValidator(_parse_id)]
"""A UUID in a path. Raises Problem 404 if it is invalid."""
