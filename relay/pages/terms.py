"""What a person agrees to, and the wait for the operator."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from relay.identity.people import accept_terms
from relay.pages.forms import PostedForm
from relay.pages.rendering import go, page
from relay.pages.visitors import MaybeVisitor, local_path
from relay.usecases.runtime import RuntimeDependency
from relay.usecases.sign_in_with_supabase import people_of

router = APIRouter(include_in_schema=False)

type Back = Annotated[str | None, Query(alias="next")]


@router.get("/terms")
async def show(request: Request, runtime: RuntimeDependency, visitor: MaybeVisitor, back: Back = None) -> Response:
    """The terms; with a button for who has not agreed yet."""
    people_of(runtime)
    open_question = visitor is not None and not visitor.has_accepted_terms
    lacking = visitor is not None and not (visitor.is_approved and visitor.has_accepted_terms)
    return page(request, "terms.html", open_question=open_question, lacking=lacking, next_path=local_path(back))


@router.post("/terms")
async def accept(request: Request, runtime: RuntimeDependency, visitor: MaybeVisitor, form: PostedForm) -> Response:
    """The person agrees."""
    people_of(runtime)
    if visitor is None:
        return go(request, "/sign-in?next=/terms")
    async with runtime.pool.connection() as connection:
        await accept_terms(connection, visitor.user_id)
    return go(request, local_path(form.text("next")))


@router.get("/waiting")
async def wait(request: Request, visitor: MaybeVisitor, back: Back = None) -> Response:
    """The operator has not let this person in yet."""
    if visitor is None:
        return go(request, "/sign-in")
    if visitor.is_approved:
        return go(request, local_path(back))
    return page(request, "waiting.html", email=visitor.email, lacking=True)
