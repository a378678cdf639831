"""Ids in the paths of pages."""

from typing import Annotated
from uuid import UUID

from pydantic import BeforeValidator

from relay.kit.problems import Problem


def _parse_id(value: object) -> UUID:
    try:
        return UUID(str(value))
    except ValueError:
        # What cannot be an id is as unknown as one that is somebody else's.
        raise Problem(404, "not-found", "There is nothing of yours here.") from None


type PathId = Annotated[UUID, BeforeValidator(_parse_id)]
"""An id in a path. Raises Problem 404 when it is none."""
