"""Routes of the double for the project: its settings, its users, and its public keys."""

from uuid import UUID

from starlette.responses import JSONResponse

from tests.relay.support.supabase.gateway import ANON, SECRET, require_key
from tests.relay.support.supabase.provider_routes import PROVIDERS
from tests.relay.support.supabase.refusals import Refusal

DEFAULT_PAGE_SIZE = 50
BANNED_UNTIL = "2126-11-29T00:00:00Z"


async def show_settings(project, request):
    require_key(request, ANON, SECRET)
    external = {name: name in project.enabled_providers for name in sorted(PROVIDERS)}
    return JSONResponse(
        {
            "external": {**external, "email": project.allows_email_sign_in, "phone": False},
            "disable_signup": not project.allows_signups,
            "mailer_autoconfirm": project.autoconfirms,
            "phone_autoconfirm": False,
            "sms_provider": "",
            "saml_enabled": False,
        }
    )


async def list_users(project, request):
    """A page of users, the newest first."""
    require_key(request, SECRET)
    page = int(request.query_params.get("page", 1))
    size = int(request.query_params.get("per_page", DEFAULT_PAGE_SIZE))
    accounts = list(reversed(project.accounts.values()))
    users = [build_user(account) for account in accounts[(page - 1) * size : page * size]]
    headers = {"x-total-count": str(len(accounts))}
    return JSONResponse({"users": users, "aud": "authenticated"}, headers=headers)


async def show_user(project, request):
    require_key(request, SECRET)
    return JSONResponse(build_user(_require_account(project, request)))


async def delete_user(project, request):
    require_key(request, SECRET)
    body = await request.body()
    assert not body or not (await request.json()).get("should_soft_delete"), "a deletion must be complete"
    project.delete_account(_require_account(project, request))
    return JSONResponse({})


async def show_keys(project, request):
    if project.wants_key_for_jwks:
        require_key(request, ANON, SECRET)
    return JSONResponse({"keys": project.published_keys}, headers={"Cache-Control": "public, max-age=600"})


def build_user(account):
    """The user as the admin API shows them."""
    user = {
        "id": account.id,
        "aud": "authenticated",
        "role": "authenticated",
        "email": account.email,
        "phone": "",
        "app_metadata": {"provider": account.providers[0], "providers": account.providers},
        "user_metadata": account.metadata,
        "identities": [],
        "created_at": "2026-11-29T00:00:00Z",
        "updated_at": "2026-11-29T00:00:00Z",
        "is_anonymous": False,
    }
    banned_until = BANNED_UNTIL if account.is_banned else account.former_ban_until
    return user if banned_until is None else {**user, "banned_until": banned_until}


def _require_account(project, request):
    try:
        UUID(request.path_params["id"])
    except ValueError:
        raise Refusal(404, "validation_failed", "user_id must be an UUID") from None
    account = project.find_account(request.path_params["id"])
    if account is None:
        raise Refusal(404, "user_not_found", "User not found")
    return account
