"""Routes of the double for links by email: have one sent, open it, or exchange its token hash."""

import re
import time
from dataclasses import dataclass
from urllib.parse import urlencode

from starlette.responses import JSONResponse

from tests.relay.support.supabase.flows import (
    EMAIL_INTERVAL_SECONDS,
    PREFIX,
    REDIRECTED_TYPES,
    Flow,
    SupabaseAccount,
    parse_pkce_challenge,
)
from tests.relay.support.supabase.gateway import ANON, BASE, SECRET, parse_body, require_key
from tests.relay.support.supabase.refusals import Refusal, ServerFailure, redirect_back

MAX_ADDRESS_LENGTH = 255
# The form of an address in the HTML standard: ASCII only, without quotes, and a domain of labels of up to 63.
_LABEL = r"[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?"
_ADDRESS = re.compile(rf"[a-zA-Z0-9.!#$%&'*+/=?^_`{{|}}~-]+@{_LABEL}(?:\.{_LABEL})*", re.ASCII)


@dataclass
class Email:
    """A sent email: the link of the default template, and the token hash that other templates use."""

    to: str
    link: str
    token_hash: str
    kind: str


async def request_link(project, request):
    require_key(request, ANON, SECRET)
    parameters = await parse_body(request)
    email = (parameters.get("email") or "").lower()
    if not email:
        if parameters.get("phone"):
            raise Refusal(400, "phone_provider_disabled", "Unsupported phone provider")
        raise Refusal(400, "validation_failed", "One of email or phone must be set")
    _check_project(project, parameters)
    challenge, method = parse_pkce_challenge(parameters)
    account = project.accounts.get(email)
    if account is None and not parameters.get("create_user", True):
        raise Refusal(422, "otp_disabled", "Signups not allowed for otp")
    _check_address(email)
    kind = "magiclink" if account is not None and account.is_confirmed else "signup"
    if kind == "signup" and not project.allows_signups:
        raise Refusal(422, "signup_disabled", "Signups not allowed for this instance")
    account = account or create_account(email)
    flow = Flow(kind, challenge, method, project.now(), account) if challenge else None
    # For a known account the flow is kept even if sending fails; for a new one everything is rolled back.
    if flow is not None and kind == "magiclink":
        project.flows.add(flow)
    send_email(project, account, kind, prefix=PREFIX if flow is not None else "", request=request)
    project.accounts[email] = account
    if flow is not None and kind == "signup":
        project.flows.add(flow)
    return JSONResponse({})


def _check_project(project, parameters):
    captcha = (parameters.get("gotrue_meta_security") or {}).get("captcha_token")
    if project.requires_captcha and not captcha:
        message = "captcha protection: request disallowed (no captcha_token found)"
        raise Refusal(400, "captcha_failed", message)
    if not project.allows_email_sign_in:
        raise Refusal(422, "email_provider_disabled", "Email logins are disabled")


def _check_address(email):
    if len(email) > MAX_ADDRESS_LENGTH:
        raise Refusal(400, "validation_failed", "An email address is too long")
    if not _ADDRESS.fullmatch(email):
        raise Refusal(400, "validation_failed", "Unable to validate email address: invalid format")


def create_account(email):
    account = SupabaseAccount(email)
    account.metadata = {"sub": account.id, "email": email, "email_verified": True, "phone_verified": False}
    account.confirmation_sent_at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    return account


def send_email(project, account, kind, *, prefix, request=None):
    """Send a link of this kind. Without a request it belongs to no browser's flow, and leads to the site."""
    wait = account.mailed_at.get(kind, float("-inf")) + EMAIL_INTERVAL_SECONDS - project.now()
    if wait > 0:
        message = f"For security purposes, you can only request this after {int(wait)} seconds."
        raise Refusal(429, "over_email_send_rate_limit", message)
    if project.allowed_addresses is not None and account.email not in project.allowed_addresses:
        raise Refusal(400, "email_address_not_authorized", "Email address cannot be used as it is not authorized")
    if project.emails_left is not None:
        if project.emails_left == 0:
            raise Refusal(429, "over_email_send_rate_limit", "email rate limit exceeded")
        project.emails_left -= 1
    if project.mail_server == "down":
        raise Refusal(500, "unexpected_failure", "Error sending confirmation email", has_error_id=True)
    if project.mail_server == "slow":
        # Rolled back after 10 s, yet the email arrives.
        _append_email(project, account, kind, prefix + "dead", request)
        message = "Processing this request timed out, please retry after a moment."
        raise ServerFailure(message, status=504, code="request_timeout")
    token_hash = project.links.create(account, kind, project.now(), prefix=prefix)
    account.mailed_at[kind] = project.now()
    _append_email(project, account, kind, token_hash, request)


def _append_email(project, account, kind, token_hash, request):
    query = urlencode({"token": token_hash, "type": kind, "redirect_to": project.get_redirect_to(request)})
    project.mails.append(Email(account.email, f"{project.url}{BASE}/verify?{query}", token_hash, kind))


async def open_link(project, request):
    token, kind = request.query_params.get("token", ""), request.query_params.get("type", "")
    if not token:
        raise Refusal(400, "validation_failed", "Verify requires a token or a token hash")
    if not kind:
        raise Refusal(400, "validation_failed", "Verify requires a verification type")
    redirect_to, is_pkce = project.get_redirect_to(request), token.startswith(PREFIX)
    if is_pkce and kind not in REDIRECTED_TYPES:
        raise ServerFailure
    try:
        link = project.links.find(token, kind, project.now())
        flow = _require_flow(project, link) if is_pkce else None
    except Refusal as refusal:
        error = refusal.as_query()
        return redirect_back(redirect_to, 303, query=error if is_pkce else None, fragment=error)
    _use_link(project, link)
    if flow is None:
        tokens = project.create_fragment(project.create_session(link.account, "otp"))
        return redirect_back(redirect_to, 303, fragment={**tokens, "type": kind})
    flow.issued_at = project.now()
    return redirect_back(redirect_to, 303, query={"code": flow.code})


def _require_flow(project, link):
    flow = project.flows.find_newest(link.account, link.kind)
    if flow is None:
        raise Refusal(400, "flow_state_not_found", "No associated flow state found.")
    return flow


async def exchange_token_hash(project, request):
    parameters = await parse_body(request)
    if not parameters.get("type"):
        raise Refusal(400, "validation_failed", "Verify requires a verification type")
    token_hash = parameters.get("token_hash")
    if not token_hash:
        raise Refusal(400, "validation_failed", "Verify requires either a token or a token hash")
    if any(parameters.get(name) for name in ("email", "phone", "redirect_to")):
        raise Refusal(400, "validation_failed", "Only the token_hash and type should be provided")
    link = project.exchanges.find_used(token_hash, request) or project.links.find(
        token_hash, parameters["type"], project.now()
    )
    _use_link(project, link)
    project.exchanges.record(token_hash, link)
    return JSONResponse(project.create_session(link.account, "otp"))


def _use_link(project, link):
    project.links.remove(link.account, link.kind)
    link.account.is_confirmed = True
