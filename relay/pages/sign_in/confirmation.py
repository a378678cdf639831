"""Return from the link in Supabase's own confirmation email, which belongs to no browser's sign-in.

With the default template, the link for an address that a provider hasn't verified leads to the site with the tokens of
a new session in the fragment (docs/self-hosting.md). They must not sign in: anybody could have made such a link.
"""

from fastapi import APIRouter, Request
from fastapi.responses import Response

from relay.pages.forms import PostedForm
from relay.pages.sign_in.responses import get_client_address, render_sign_in_failure
from relay.pages.sign_in.with_supabase import get_failure_status
from relay.usecases.access.finish_sign_in import end_foreign_session
from relay.usecases.access.require_supabase_sign_in import require_supabase_sign_in
from relay.usecases.calls.runtime import RuntimeDependency

router = APIRouter(include_in_schema=False)


@router.post("/auth/returned")
async def submit_return(request: Request, runtime: RuntimeDependency, form: PostedForm) -> Response:
    """End the session of the posted access token, and show that the address is confirmed; or show the error."""
    require_supabase_sign_in(runtime)
    access_token = form.get_text("access_token")
    if not access_token:
        status = get_failure_status(form.get_text("error"), form.get_text("error_code"), is_link=False)
        return render_sign_in_failure(request, status)
    is_confirmed = await end_foreign_session(runtime, access_token, client_address=get_client_address(request))
    return render_sign_in_failure(request, "confirmed" if is_confirmed else "invalid_link")
