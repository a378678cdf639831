"""Ids of other users: every route answers 404, with the same body as for an id that doesn't exist."""

import re
from uuid import uuid4

import pytest

from relay.pages.site import ROUTERS
from tests.relay.every_route.routes import (
    BODY_VALUES,
    PATH_PARAMETER,
    UNOWNED_PATH_VALUES,
    fill_path,
    list_fields,
    list_operations,
    list_required_fields,
    list_routes_with_ids,
)

FORMS_WITHOUT_CSRF_TOKEN = {"/link/{token}"}
"""Forms whose address has a token already. Anyone who has it may press the button anyway."""

PUBLIC_OPERATIONS = {
    "GET /api/health/live",
    "GET /api/health/ready",
    # Signed, or with the operator's own key.
    "POST /api/webhook/enode",
}
"""Operations of the API that need no user's credential."""

FORM_PATHS = {route.path for router in ROUTERS for route in router.routes if "POST" in route.methods}


def get_comparable_body(response):
    """The body without what differs on every page: its own address and its form's token."""
    path = response.request.url.path.encode()
    return re.sub(rb'name="csrf" value="\w+"', b"", response.content.replace(path, b""))


async def test_ids_of_another_user_are_answered_like_unknown_ids(app, ids, mallory):
    checked = 0
    for method, path, fields in list_routes_with_ids(app):
        body = {name: BODY_VALUES[name] for name in fields} or None
        names = set(PATH_PARAMETER.findall(path))
        foreign_ids = [ids, *([ids | {"vehicle_id": ids["enode_vehicle_id"]}] if "vehicle_id" in names else [])]
        unknown = await mallory.call(method, fill_path(path, {name: str(uuid4()) for name in names}), body)
        for values in foreign_ids:
            foreign = await mallory.call(method, fill_path(path, values), body)
            assert (foreign.status_code, unknown.status_code) == (404, 404), (method, path, foreign.text)
            assert get_comparable_body(foreign) == get_comparable_body(unknown), (method, path)
            checked += 1
    assert checked > 15


async def test_ids_of_another_user_in_bodies_and_queries_are_answered_like_unknown_ids(app, ids, mallory):
    checked = []
    for method, path, operation in list_operations(app):
        fields = list_fields(app.openapi(), operation)
        query = [parameter["name"] for parameter in operation.get("parameters", ()) if parameter["in"] == "query"]
        for name in [name for name in (*fields, *query) if name in ids]:
            foreign = {field: BODY_VALUES[field] for field in fields if field in BODY_VALUES} | {name: ids[name]}
            unknown = foreign | {name: str(uuid4())}
            responses = [
                await mallory.request(method, path, **({"json": values} if name in fields else {"params": values}))
                for values in (foreign, unknown)
            ]
            assert responses[0].status_code == responses[1].status_code, (method, path, name)
            assert responses[0].status_code >= 400, (method, path, name, responses[0].text)
            assert responses[0].content == responses[1].content
            checked.append((path, name))
    assert checked


async def test_the_owner_of_the_ids_has_access(app, ids, ada):
    """Without this, the tests above could pass although the requests are invalid."""
    destructive = ("delete", "disconnect", "revoke", "unlink")
    not_found = []
    for method, path, fields in sorted(
        list_routes_with_ids(app),
        key=lambda route: (route[0] == "DELETE", route[0], route[1].endswith(destructive), route[1]),
    ):
        response = await ada.call(method, fill_path(path, ids), {name: BODY_VALUES[name] for name in fields} or None)
        assert response.status_code < 500 or response.status_code == 502, (method, path, response.text)
        if response.status_code == 404:
            not_found.append((method, path))
    assert not_found == []


async def test_without_a_credential_every_operation_of_the_api_returns_401(app, url, ids, mallory):
    mallory.headers.pop("Authorization")
    public = set()
    for method, path, operation in list_operations(app):
        name = f"{method} {path}"
        if not path.startswith("/api/") or name in PUBLIC_OPERATIONS:
            public.add(name)
            continue
        values = dict.fromkeys(PATH_PARAMETER.findall(path), str(uuid4())) | ids
        body = {field: BODY_VALUES.get(field, "x") for field in list_required_fields(app.openapi(), operation)}
        # A web session gives access to the pages, never to the API: no script of another site may call it.
        for header in ({}, {"Authorization": "Bearer evc_" + "A" * 43}, {"Authorization": "Bearer a.b.c"}):
            response = await mallory.request(method, fill_path(path, values), headers=header, json=body or None)
            assert response.status_code in {401, 422}, (name, response.status_code)
            assert response.status_code == 401 or body, name
    assert public >= PUBLIC_OPERATIONS, "PUBLIC_OPERATIONS has an entry that doesn't exist"


@pytest.mark.parametrize("path", sorted(FORMS_WITHOUT_CSRF_TOKEN))
async def test_form_without_a_csrf_token_is_rejected_from_another_site(path, ids, mallory):
    response = await mallory.post(fill_path(path, ids | UNOWNED_PATH_VALUES), headers={"Sec-Fetch-Site": "cross-site"})
    assert response.status_code == 403


@pytest.mark.parametrize("path", sorted(FORM_PATHS - FORMS_WITHOUT_CSRF_TOKEN))
async def test_form_from_another_site_is_rejected(app, path, ids, mallory):
    url = fill_path(path, ids | UNOWNED_PATH_VALUES)
    wrong_token = await mallory.post(url, data={"csrf": "0" * 64})
    no_token = await mallory.post(url, data={"name": "x"})
    cross_site = await mallory.post(url, data={"csrf": mallory.csrf}, headers={"Sec-Fetch-Site": "cross-site"})
    assert {wrong_token.status_code, no_token.status_code, cross_site.status_code} == {403}


def test_every_form_without_a_csrf_token_exists():
    assert FORMS_WITHOUT_CSRF_TOKEN <= FORM_PATHS
