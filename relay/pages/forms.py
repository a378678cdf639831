"""Parse posted HTML forms and check their CSRF token."""

from typing import Annotated

from fastapi import Depends, Request
from starlette.exceptions import HTTPException

from relay.kit.problems import Problem
from relay.kit.sanitize import strip_nul
from relay.pages.csrf import is_valid_csrf_token, report_refused_form
from relay.usecases.calls.runtime import RuntimeDependency

MAX_FIELDS = 50
MAX_FIELD_BYTES = 8192


class Form(dict[str, str]):
    """Fields of a form; the last value of each name. `get_all` returns all values of a name."""

    def __init__(self, pairs: list[tuple[str, str]]) -> None:
        super().__init__(pairs)
        self._pairs = pairs

    def get_all(self, name: str) -> list[str]:
        """All values of this name in order, for example of checkboxes."""
        return [value for key, value in self._pairs if key == name]

    def get_text(self, name: str) -> str:
        """The field without surrounding whitespace and NUL characters; empty if it is missing."""
        return strip_nul(self.get(name, "")).strip()


async def parse_posted_form(request: Request, runtime: RuntimeDependency) -> Form:
    """The posted form. Raises Problem 403 for a wrong CSRF token, 422 if it isn't a form."""
    if not request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        raise Problem(422, "invalid-request", "This isn't a form. Send it as application/x-www-form-urlencoded.")
    try:
        async with request.form(max_fields=MAX_FIELDS, max_files=0, max_part_size=MAX_FIELD_BYTES) as fields:
            pairs = [(name, value) for name, value in fields.multi_items() if isinstance(value, str)]
    except HTTPException as error:
        if error.status_code == 413:  # noqa: PLR2004 - from BodyLimitMiddleware
            raise
        raise Problem(422, "invalid-request", "This form can't be parsed. Open the page again.") from None
    form = Form(pairs)
    if not is_valid_csrf_token(request, runtime, form.pop("csrf", "")):
        report_refused_form(request)
        raise Problem(403, "foreign-form", "This form has expired or is from another site. Open the page again.")
    return form


type PostedForm = Annotated[Form, Depends(parse_posted_form)]
