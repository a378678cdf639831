"""Making an account, with an invitation where one is wanted."""

from dataclasses import dataclass, field
from http import HTTPStatus

from fastapi import APIRouter, Request
from fastapi.responses import Response

from relay.identity.people import is_address
from relay.pages.csrf import read_cookie
from relay.pages.forms import Form, PostedForm
from relay.pages.rendering import go, page
from relay.pages.visitors import MaybeVisitor
from relay.pages.ways_in import ATTEMPT, language_of, mail_link, show_ending, show_outcome, source_of
from relay.usecases.runtime import People, RuntimeDependency
from relay.usecases.sign_in_with_supabase import Wish, invitation_of, people_of, register, vouched

router = APIRouter(include_in_schema=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class Filled:
    """What stands in the form, and what is wrong with it by field. `known`: the address that Supabase vouches for."""

    email: str = ""
    code: str = ""
    terms: bool = False
    known: str | None = None
    errors: dict[str, str] = field(default_factory=dict)


@router.get("/register")
async def show(request: Request, runtime: RuntimeDependency, visitor: MaybeVisitor) -> Response:
    """The form; how to get in where there is none."""
    people = people_of(runtime)
    if visitor is not None:
        return go(request, "/home")
    attempt = await vouched(runtime, read_cookie(request, runtime, ATTEMPT))
    return _show(request, people, Filled(known=attempt.email if attempt else None))


@router.post("/register")
async def send(request: Request, runtime: RuntimeDependency, form: PostedForm) -> Response:
    """The form was filled in: a link is mailed, or the account is made where Supabase has said who it is."""
    people = people_of(runtime)
    if people.registration == "closed":
        return show_ending(request, "closed")
    attempt = await vouched(runtime, read_cookie(request, runtime, ATTEMPT))
    filled, invitation_id = _read(form, known=attempt.email if attempt else None), None
    if people.registration == "invitation":
        runtime.bursts.take(("invitation", source_of(request)))
        invitation_id = await invitation_of(runtime, filled.code)
        if invitation_id is None:
            filled.errors["code"] = "register.error.code"
    if filled.errors:
        return _show(request, people, filled)
    if attempt is not None:
        return show_outcome(
            request, runtime, await register(runtime, attempt, invitation_id, language=language_of(request))
        )
    wish = Wish(source=source_of(request), next_path="/home", invitation_id=invitation_id, accepts_terms=True)
    return await mail_link(request, runtime, wish, filled.email)


def _read(form: Form, *, known: str | None) -> Filled:
    filled = Filled(
        email=form.text("email"), code=form.text("code")[:100], terms=form.text("terms") == "yes", known=known
    )
    if known is None and not is_address(filled.email):
        filled.errors["email"] = "sign_in.error.address"
    if not filled.terms:
        filled.errors["terms"] = "register.error.terms"
    return filled


def _show(request: Request, people: People, filled: Filled) -> Response:
    status = HTTPStatus.UNPROCESSABLE_ENTITY if filled.errors else HTTPStatus.OK
    return page(request, "register.html", status=status, registration=people.registration, it=filled)
