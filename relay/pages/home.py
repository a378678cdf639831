"""What a person sees first: the cars of the account."""

from fastapi import APIRouter, Request
from fastapi.responses import Response

from relay.pages.rendering import page
from relay.pages.visitors import SignedIn

router = APIRouter(include_in_schema=False)


@router.get("/home")
async def home(request: Request, _visitor: SignedIn) -> Response:
    """The account at a glance."""
    return page(request, "home.html")
