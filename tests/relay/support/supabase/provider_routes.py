"""Routes of the double for signing in with a provider, and the provider's own page, which accepts everybody."""

import secrets
from urllib.parse import urlencode
from uuid import UUID

from starlette.responses import RedirectResponse

from tests.relay.support.supabase.email_routes import send_email
from tests.relay.support.supabase.flows import Flow, parse_pkce_challenge
from tests.relay.support.supabase.gateway import BASE
from tests.relay.support.supabase.refusals import Refusal, redirect_back

PROVIDER_PATH = "/the-provider"
PROVIDERS = frozenset({"github", "google"})
_UNVERIFIED = "Unverified email with {0}. A confirmation email has been sent to your {0} email"
# Problems between Supabase and the provider, by the value of `provider_problem`.
_PROBLEMS = {
    "no address": "Error getting user email from external provider",
    "code refused": "Unable to exchange external code: {code}",
    "no profile": "Error getting user profile from external provider",
}


async def authorize(project, request):
    parameters = request.query_params
    provider = parameters.get("provider", "")
    if provider not in PROVIDERS:
        raise Refusal(400, "validation_failed", f"Unsupported provider: Provider {provider} could not be found")
    if provider not in project.enabled_providers:
        raise Refusal(400, "validation_failed", "Unsupported provider: provider is not enabled")
    challenge, method = parse_pkce_challenge(parameters)
    redirect_to = project.get_redirect_to(request)
    flow = project.flows.add(Flow("oauth", challenge, method, project.now(), redirect_to=redirect_to))
    flow.provider = provider
    query = {
        "client_id": "lab",
        "redirect_to": redirect_to,
        "redirect_uri": f"{project.url}{BASE}/callback",
        "response_type": "code",
        "scope": "user:email",
        "state": flow.id,
    }
    return RedirectResponse(f"{project.url}{PROVIDER_PATH}?{urlencode(query)}", 302)


async def show_provider(project, request):
    """Sign-in page of the provider: accepts everybody at once, or returns `provider_error`."""
    result = {"code": secrets.token_hex(8)} if project.provider_error is None else project.provider_error
    query = urlencode({**result, "state": request.query_params["state"]})
    return RedirectResponse(f"{project.url}{BASE}/callback?{query}", 302)


async def return_from_provider(project, request):
    parameters = request.query_params
    try:
        flow = _require_flow(project, parameters.get("state"))
    except Refusal as refusal:  # without a valid flow the origin is unknown
        return redirect_back(project.site, 303, query=refusal.as_query(by_provider=True))
    if "error" in parameters:
        query = {"error": parameters["error"], "error_description": parameters.get("error_description", "")}
        fragment = {name: value for name, value in query.items() if value}
        return redirect_back(flow.redirect_to, 302, query=query, fragment=fragment)
    try:
        flow.account = _sign_in(project, flow, parameters)
    except Refusal as refusal:
        error = refusal.as_query(by_provider=True)
        return redirect_back(flow.redirect_to, 302, query=error, fragment=error)
    if not flow.challenge:
        session = project.create_session(flow.account, "oauth", provider_token=True)
        project.flows.remove(flow)
        return redirect_back(flow.redirect_to, 302, fragment=project.create_fragment(session))
    flow.issued_at = project.now()
    return redirect_back(flow.redirect_to, 302, query={"code": flow.code})


def _require_flow(project, state):
    if not state:
        raise Refusal(400, "bad_oauth_callback", "OAuth state parameter missing")
    try:
        UUID(state)
    except ValueError:
        raise Refusal(400, "bad_oauth_state", "OAuth state parameter is invalid") from None
    flow = project.flows.find_by_id(state)
    if flow is None:
        raise Refusal(400, "bad_oauth_state", "OAuth state not found or expired")
    if flow.is_expired(project.now()):
        raise Refusal(400, "bad_oauth_state", "OAuth state has expired")
    if flow.account is not None:
        raise Refusal(400, "flow_state_already_used", "State has already been used")
    return flow


def _sign_in(project, flow, parameters):
    code = parameters.get("code")
    if not code:
        raise Refusal(400, "bad_oauth_callback", "OAuth callback with missing authorization code missing")
    if project.provider_problem is not None:
        raise Refusal(500, "unexpected_failure", _PROBLEMS[project.provider_problem].format(code=code))
    at_provider = project.provider_account
    account = project.accounts.get(at_provider.email)
    if account is None and not project.allows_signups:
        raise Refusal(422, "signup_disabled", "Signups not allowed for this instance")
    if account is None:
        account = project.accounts[at_provider.email] = at_provider
        account.providers = [flow.provider]
    if account.is_banned:
        raise Refusal(403, "user_banned", "User is banned")
    if not account.is_confirmed and not project.provider_verifies_email:
        send_email(project, account, "signup", prefix="")
        raise Refusal(422, "provider_email_needs_verification", _UNVERIFIED.format(flow.provider))
    account.is_confirmed = True
    account.metadata = _build_metadata(account)
    return account


def _build_metadata(account):
    name = account.metadata.get("full_name", "Octo Cat")
    provided = {
        "avatar_url": "https://provider.example/avatar",
        "email": account.email,
        "email_verified": True,
        "full_name": name,
        "iss": "https://provider.example",
        "name": name,
        "phone_verified": False,
        "preferred_username": "octo",
        "provider_id": "1",
        "sub": "1",
        "user_name": "octo",
    }
    return provided | account.metadata
