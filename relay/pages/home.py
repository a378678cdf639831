"""What a person sees first: the cars of the account."""

from fastapi import APIRouter, Request
from fastapi.responses import Response

from relay.pages.rendering import page
from relay.pages.visitors import SignedIn
from relay.usecases.runtime import RuntimeDependency
from relay.usecases.show_cars import show_cars
from relay.usecases.show_installations import show_installations

router = APIRouter(include_in_schema=False)


@router.get("/home")
async def home(request: Request, runtime: RuntimeDependency, visitor: SignedIn) -> Response:
    """The account's cars; of a new account, what to do first."""
    async with runtime.pool.connection() as connection:
        cars = await show_cars(connection, visitor.user_id)
    installations = await show_installations(runtime, visitor.user_id)
    connected = any(it.last_used_at for it in installations)
    return page(
        request,
        "home.html",
        cars=cars,
        connected=connected,
        over_limit=any(it.link_state == "over_limit" for it in cars),
        relay_url=runtime.public_url,
    )
