"""Every route that takes an id, as somebody else: 404, whether the id is another's or nobody's, in the same words.

The routes are asked from the app, pages included: one that is added later is tried from its first day. When a test here
says that it does not know a name, tell it in FIELDS, or in the world's IDS.
"""

import re
from uuid import uuid4

import pytest

from relay.pages.site import ROUTERS

FIELDS = {
    "action": "START",
    "amps": 10,
    "odometer_km": 12.5,
    "confirm": "true",
    "external_url": "https://home.example.org",
    "webhook_id": "01JD3W4Q9G",
}
"""What bodies are filled with, so that nothing but the id is wrong with them."""

OTHERS = {"token": "evl_" + "A" * 43, "name": "github"}
"""What paths name that is nobody's: whoever has a link's token is meant by it, and providers are everybody's."""

UNSIGNED_FORMS = {"/link/{token}"}
"""Forms without a token of their own: the address has one, and who has that could press the button as well."""

NAMES = re.compile(r"\{(\w+)\}")

PUBLIC = {
    "GET /api/health/live",
    "GET /api/health/ready",
    # Signed, or with the operator's own key.
    "POST /api/webhook/enode",
}
"""Routes of the API that ask for no credential of a user's."""


def operations(app):
    """(method, path, operation) of the API."""
    document = app.openapi()
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield method.upper(), path, operation


def with_ids(app):
    """(method, path with names in braces, names of fields) of everything that takes an id in its path."""
    for method, path, operation in operations(app):
        if set(NAMES.findall(path)) - OTHERS.keys():
            yield method, path, _fields(app.openapi(), operation)
    for router in ROUTERS:
        for route in router.routes:
            if set(NAMES.findall(route.path)) - OTHERS.keys():
                for method in route.methods - {"HEAD"}:
                    yield method, route.path, ()


def _fields(document, operation):
    content = operation.get("requestBody", {}).get("content", {})
    names = [it["schema"].get("$ref", "").rpartition("/")[2] for it in content.values()]
    return tuple(
        field for name in names for field in document["components"]["schemas"].get(name, {}).get("required", ())
    )


def filled(path, ids):
    return NAMES.sub(lambda name: ids[name[1]], path)


def comparable(answer):
    """The body without what differs on any page: its own address and its form's token."""
    path = answer.request.url.path.encode()
    return re.sub(rb'name="csrf" value="\w+"', b"", answer.content.replace(path, b""))


async def test_another_s_ids_are_answered_as_unknown_ones(app, ids, mallory):
    tried = 0
    for method, path, fields in with_ids(app):
        body = {name: FIELDS[name] for name in fields} or None
        names = set(NAMES.findall(path))
        theirs = [ids, *([ids | {"vehicle_id": ids["enode_vehicle_id"]}] if "vehicle_id" in names else [])]
        unknown = await mallory.call(method, filled(path, {name: str(uuid4()) for name in names}), body)
        for known in theirs:
            answer = await mallory.call(method, filled(path, known), body)
            assert (answer.status_code, unknown.status_code) == (404, 404), (method, path, answer.text)
            assert comparable(answer) == comparable(unknown), (method, path)
            tried += 1
    assert tried > 15


async def test_ids_in_bodies_and_questions_are_no_way_around(app, ids, mallory):
    tried = []
    for method, path, operation in operations(app):
        document = app.openapi()
        fields = _all_fields(document, operation)
        asked = [it["name"] for it in operation.get("parameters", ()) if it["in"] == "query"]
        for name in [it for it in (*fields, *asked) if it in ids]:
            known = {it: FIELDS[it] for it in fields if it in FIELDS} | {name: ids[name]}
            unknown = known | {name: str(uuid4())}
            answers = [
                await mallory.request(method, path, **({"json": it} if name in fields else {"params": it}))
                for it in (known, unknown)
            ]
            assert answers[0].status_code == answers[1].status_code, (method, path, name)
            assert answers[0].status_code >= 400, (method, path, name, answers[0].text)
            assert answers[0].content == answers[1].content
            tried.append((path, name))
    assert tried


def _all_fields(document, operation):
    content = operation.get("requestBody", {}).get("content", {})
    names = [it["schema"].get("$ref", "").rpartition("/")[2] for it in content.values()]
    return [field for name in names for field in document["components"]["schemas"].get(name, {}).get("properties", ())]


async def test_their_owner_gets_through(app, ids, ada):
    """Else the tests above could be right about nothing."""
    last = ("disconnect", "revoke", "unlink")
    closed = []
    for method, path, fields in sorted(
        with_ids(app), key=lambda it: (it[0] == "DELETE", it[0], it[1].endswith(last), it[1])
    ):
        answer = await ada.call(method, filled(path, ids), {name: FIELDS[name] for name in fields} or None)
        assert answer.status_code < 500 or answer.status_code == 502, (method, path, answer.text)
        if answer.status_code == 404:
            closed.append((method, path))
    assert closed == []


async def test_without_a_credential_every_route_of_the_api_is_closed(app, url, ids, mallory):
    mallory.headers.pop("Authorization")
    seen = set()
    for method, path, operation in operations(app):
        name = f"{method} {path}"
        if not path.startswith("/api/") or name in PUBLIC:
            seen.add(name)
            continue
        names = dict.fromkeys(NAMES.findall(path), str(uuid4()))
        body = {it: FIELDS.get(it, "x") for it in _fields(app.openapi(), operation)}
        # A web session opens the pages and nothing of the API: no foreign page's script calls in its name.
        for header in ({}, {"Authorization": "Bearer evc_" + "A" * 43}, {"Authorization": "Bearer a.b.c"}):
            answer = await mallory.request(method, filled(path, names | ids), headers=header, json=body or None)
            assert answer.status_code in {401, 422}, (name, answer.status_code)
            assert answer.status_code == 401 or body, name
    assert seen >= PUBLIC, "an exception is about nothing"


FORMS = {route.path for router in ROUTERS for route in router.routes if "POST" in route.methods}


@pytest.mark.parametrize("path", sorted(UNSIGNED_FORMS))
async def test_a_form_without_a_token_is_refused_all_the_same_when_another_site_sent_it(path, ids, mallory):
    answer = await mallory.post(filled(path, ids | OTHERS), headers={"Sec-Fetch-Site": "cross-site"})
    assert answer.status_code == 403


@pytest.mark.parametrize("path", sorted(FORMS - UNSIGNED_FORMS))
async def test_a_form_from_elsewhere_is_refused(app, path, ids, mallory):
    whole = filled(path, ids | OTHERS)
    foreign = await mallory.post(whole, data={"csrf": "0" * 64})
    bare = await mallory.post(whole, data={"name": "x"})
    crossing = await mallory.post(whole, data={"csrf": mallory.csrf}, headers={"Sec-Fetch-Site": "cross-site"})
    assert {foreign.status_code, bare.status_code, crossing.status_code} == {403}


def test_exceptions_are_about_something():
    assert UNSIGNED_FORMS <= FORMS
