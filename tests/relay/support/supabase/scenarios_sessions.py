"""Scenarios of `observed.json` about sessions: codes, providers, signing out, and the admin API."""

from urllib.parse import urlencode

from tests.relay.support.supabase.flows import EMAIL_INTERVAL_SECONDS, FLOW_LIFETIME_SECONDS, SupabaseAccount
from tests.relay.support.supabase.gateway import SECRET
from tests.relay.support.supabase.lab import BACK, describe_response, get_code, read_claims
from tests.relay.support.supabase.scenarios_links import PKCE, TRUNCATED

UNKNOWN_ID = "00000000-0000-4000-8000-000000000000"


async def run_token(lab):
    code = await lab.get_code("anna@example.org")
    body = {"auth_code": code, "code_verifier": "v" * 43}
    await lab.ask("token: other grant", "POST", "/token?grant_type=other", json=body)
    await lab.ask("token: no grant", "POST", "/token", json=body)
    await lab.note_exchange("token: empty verifier", code, "")
    await lab.note_exchange("token: short verifier", code, "short")
    await lab.note_exchange("token: wrong verifier", code, "w")
    await lab.note_exchange("token: unknown code", UNKNOWN_ID)
    await lab.note_exchange("token: code no uuid", "nonsense")
    await lab.note_exchange("token: code empty", "")
    await lab.note_exchange("token: nul in code", "a\0b")
    await lab.ask("token: not json", "POST", "/token?grant_type=pkce", **TRUNCATED)
    await lab.ask("token: no apikey", "POST", "/token?grant_type=pkce", key=None, json=body)
    session = (await lab.note_exchange("token: good", code)).json()
    await lab.note_exchange("token: twice", code)
    lab.note("token amr", _list_methods(session))
    lab.note("session keys", sorted(session))
    await _exchange_late(lab)


async def _exchange_late(lab):
    double = lab.double
    late = FLOW_LIFETIME_SECONDS + 1
    code = await lab.get_code("bert@example.org")
    double.advance_time(late)
    await lab.note_exchange("token: new, 301 s later", code)
    session = (await lab.note_exchange("token: known", await lab.get_code("anna@example.org"))).json()
    lab.note("token amr known", _list_methods(session))
    double.advance_time(EMAIL_INTERVAL_SECONDS + 1)
    await lab.send_link("anna@example.org")
    double.advance_time(late)
    code = get_code(await lab.open("link of known, opened 301 s later", double.mails[-1]))
    await lab.note_exchange("token: of it", code)
    code = await lab.get_code("anna@example.org")
    double.advance_time(late)
    await lab.note_exchange("token: known, code 301 s old", code)
    await lab.send_link("carl@example.org")
    double.advance_time(late)
    code = get_code(await lab.open("link of new, opened 301 s later", double.mails[-1]))
    await lab.note_exchange("token: of it", code)
    code = await lab.get_code("dora@example.org")
    double.accounts["dora@example.org"].is_banned = True
    await lab.note_exchange("token: banned after the link", code)


def _list_methods(session):
    return [entry["method"] for entry in read_claims(session)["amr"]]


async def run_authorize(lab):
    await _ask_authorize(lab)
    await _sign_in_with_provider(lab)
    await _deny(lab)
    await _sign_in_unverified(lab)
    await _break_provider(lab)


async def _ask_authorize(lab):
    async def authorize(case, **changes):
        params = {"provider": "github", "redirect_to": BACK, **PKCE} | changes
        query = urlencode({name: value for name, value in params.items() if value is not None})
        await lab.ask(f"authorize: {case}", "GET", f"/authorize?{query}", key=None)

    await authorize("good")
    await authorize("no provider", provider=None)
    await authorize("unknown provider", provider="xyz")
    await authorize("challenge without method", code_challenge_method=None)
    await authorize("short challenge", code_challenge="short")
    await authorize("google (not enabled)", provider="google")


async def _start(lab, *, redirect_to=BACK, pkce=PKCE):
    """URL of the callback to which the provider redirects."""
    query = urlencode({"provider": "github", "redirect_to": redirect_to, **pkce})
    start = await lab.request("GET", f"/authorize?{query}", key=None)
    return (await lab.client.get(start.headers["location"])).headers["location"]


async def _return(lab, case, url=None, **options):
    return await lab.ask(f"callback: {case}", "GET", url or await _start(lab, **options), key=None)


async def _sign_in_with_provider(lab):
    url = await _start(lab)
    code = get_code(await _return(lab, "good", url))
    await _return(lab, "again, before the exchange", url)
    session = (await lab.note_exchange("callback: exchange", code)).json()
    claims = read_claims(session)
    lab.note("oauth amr", _list_methods(session))
    lab.note("oauth app_metadata", claims["app_metadata"])
    lab.note("oauth user_metadata", sorted(claims["user_metadata"]))
    lab.note("oauth session keys", sorted(session))
    await _return(lab, "again, after the exchange", url)


async def _deny(lab):
    async def start(error):
        lab.double.provider_error = error
        url = await _start(lab)
        lab.double.provider_error = None
        return url

    url = await start({"error": "access_denied", "error_description": "The user has denied your application access."})
    await _return(lab, "denied", url)
    await _return(lab, "denied, again", url)
    await _return(lab, "denied, no description", await start({"error": "access_denied"}))
    oops = {"error": "server_error", "error_description": "oops"}
    await _return(lab, "provider's server_error", await start(oops))
    suspended = {"error": "application_suspended", "error_description": "x"}
    await _return(lab, "application_suspended", await start(suspended))
    await _return(lab, "neither code nor error", await start({}))
    await _return(lab, "no state", "/callback?code=x")
    await _return(lab, "state no uuid", "/callback?code=x&state=nonsense")
    await _return(lab, "unknown state", f"/callback?code=x&state={UNKNOWN_ID}")
    url = await _start(lab)
    lab.double.advance_time(FLOW_LIFETIME_SECONDS + 1)
    await _return(lab, "301 s later", url)


async def _sign_in_unverified(lab):
    double = lab.double
    code = get_code(await _return(lab, "known, good"))
    double.advance_time(FLOW_LIFETIME_SECONDS + 1)
    await lab.note_exchange("token: oauth code 301 s old", code)
    double.provider_account.is_banned = True
    await _return(lab, "banned")
    double.provider_account = SupabaseAccount("new@example.org")
    double.provider_verifies_email = False
    await _return(lab, "unverified new")
    lab.note("mails after unverified", len(double.mails))
    await _return(lab, "unverified, at once again")
    lab.note("mails after 2nd", len(double.mails))
    await lab.open("the confirmation mail's link", double.mails[-1])
    await _return(lab, "unverified at provider, confirmed by mail")
    lab.note("mails at end", len(double.mails))


async def _break_provider(lab):
    double = lab.double
    await _return(lab, "redirect elsewhere", redirect_to="https://evil.example/x")
    await _return(lab, "without pkce", pkce={})
    double.provider_problem = "no address"
    await _return(lab, "no address at all")
    double.provider_problem, double.provider_error = "code refused", {"code": "338b"}
    await _return(lab, "provider refuses the code")
    double.provider_problem, double.provider_error = "no profile", None
    await _return(lab, "provider's /user fails")


async def run_logout(lab):
    double = lab.double
    _, bearer = await lab.sign_in("anna@example.org")

    async def end(case, query="", **options):
        await lab.ask(f"logout: {case}", "POST", f"/logout{query}", **options)

    await end("no bearer")
    await end("junk bearer", headers={"Authorization": "Bearer x"})
    await end("basic", headers={"Authorization": "Basic x"})
    await end("scope=all", "?scope=all", headers=bearer)
    await end("no apikey", key=None, headers=bearer)
    await end("wrong apikey", key="another", headers=bearer)
    await end("local", "?scope=local", headers=bearer)
    lab.note("sessions", len(double.sessions))
    await end("local again", "?scope=local", headers=bearer)
    for case, change in (("global", None), ("banned", "ban"), ("deleted", "delete")):
        _, bearer = await lab.sign_in(f"{case}@example.org")
        account = double.accounts[f"{case}@example.org"]
        account.is_banned = change == "ban"
        if change == "delete":
            double.delete_account(account)
        await end(case, headers=bearer)


async def run_admin(lab):
    double = lab.double
    await lab.send_link("anna@example.org")
    mail, account = double.mails[0], double.accounts["anna@example.org"]

    async def delete(case, user_id=account.id, *, key=SECRET, **options):
        options = {"json": {"should_soft_delete": False}} | options
        await lab.ask(f"delete: {case}", "DELETE", f"/admin/users/{user_id}", key=key, **options)

    await delete("publishable key", key="sb_publishable_test")
    await delete("no key", key=None)
    await delete("wrong key", key="another")
    await delete("no uuid", "nonsense")
    await delete("unknown", UNKNOWN_ID)
    await delete("good")
    await delete("twice")
    await lab.open("link of the deleted", mail)
    await lab.verify("hash of the deleted", mail.token_hash)
    code = await lab.get_code("bert@example.org")
    await delete("empty body", double.accounts["bert@example.org"].id, json=None)
    await lab.note_exchange("token: of somebody deleted", code)
    await delete("trailing slash", f"{UNKNOWN_ID}/")
    await _ask_keys(lab)


async def _ask_keys(lab):
    path = "/.well-known/jwks.json"
    response = await lab.request("GET", path)
    lab.note("jwks", describe_response(response))
    lab.note("jwks cache", response.headers["cache-control"])
    lab.note("jwk fields", [sorted(key) for key in response.json()["keys"]])
    await lab.ask("jwks HEAD", "HEAD", path)
    await lab.ask("unknown path", "GET", "/nothing")
    await lab.ask("wrong method", "GET", "/otp")
