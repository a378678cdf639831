"""List, test and disconnect the account's installations."""

from fastapi import APIRouter, Request
from fastapi.responses import Response

from relay.pages.forms import PostedForm
from relay.pages.identifiers import PathId
from relay.pages.rendering import redirect_to, render_page
from relay.pages.visitors import SignedInVisitor
from relay.usecases.access.list_installations import disconnect_installation, get_installation, list_installations
from relay.usecases.calls.runtime import RuntimeDependency
from relay.usecases.endpoints.send_test_message import TooManyTestsError, send_test_message

router = APIRouter(include_in_schema=False)


@router.get("/installations")
async def show_installation_list(request: Request, runtime: RuntimeDependency, visitor: SignedInVisitor) -> Response:
    """Show all installations."""
    installations = await list_installations(runtime, visitor.user_id)
    return render_page(request, "installations.html", installations=installations, relay_url=runtime.public_url)


@router.get("/installations/{installation_id}/disconnect")
async def show_disconnect(
    request: Request, runtime: RuntimeDependency, visitor: SignedInVisitor, installation_id: PathId
) -> Response:
    """Ask to confirm the disconnection."""
    installation = await get_installation(runtime, visitor.user_id, installation_id)
    return render_page(request, "installation_disconnect.html", installation=installation)


@router.post("/installations/{installation_id}/disconnect")
async def submit_disconnect(
    request: Request, runtime: RuntimeDependency, visitor: SignedInVisitor, installation_id: PathId, _form: PostedForm
) -> Response:
    """Disconnect the installation."""
    await disconnect_installation(runtime, visitor.user_id, installation_id)
    return redirect_to(request, "/installations", notice="installations.notice.disconnected")


@router.post("/installations/{installation_id}/test")
async def submit_test(
    request: Request, runtime: RuntimeDependency, visitor: SignedInVisitor, installation_id: PathId, _form: PostedForm
) -> Response:
    """Send a test message to the installation's endpoint and show the result."""
    installation = await get_installation(runtime, visitor.user_id, installation_id)
    try:
        failure = await send_test_message(runtime, user_id=visitor.user_id, credential_id=installation.id)
    except TooManyTestsError:
        return redirect_to(request, "/installations", notice="installations.notice.too_soon", kind="bad")
    if failure is not None:
        return redirect_to(request, "/installations", notice=f"installations.notice.failed_{failure}", kind="bad")
    return redirect_to(request, "/installations", notice="installations.notice.delivered")
