"""What a browser posts: small, of our own pages, and text."""

from typing import Annotated

from fastapi import Depends, Request
from starlette.exceptions import HTTPException

from relay.kit.problems import Problem
from relay.kit.sanitize import strip_nul
from relay.pages.csrf import is_valid_csrf_token
from relay.usecases.calls.runtime import RuntimeDependency

MAX_FIELDS = 50
MAX_FIELD_BYTES = 8192


class Form(dict[str, str]):
    """The fields of a form, the last of each name. `every` has all of a name that may come several times."""

    def __init__(self, pairs: list[tuple[str, str]]) -> None:
        super().__init__(pairs)
        self._pairs = pairs

    def get_all(self, name: str) -> list[str]:
        """All values of this name, in order: what was ticked."""
        return [value for key, value in self._pairs if key == name]

    def get_text(self, name: str) -> str:
        """The field without surrounding space; empty when it is missing. NUL is in no text of ours."""
        return strip_nul(self.get(name, "")).strip()


async def parse_posted_form(request: Request, runtime: RuntimeDependency) -> Form:
    """The form. Raises Problem 403 when it does not come from a page of ours, 422 when it is none."""
    if not request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        raise Problem(422, "invalid-request", "Send this as a form.")
    try:
        async with request.form(max_fields=MAX_FIELDS, max_files=0, max_part_size=MAX_FIELD_BYTES) as fields:
            pairs = [(name, value) for name, value in fields.multi_items() if isinstance(value, str)]
    except HTTPException as error:
        if error.status_code == 413:  # noqa: PLR2004 - too large, as BodyLimit says
            raise
        raise Problem(422, "invalid-request", "This form cannot be read.") from None
    form = Form(pairs)
    if not is_valid_csrf_token(request, runtime, form.pop("csrf", "")):
        raise Problem(403, "foreign-form", "This form is too old, or not from this site. Open the page again.")
    return form


type PostedForm = Annotated[Form, Depends(parse_posted_form)]
