"""Odd text in addresses, forms, queries and bodies: no route answers with an internal error."""

import json
from urllib.parse import quote, urlencode

from relay.pages.site import ROUTERS
from tests.relay.every_route.routes import (
    BODY_VALUES,
    PATH_PARAMETER,
    STREAM_PATH,
    UNOWNED_PATH_VALUES,
    fill_path,
    list_operations,
)

ODD_VALUES = (
    b"a\0b",
    b"a\r\nSet-Cookie: x=y\r\n\r\n<b>",
    b"\xff\xfe\xc0\x80",
    b"\xed\xa0\x80",
    "\u202e\u200b\u2066evil".encode(),
    b"{} {0} {name} %s %(x)s",
    b"-1e999999",
)
LONG_VALUE = b"9" * 9_000

FORM_VALUES = {
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
    "energy": "12.5",
}
"""Every field that a form of the pages has, with a valid value."""
SIGN_OUT_PATHS = {"/sign-out", "/profile/sign-out-everywhere"}
DELETE_ACCOUNT = ("DELETE", "/api/user")
UPSTREAM_STATUSES = {502, 503}
"""Enode or Supabase rejected the request or is unavailable."""
FORM_HEADERS = {"Content-Type": "application/x-www-form-urlencoded"}


def is_internal_error(response):
    return response.status_code >= 500 and response.status_code not in UPSTREAM_STATUSES


def list_paths(path, ids):
    """The path with valid ids, and with each odd value."""
    yield fill_path(path, ids | UNOWNED_PATH_VALUES)
    if PATH_PARAMETER.search(path):
        yield from (PATH_PARAMETER.sub(quote(odd, safe=""), path) for odd in ODD_VALUES)


async def test_no_page_answers_odd_input_with_an_internal_error(ada, ids):
    failures, count = [], 0
    for route in (route for router in ROUTERS for route in router.routes):
        parameters = [parameter.alias for parameter in route.dependant.query_params]
        for path in list_paths(route.path, ids):
            for odd in (*ODD_VALUES, LONG_VALUE):
                # With a known id in `link`: without one, many pages stop before they read the other parameters.
                query = urlencode(
                    dict.fromkeys({*parameters, "next", "state"} - {"link"}, odd) | {"link": ids["vehicle_id"]}
                )
                if "GET" in route.methods:
                    response = await ada.get(f"{path}?{query}", headers={"Accept": "text/html"})
                    count += 1
                    if is_internal_error(response):
                        failures.append(("GET", path, odd[:20]))
        if "POST" in route.methods and route.path not in SIGN_OUT_PATHS:
            for name, odd in ((name, odd) for name in FORM_VALUES for odd in (*ODD_VALUES[:2], LONG_VALUE)):
                form = urlencode({"csrf": ada.csrf, **FORM_VALUES, name: odd})
                path = fill_path(route.path, ids | UNOWNED_PATH_VALUES)
                response = await ada.post(path, content=form, headers=FORM_HEADERS)
                count += 1
                if is_internal_error(response):
                    failures.append(("POST", route.path, name, odd[:20]))
    assert failures == []
    assert count > 500


async def test_no_operation_of_the_api_answers_odd_input_with_an_internal_error(app, ada, ids):
    failures, count = [], 0
    for method, path, operation in list_operations(app):
        if (method, path) == DELETE_ACCOUNT or path == STREAM_PATH:
            continue
        query = [parameter["name"] for parameter in operation.get("parameters", ()) if parameter["in"] == "query"]
        fields = list_json_fields(app.openapi(), operation)
        valid_body = {field: BODY_VALUES.get(field, "x") for field in fields}
        for filled_path in list_paths(path, ids):
            for odd in (*ODD_VALUES, LONG_VALUE):
                # JSON can contain lone surrogates, so invalid UTF-8 is sent as those.
                text = odd.decode(errors="surrogateescape")
                bodies = [json.dumps(valid_body | {field: text}) for field in fields] or [None]
                for body in bodies:
                    response = await ada.request(
                        method,
                        f"{filled_path}?{urlencode(dict.fromkeys(query, odd))}",
                        content=body,
                        headers={"Content-Type": "application/json"} if body else {},
                    )
                    count += 1
                    if is_internal_error(response):
                        failures.append((method, filled_path, odd[:20], body and body[:80]))
    assert failures == []
    assert count > 500


def list_json_fields(document, operation):
    """Names of all fields of the operation's JSON body, of each alternative schema."""
    content = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
    references = [schema["$ref"] for schema in (content, *content.get("anyOf", ())) if "$ref" in schema]
    schemas = [document["components"]["schemas"][reference.rpartition("/")[2]] for reference in references]
    return [field for schema in schemas for field in schema.get("properties", ())]
