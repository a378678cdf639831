"""The account's installations: what acts in its name, how it is told, and how it is let out."""

from fastapi import APIRouter, Request
from fastapi.responses import Response

from relay.pages.forms import PostedForm
from relay.pages.identifiers import PathId
from relay.pages.rendering import go, page
from relay.pages.visitors import SignedIn
from relay.usecases.runtime import RuntimeDependency
from relay.usecases.show_installations import end_installation, find_installation, show_installations
from relay.usecases.try_endpoint import TooManyTestsError, try_endpoint

router = APIRouter(include_in_schema=False)


@router.get("/installations")
async def installations(request: Request, runtime: RuntimeDependency, visitor: SignedIn) -> Response:
    """All of them."""
    shown = await show_installations(runtime, visitor.user_id)
    return page(request, "installations.html", installations=shown, relay_url=runtime.public_url)


@router.get("/installations/{installation_id}/disconnect")
async def ask(request: Request, runtime: RuntimeDependency, visitor: SignedIn, installation_id: PathId) -> Response:
    """Whether that is really meant."""
    found = await find_installation(runtime, visitor.user_id, installation_id)
    return page(request, "installation_disconnect.html", installation=found)


@router.post("/installations/{installation_id}/disconnect")
async def disconnect(
    request: Request, runtime: RuntimeDependency, visitor: SignedIn, installation_id: PathId, _form: PostedForm
) -> Response:
    """It is."""
    await end_installation(runtime, visitor.user_id, installation_id)
    return go(request, "/installations", notice="installations.notice.disconnected")


@router.post("/installations/{installation_id}/test")
async def test(
    request: Request, runtime: RuntimeDependency, visitor: SignedIn, installation_id: PathId, _form: PostedForm
) -> Response:
    """Send it a message now, and tell what came of it."""
    found = await find_installation(runtime, visitor.user_id, installation_id)
    try:
        failure = await try_endpoint(runtime, user_id=visitor.user_id, credential_id=found.id)
    except TooManyTestsError:
        return go(request, "/installations", notice="installations.notice.too_soon", kind="bad")
    if failure is not None:
        return go(request, "/installations", notice=f"installations.notice.failed_{failure}", kind="bad")
    return go(request, "/installations", notice="installations.notice.delivered")
