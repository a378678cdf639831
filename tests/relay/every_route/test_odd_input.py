"""Whatever somebody puts into an address, a form, a body or a header: no route answers with a mistake of ours."""

import json
from urllib.parse import quote, urlencode

from relay.pages.site import ROUTERS
from tests.relay.every_route.test_foreign_ids import FIELDS, NAMES, OTHERS, filled, operations

ODD = (
    b"a\0b",
    b"a\r\nSet-Cookie: x=y\r\n\r\n<b>",
    b"\xff\xfe\xc0\x80",
    b"\xed\xa0\x80",
    "\u202e\u200b\u2066evil".encode(),
    b"{} {0} {name} %s %(x)s",
    b"-1e999999",
)
LONG = b"9" * 9_000

FORM = {
    "email": "ada@example.org",
    "next": "/usage",
    "name": "Home",
    "scopes": "read",
    "code": "x",
    "terms": "yes",
    "token_hash": "x",
    "type": "email",
    "request": "x.y",
    "decision": "approve",
    "language": "de-DE",
    "word": "x",
    "vendor": "TESLA",
    "car": "x",
}
"""Every field that a form of ours has, with something sensible in it."""
ENDS_THE_SESSION = {"/sign-out", "/profile/sign-out-everywhere"}
ENDS_THE_ACCOUNT, ENDLESS = "/api/user", "/api/ha/v2/stream"
NOT_OURS = {502, 503}
"""Enode and Supabase may say no, or not be there."""
AS_A_FORM = {"Content-Type": "application/x-www-form-urlencoded"}


def with_odd_paths(path, ids):
    """The address with good ids, and with odd ones."""
    yield filled(path, ids | OTHERS)
    if NAMES.search(path):
        yield from (NAMES.sub(quote(odd, safe=""), path) for odd in ODD)


async def test_pages(ada, ids):
    wrong, tried = [], 0
    for route in (it for router in ROUTERS for it in router.routes):
        asked = [it.alias for it in route.dependant.query_params]
        for path in with_odd_paths(route.path, ids):
            for odd in (*ODD, LONG):
                # A known id beside it: else many stop before they look at the rest.
                query = urlencode(
                    dict.fromkeys({*asked, "next", "state"} - {"link"}, odd) | {"link": ids["vehicle_id"]}
                )
                if "GET" in route.methods:
                    answer = await ada.get(f"{path}?{query}", headers={"Accept": "text/html"})
                    tried += 1
                    if answer.status_code >= 500 and answer.status_code not in NOT_OURS:
                        wrong.append(("GET", path, odd[:20]))
        if "POST" in route.methods and route.path not in ENDS_THE_SESSION:
            for name, odd in ((name, odd) for name in FORM for odd in (*ODD[:2], LONG)):
                form = urlencode({"csrf": ada.csrf, **FORM, name: odd})
                answer = await ada.post(filled(route.path, ids | OTHERS), content=form, headers=AS_A_FORM)
                tried += 1
                if answer.status_code >= 500 and answer.status_code not in NOT_OURS:
                    wrong.append(("POST", route.path, name, odd[:20]))
    assert wrong == []
    assert tried > 500


async def test_the_api(app, ada, ids):
    wrong, tried = [], 0
    for method, path, operation in operations(app):
        if (method, path) == ("DELETE", ENDS_THE_ACCOUNT) or path == ENDLESS:
            continue
        query = [it["name"] for it in operation.get("parameters", ()) if it["in"] == "query"]
        fields = properties(app.openapi(), operation)
        good = {it: FIELDS.get(it, "x") for it in fields}
        for where in with_odd_paths(path, ids):
            for odd in (*ODD, LONG):
                # As JSON can say it: half of a surrogate pair too.
                text = odd.decode(errors="surrogateescape")
                bodies = [json.dumps(good | {it: text}) for it in fields] or [None]
                for body in bodies:
                    asking = f"{where}?{urlencode(dict.fromkeys(query, odd))}"
                    answer = await ada.request(
                        method, asking, content=body, headers={"Content-Type": "application/json"} if body else {}
                    )
                    tried += 1
                    if answer.status_code >= 500 and answer.status_code not in NOT_OURS:
                        wrong.append((method, where, odd[:20], body and body[:80]))
    assert wrong == []
    assert tried > 500


def properties(document, operation):
    """Names of what a body may hold, in JSON."""
    content = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
    names = [it["$ref"].rpartition("/")[2] for it in (content, *content.get("anyOf", ())) if "$ref" in it]
    return [field for name in names for field in document["components"]["schemas"][name].get("properties", ())]
