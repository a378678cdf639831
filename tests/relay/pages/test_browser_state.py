"""Cookies, CSRF tokens and ids in paths, of single requests: names, attributes, and what is accepted."""

import hashlib
import hmac
from types import SimpleNamespace
from uuid import UUID

import pytest
from fastapi import Request
from fastapi.responses import Response

from relay.kit.problems import Problem
from relay.pages.cookies import (
    SESSION_COOKIE,
    VISIT_COOKIE,
    read_cookie,
    set_cookie,
    set_flash_cookie,
)
from relay.pages.csrf import get_csrf_token, is_cross_site, is_valid_csrf_token, set_visit_cookie
from relay.pages.identifiers import parse_id

KEY = b"k" * 32
HTTP = SimpleNamespace(is_https=False, secret_key=KEY)
HTTPS = SimpleNamespace(is_https=True, secret_key=KEY)


def create_request(cookies="", ingress_user=None, root_path="", **headers):
    raw = [(b"cookie", cookies.encode("latin-1"))] if cookies else []
    raw += [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    state = {} if ingress_user is None else {"ingress_user": ingress_user}
    return Request({"type": "http", "headers": raw, "state": state, "root_path": root_path})


def sign(kind, value):
    return hmac.new(KEY, f"form {kind} {value}".encode(), hashlib.sha256).hexdigest()


def get_set_cookie(response):
    return response.headers["set-cookie"].split("; ")


@pytest.mark.parametrize(
    ("runtime", "cookies", "expected"),
    [
        (HTTP, "evconduit_session=a", "a"),
        (HTTP, "__Host-evconduit_session=a", None),
        (HTTPS, "__Host-evconduit_session=a", "a"),
        (HTTPS, "evconduit_session=a", None),
        (HTTP, "evconduit_session=", None),
        (HTTP, "other=a", None),
        (HTTP, "evconduit_session=" + "a" * 100, "a" * 100),
        (HTTP, "evconduit_session=" + "a" * 101, None),
    ],
)
def test_cookie_is_read_by_the_name_that_fits_the_connection(runtime, cookies, expected):
    assert read_cookie(create_request(cookies), runtime, SESSION_COOKIE) == expected


def test_cookie_of_another_length_limit():
    request = create_request("evconduit_next=abcd")
    assert read_cookie(request, HTTP, "evconduit_next", max_length=4) == "abcd"
    assert read_cookie(request, HTTP, "evconduit_next", max_length=3) is None


PREFIX = "/api/hassio_ingress/a"
INGRESS = {"ingress_user": "0" * 32, "root_path": PREFIX}


@pytest.mark.parametrize(
    ("runtime", "place", "name", "path", "is_secure"),
    [
        (HTTP, {}, "evconduit_session", "/", False),
        (HTTPS, {}, "__Host-evconduit_session", "/", True),
        (HTTP, {"root_path": "/evc"}, "evconduit_session", "/evc/", False),
        (HTTPS, {"root_path": "/evc"}, "__Secure-evconduit_session", "/evc/", True),
        (HTTP, {"x_forwarded_proto": "https"}, "evconduit_session", "/", False),
        (HTTP, INGRESS, "evconduit_session", f"{PREFIX}/", False),
        (HTTPS, INGRESS, "evconduit_session", f"{PREFIX}/", False),
        (HTTP, INGRESS | {"x_forwarded_proto": "https"}, "__Secure-evconduit_session", f"{PREFIX}/", True),
        # Home Assistant may leave the prefix out, but the host is never the relay's alone.
        (HTTP, {"ingress_user": "0" * 32, "x_forwarded_proto": "https"}, "__Secure-evconduit_session", "/", True),
    ],
)
def test_cookie_has_the_prefix_path_and_attributes_of_its_place(runtime, place, name, path, is_secure):
    request, response = create_request(**place), Response()
    set_cookie(request, response, runtime, SESSION_COOKIE, "value", max_age=60)
    first, *rest = get_set_cookie(response)
    expected = {"HttpOnly", "Max-Age=60", f"Path={path}", "SameSite=lax", *(["Secure"] if is_secure else [])}
    assert (first, set(rest)) == (f"{name}=value", expected)
    assert read_cookie(create_request(f"{name}=value", **place), runtime, SESSION_COOKIE) == "value"


@pytest.mark.parametrize(
    ("runtime", "ingress", "value", "first", "attributes"),
    [
        (HTTP, {}, "x", "flash=x", {"Path=/", "Max-Age=60"}),
        (HTTPS, {}, "x", "__Host-flash=x", {"Path=/", "Max-Age=60", "Secure"}),
        (HTTPS, INGRESS, "x", "flash=x", {f"Path={PREFIX}/", "Max-Age=60"}),
        (HTTP, {}, "", 'flash=""', {"Path=/", "Max-Age=0"}),
    ],
)
def test_flash_cookie_is_for_the_next_page_only(runtime, ingress, value, first, attributes):
    response = Response()
    set_flash_cookie(create_request(**ingress), response, runtime, "flash", value)
    assert get_set_cookie(response)[0] == first
    assert set(get_set_cookie(response)[1:]) - {'expires=""'} == attributes | {"HttpOnly", "SameSite=lax"}


@pytest.mark.parametrize(
    ("site", "expected"),
    [
        (None, False),
        ("same-origin", False),
        ("none", False),
        ("same-site", True),
        ("cross-site", True),
        ("", True),
        ("SAME-ORIGIN", True),
    ],
)
def test_only_requests_from_the_relays_own_pages_are_same_site(site, expected):
    headers = {} if site is None else {"sec_fetch_site": site}
    request = create_request("evconduit_session=s", **headers)
    assert is_cross_site(request) is expected
    assert is_valid_csrf_token(request, HTTP, sign("session", "s")) is not expected


def sign_as_other_kinds(kind, value):
    return [sign(other, value) for other in {"session", "visit", "ingress"} - {kind}]


BINDINGS = [
    ("evconduit_session=s", None, ("session", "s")),
    ("evconduit_visit=v", None, ("visit", "v")),
    ("evconduit_visit=v; evconduit_session=s", None, ("session", "s")),
    ("evconduit_session=s", "f" * 32, ("ingress", "f" * 32)),
]


@pytest.mark.parametrize(("cookies", "ingress_user", "binding"), BINDINGS)
def test_csrf_token_is_bound_to_session_visit_or_ingress_user(cookies, ingress_user, binding):
    request = create_request(cookies, ingress_user)
    token = get_csrf_token(request, HTTP)
    assert token == sign(*binding)
    assert is_valid_csrf_token(request, HTTP, token)
    for wrong in (
        sign(binding[0], "other"),
        *sign_as_other_kinds(*binding),
        token[:-1],
        token + "0",
        "",
        token.upper(),
        "é",
    ):
        assert not is_valid_csrf_token(request, HTTP, wrong)
    response = Response()
    set_visit_cookie(request, response, HTTP)
    assert "set-cookie" not in response.headers


def test_csrf_token_depends_on_the_relays_key():
    other = SimpleNamespace(is_https=False, secret_key=b"other")
    request = create_request("evconduit_session=s")
    assert get_csrf_token(request, other) != get_csrf_token(request, HTTP)


def test_browser_without_cookies_begins_a_visit_of_a_day():
    request, response = create_request(), Response()
    assert not is_valid_csrf_token(request, HTTP, "")
    token = get_csrf_token(request, HTTP)
    assert get_csrf_token(request, HTTP) == token  # every form on the page has the same
    assert get_csrf_token(create_request(), HTTP) != token
    set_visit_cookie(request, response, HTTP)
    first, *rest = get_set_cookie(response)
    name, _, visit = first.partition("=")
    assert (name, sign("visit", visit), len(visit)) == (VISIT_COOKIE, token, 43)
    assert "Max-Age=86400" in rest
    assert is_valid_csrf_token(create_request(first), HTTP, token)


@pytest.mark.parametrize("text", ["", "1", "x" * 36, "00000000-0000-0000-0000-00000000000", None])
def test_invalid_id_in_a_path_is_answered_like_an_unknown_one(text):
    with pytest.raises(Problem) as raised:
        parse_id(text)
    assert (raised.value.status, raised.value.slug) == (404, "not-found")


def test_id_in_a_path_is_parsed():
    assert parse_id("00000000-0000-0000-0000-000000000001") == UUID(int=1)
