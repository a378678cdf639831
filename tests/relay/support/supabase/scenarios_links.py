"""Scenarios of `observed.json` about links by email: requesting, opening and exchanging them."""

from urllib.parse import urlencode

import jwt

from tests.relay.support.supabase.flows import EMAIL_INTERVAL_SECONDS, LINK_LIFETIME_SECONDS
from tests.relay.support.supabase.lab import BACK, VERIFIERS, get_code, read_claims

PKCE = {"code_challenge": VERIFIERS["v"], "code_challenge_method": "plain"}
NO_PKCE = {"code_challenge": None, "code_challenge_method": None}
LONG_ADDRESS = "a" * 250 + "@example.org"
TRUNCATED = {"content": "{", "headers": {"Content-Type": "application/json"}}

_OTP_REQUESTS = (
    ("plain", {"email": "anna@example.org"}),
    ("create_user=false unknown", {"email": "x0@example.org", "create_user": False}),
    ("no @", {"email": "anna"}),
    ("no @, create_user=false", {"email": "anna", "create_user": False}),
    ("short challenge", {"email": "x1@example.org", "code_challenge": "short"}),
    ("challenge without method", {"email": "x2@example.org", "code_challenge_method": None}),
    ("method without challenge", {"email": "x3@example.org", "code_challenge": None}),
    ("unknown method", {"email": "x4@example.org", "code_challenge_method": "sha1"}),
    ("S256 upper", {"email": "x5@example.org", "code_challenge_method": "S256"}),
    ("no pkce", {"email": "x6@example.org", **NO_PKCE}),
    ("empty email", {"email": ""}),
    ("upper-case email", {"email": "UPPER@example.org"}),
    ("spaces around", {"email": " anna@example.org "}),
    ("blank inside", {"email": "an na@example.org"}),
    ("no dot", {"email": "anna@example"}),
    ("idn", {"email": "anna@exämple.org"}),
    ("unicode local", {"email": "änna@example.org"}),
    ("quoted", {"email": '"anna b"@example.org'}),
    ("long", {"email": LONG_ADDRESS}),
    ("plus", {"email": "anna+x@example.org"}),
    ("two @", {"email": "anna@b@example.org"}),
    ("apostrophe", {"email": "o'neil@example.org"}),
    ("data null", {"email": "x8@example.org", "data": None}),
    ("phone only", {"email": None, "phone": "+15551234567"}),
    ("bad chars in challenge", {"email": "x9@example.org", "code_challenge": "!" * 43}),
    ("captcha token", {"email": "x10@example.org", "gotrue_meta_security": {"captcha_token": "x"}}),
)


async def run_otp(lab):
    for case, changes in _OTP_REQUESTS:
        body = {name: value for name, value in (PKCE | changes).items() if value is not None}
        if case == "data null":
            body["data"] = None
        await lab.ask(f"otp: {case}", "POST", "/otp", json=body)
    body = {"email": "x11@example.org", **PKCE}
    await lab.ask("otp: no apikey", "POST", "/otp", key=None, json=body)
    await lab.ask("otp: wrong apikey", "POST", "/otp", key="another", json=body)
    await lab.ask("otp: not json", "POST", "/otp", **TRUNCATED)
    await lab.ask("otp: empty body", "POST", "/otp")
    newer = {"X-Supabase-Api-Version": "2024-01-01"}
    await lab.ask("otp: api version header", "POST", "/otp", json={**body, "create_user": False}, headers=newer)
    lab.note("otp: mails sent to", sorted(mail.to for mail in lab.double.mails))


async def run_minute(lab):
    mails = lab.double.mails
    await lab.note_link("1st", "new@example.org")
    await lab.note_link("2nd at once (new)", "new@example.org")
    lab.double.advance_time(EMAIL_INTERVAL_SECONDS + 1)
    await lab.note_link("after 61 s (new)", "new@example.org")
    await lab.open("link of the second mail", mails[1])
    await lab.open("link of the first mail", mails[0])
    await lab.note_link("known: 1st", "new@example.org")
    await lab.note_link("known: 2nd at once", "new@example.org")
    await lab.open("known: link", mails[2])
    await lab.open("known: link again", mails[2])
    await lab.note_link("known: asked just after it was used", "new@example.org")
    lab.note("mails", len(mails))


async def run_verify_get(lab):
    mails = lab.double.mails
    await lab.send_link("anna@example.org", redirect_to=BACK)
    token = mails[0].token_hash
    fields = dict(pair.split("=") for pair in mails[0].link.partition("?")[2].split("&"))
    lab.note("link's fields", sorted(fields))
    lab.note("token prefix", token[:5])
    lab.note("type", fields["type"])

    async def get(case, method="GET", **params):
        params = {"type": "signup", "redirect_to": BACK} | params
        query = urlencode({name: value for name, value in params.items() if value is not None})
        await lab.ask(case, method, f"/verify?{query}", key=None)

    await get("GET verify: no token")
    await get("GET verify: no type", token=token, type=None)
    await get("GET verify: unknown type", token=token, type="telegram")
    await get("GET verify: type magiclink for signup token", token=token, type="magiclink")
    await get("GET verify: unknown token pkce", token="pkce_unknown")
    await get("GET verify: unknown token plain", token="unknown")
    await get("GET verify: token without its prefix", token=token.removeprefix("pkce_"))
    await get("GET verify: redirect elsewhere, bad token", token="pkce_unknown", redirect_to="https://evil.example/x")
    await get("OPTIONS verify", "OPTIONS", token=token)
    await get("GET verify: type email", token=token, type="email")
    await get("GET verify: good", token=token)
    await get("GET verify: again", token=token)
    await _open_late_and_banned(lab)


async def _open_late_and_banned(lab):
    mails = lab.double.mails
    await lab.send_link("bert@example.org")
    lab.double.advance_time(LINK_LIFETIME_SECONDS + 1)
    await lab.open("GET verify: expired", mails[-1])
    await lab.send_link("carl@example.org")
    await lab.ask("HEAD verify", "HEAD", mails[-1].link, key=None)
    await lab.open("GET after HEAD verify", mails[-1])
    await lab.send_link("dora@example.org")
    lab.double.accounts["dora@example.org"].is_banned = True
    await lab.open("GET verify: banned", mails[-1])
    await lab.note_link("otp: banned", "dora@example.org")
    lab.double.advance_time(EMAIL_INTERVAL_SECONDS + 1)
    await lab.note_link("otp: banned, a minute later", "dora@example.org")
    await lab.send_link("emil@example.org", verifier=None)
    await lab.open("GET verify: no pkce", mails[-1])
    await lab.open("GET verify: no pkce, again", mails[-1])


async def run_verify_post(lab):
    number = 0

    async def get_hash():
        nonlocal number
        number += 1
        await lab.send_link(f"p{number}@example.org")
        return lab.double.mails[-1].token_hash

    for kind in ("signup", "email", "magiclink", "recovery", "invite", "telegram"):
        await lab.verify(f"POST verify: type {kind}", await get_hash(), kind)
    await lab.verify("POST verify: no type", await get_hash(), None)
    await lab.verify("POST verify: empty hash", "")
    await lab.verify("POST verify: with redirect", await get_hash(), body={"redirect_to": BACK})
    await lab.verify("POST verify: with email", await get_hash(), body={"email": f"p{number}@example.org"})
    await lab.verify("POST verify: hash without prefix", (await get_hash()).removeprefix("pkce_"))
    await lab.verify("POST verify: unknown hash", "pkce_unknown")
    await lab.verify("POST verify: huge hash", "x" * 100_000)
    await lab.verify("POST verify: nul in hash", "a\0b")
    await lab.verify("POST verify: no apikey", await get_hash(), key=None)
    await lab.verify("POST verify: wrong apikey", await get_hash(), key="another")
    banned = await get_hash()
    lab.double.accounts[f"p{number}@example.org"].is_banned = True
    await lab.verify("POST verify: banned", banned)
    expired = await get_hash()
    lab.double.advance_time(LINK_LIFETIME_SECONDS + 1)
    await lab.verify("POST verify: expired", expired)
    good = await get_hash()
    session = (await lab.verify("POST verify: good", good)).json()
    await lab.verify("POST verify: twice", good)
    _note_session(lab, session)


def _note_session(lab, session):
    claims = read_claims(session)
    lab.note("session keys", sorted(session))
    lab.note("user keys", sorted(session["user"]))
    lab.note("claims", sorted(claims))
    lab.note("jwt header", sorted(jwt.get_unverified_header(session["access_token"])))
    lab.note("amr", [entry["method"] for entry in claims["amr"]])
    lab.note("aud/role/phone/is_anonymous", [claims[name] for name in ("aud", "role", "phone", "is_anonymous")])
    lab.note("user_metadata", sorted(claims["user_metadata"]))
    lab.note("app_metadata", claims["app_metadata"])


async def run_signups(lab):
    lab.double.allows_signups = False
    await lab.note_link("otp new, signups off", "new@example.org")
    await lab.note_link("otp new, create_user=false, signups off", "new@example.org", create_user=False)
    start = await lab.request("GET", f"/authorize?{urlencode({'provider': 'github', 'redirect_to': BACK, **PKCE})}")
    to_callback = (await lab.client.get(start.headers["location"])).headers["location"]
    await lab.ask("callback new, signups off", "GET", to_callback, key=None)


async def run_verifiers(lab):
    for known in (False, True):
        email = f"{known}@example.org".lower()
        if known:
            await _confirm(lab, email)
        await lab.note_link(f"known={known} ask 1", email, verifier="A")
        await lab.note_link(f"known={known} ask 2", email, verifier="B")
        code = get_code(await lab.open(f"known={known} link", lab.double.mails[-1]))
        await lab.note_exchange(f"known={known} verifier 1", code, "A")
        await lab.note_exchange(f"known={known} verifier 2", code, "B")
    await _confirm(lab, "both@example.org")
    await lab.note_link("known: ask A", "both@example.org", verifier="A")
    lab.double.advance_time(EMAIL_INTERVAL_SECONDS + 1)
    await lab.note_link("known: ask B", "both@example.org", verifier="B")
    await lab.open("known: older mail's link", lab.double.mails[-2])
    code = get_code(await lab.open("known: newer mail's link", lab.double.mails[-1]))
    await lab.note_exchange("known: B's verifier", code, "B")


async def _confirm(lab, email):
    """Sign in once, so that the address is known."""
    await lab.exchange(await lab.get_code(email))
    lab.double.advance_time(EMAIL_INTERVAL_SECONDS + 1)
