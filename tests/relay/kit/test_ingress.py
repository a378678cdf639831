"""The middleware of the ingress port, request by request."""

import pytest

from relay.kit.ingress import SUPERVISOR_ADDRESS, IngressMiddleware

USER = "0123456789abcdef" * 2
LONGEST = "/" + "a" * 200
RECEIVE = object()


async def call(*, port=8399, client=(SUPERVISOR_ADDRESS, 1), user=USER, prefix="/a/b", kind="http", **scope):
    """Send one request through the middleware; returns what the app gets (None: nothing) and what is sent."""
    received, sent = [], []

    async def app(inner, receive, forward):
        assert (receive, forward) == (RECEIVE, send)
        received.append(inner)

    async def send(message):
        sent.append(message)

    headers = [(name, value.encode("latin-1")) for name, value in
               ((b"x-remote-user-id", user), (b"x-ingress-path", prefix)) if value is not None]  # fmt: skip
    scope = {"type": kind, "server": ("relay", port), "client": client, "path": "/home", "headers": headers} | scope
    await IngressMiddleware(app, port=8399)(scope, RECEIVE, send)
    return (received[0] if received else None), sent


def test_supervisor_has_home_assistants_documented_address():
    assert SUPERVISOR_ADDRESS == "172.30.32.2"


@pytest.mark.parametrize("kind", ["http", "websocket"])
async def test_request_of_the_supervisor_has_the_user_and_the_prefix(kind):
    inner, sent = await call(kind=kind, state={"more": 1})
    assert inner["state"] == {"more": 1, "ingress_user": USER}
    assert (inner["root_path"], inner["path"]) == ("/a/b", "/a/b/home")
    assert sent == []


@pytest.mark.parametrize(
    "changed",
    [
        {"client": None},
        {"client": ("172.30.32.1", 1)},
        {"client": ("172.30.32.20", 1)},
        {"user": None},
        {"user": USER[:-1]},
        {"user": USER + "0"},
        {"user": USER.upper()},
        {"user": USER + "\n"},
        {"user": "g" * 32},
        {"client": ("127.0.0.1", 1), "kind": "websocket"},
    ],
)
async def test_any_other_request_on_the_ingress_port_gets_403(changed):
    inner, (start, body) = await call(**changed)
    assert inner is None
    assert (start["type"], start["status"]) == ("http.response.start", 403)
    assert start["headers"] == [(b"content-type", b"text/plain")]
    assert body["type"] == "http.response.body"
    assert body["body"].startswith(b"This port only serves Home Assistant's ingress.")


@pytest.mark.parametrize(
    "changed",
    [
        {"port": 8300},
        {"port": 8300, "client": ("192.0.2.1", 1)},
        {"server": None, "client": ("192.0.2.1", 1)},
        {"kind": "lifespan", "client": None},
    ],
)
async def test_requests_of_other_ports_pass_without_a_user(changed):
    inner, sent = await call(**changed)
    assert "state" not in inner
    assert (inner["path"], "root_path" in inner, sent) == ("/home", False, [])


@pytest.mark.parametrize(
    ("prefix", "root_path"),
    [
        ("/a", "/a"),
        ("/a/", "/a"),
        ("/aX", "/aX"),
        ("/A-z_0/9", "/A-z_0/9"),
        (LONGEST, LONGEST),
        (LONGEST + "a", None),
        ("", None),
        (None, None),
        ("/", None),
        ("//a", None),
        ("/a//b", None),
        ("a", None),
        ("/a.b", None),
        ("/a\n", None),
        ("/é", None),
    ],
)
async def test_prefix_is_used_only_if_it_is_a_plain_path(prefix, root_path):
    inner, _ = await call(prefix=prefix)
    assert inner["state"] == {"ingress_user": USER}
    assert (inner.get("root_path"), inner["path"]) == (root_path, f"{root_path or ''}/home")
