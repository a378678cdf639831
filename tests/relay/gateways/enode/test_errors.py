"""Every failure of Enode becomes one of our errors, and none of them contains sensitive data."""

import base64
import contextlib
import json
import logging
import traceback

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from relay.gateways.enode import (
    ActionKind,
    EnodeConfig,
    EnodeCredentialsRefused,
    EnodeError,
    EnodeForbidden,
    EnodeNotFound,
    EnodeProblemError,
    EnodeProtocolError,
    EnodeRateLimited,
    EnodeRefused,
    EnodeUnavailable,
    RetryPolicy,
    open_enode,
)

VIN = "5YJ3E7EB1KF000001"
PROBLEM = {
    "type": "https://developers.enode.com/api/problems/bad-request",
    "title": "Already charging",
    "detail": f"The vehicle {VIN} is charging at 52.0907, 5.1214.",
    "issues": [{"path": "action"}, "odd"],
}
TRANSPORT_ERRORS = [
    # error, whether Enode may have acted
    (httpx.ConnectError("x"), False),
    (httpx.ConnectTimeout("x"), False),
    (httpx.PoolTimeout("x"), False),
    (httpx.ReadTimeout("x"), True),
    (httpx.WriteTimeout("x"), True),
    (httpx.ReadError("x"), True),
    (httpx.WriteError("x"), True),
    (httpx.CloseError("x"), True),
    (httpx.RemoteProtocolError("x"), True),
    (httpx.LocalProtocolError("x"), True),
    (httpx.ProxyError("x"), True),
    (httpx.UnsupportedProtocol("x"), True),
    (httpx.TooManyRedirects("x"), True),
    (httpx.StreamClosed(), True),
    (OSError("x"), True),
]


def truncate(value):
    return str(value)[:40]


async def catch_error(call):
    with pytest.raises(EnodeError) as caught:
        await call
    return caught.value


@pytest.mark.parametrize(
    ("status", "kind", "is_outcome_unknown"),
    [
        (302, EnodeProtocolError, True),
        (400, EnodeRefused, False),
        (401, EnodeCredentialsRefused, False),
        (403, EnodeForbidden, False),
        (404, EnodeNotFound, False),
        (405, EnodeRefused, False),
        (408, EnodeUnavailable, True),
        (409, EnodeRefused, False),
        (422, EnodeRefused, False),
        (429, EnodeRateLimited, False),
        (500, EnodeUnavailable, True),
        (503, EnodeUnavailable, True),
        (599, EnodeUnavailable, True),
    ],
)
async def test_each_status_raises_its_error_and_says_whether_the_outcome_is_unknown(
    client, enode, status, kind, is_outcome_unknown
):
    enode.script = [httpx.Response(status, json=PROBLEM)]
    error = await catch_error(client.vehicles.control_charging("vehicle", ActionKind.START))
    assert type(error) is kind
    assert error.is_outcome_unknown is is_outcome_unknown
    if isinstance(error, EnodeProblemError):
        assert error.problem.status == status
        assert error.problem.slug == "bad-request"
        assert error.problem.title == "Already charging"
        assert "charging at" in error.problem.detail
        assert error.problem.issues == ({"path": "action"},)


@pytest.mark.parametrize(("raised", "is_outcome_unknown"), TRANSPORT_ERRORS, ids=lambda value: type(value).__name__)
async def test_httpx_exceptions_are_translated(client, enode, raised, is_outcome_unknown):
    enode.script = [raised]
    error = await catch_error(client.vehicles.control_charging("vehicle", ActionKind.START))
    assert type(error) is EnodeUnavailable
    assert error.is_outcome_unknown is is_outcome_unknown


def test_transport_errors_list_every_httpx_exception():
    def all_subclasses(kind):
        return {kind}.union(*(all_subclasses(child) for child in kind.__subclasses__()))

    abstract = {"HTTPError", "RequestError", "TransportError", "TimeoutException", "NetworkError", "ProtocolError"}
    # DecodingError has a test of its own; only raise_for_status raises HTTPStatusError.
    elsewhere = {"DecodingError", "HTTPStatusError"}
    assert {kind.__name__ for kind in all_subclasses(httpx.HTTPError)} - abstract - elsewhere == {
        type(raised).__name__ for raised, _ in TRANSPORT_ERRORS if isinstance(raised, httpx.HTTPError)
    }


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"\xff\xfe",
        b"[]",
        b"null",
        b'{"id": ',
        b'{"id": 5}',
        b'{"id": ""}',
        b'{"id": "x", "userId": null}',
        b'{"id": "x", "userId": "u", "range": NaN}',
        b'{"id": "x", "userId": "u", "range": 1e999}',
        b'{"id": "x", "userId": "u", "year": ' + b"9" * 5000 + b"}",
        b"[" * 200_000,
    ],
    ids=truncate,
)
async def test_success_with_a_malformed_vehicle_raises_protocol_error(client, enode, body):
    enode.script = [httpx.Response(200, content=body)]
    assert type(await catch_error(client.vehicles.get("vehicle"))) is EnodeProtocolError


async def test_command_with_an_unreadable_response_has_an_unknown_outcome(client, enode):
    enode.script = [httpx.Response(200, text="OK")]
    error = await catch_error(client.vehicles.control_charging("vehicle", ActionKind.STOP))
    assert type(error) is EnodeProtocolError
    assert error.is_outcome_unknown


@pytest.mark.parametrize("body", [b"", b"<html>Bad gateway</html>", b"[1]", b'{"type": 5, "issues": {}}', b"\xff"])
async def test_status_400_without_a_problem_document_raises_refused(client, enode, body):
    enode.script = [httpx.Response(400, content=body)]
    error = await catch_error(client.vehicles.control_charging("vehicle", ActionKind.START))
    assert type(error) is EnodeRefused
    assert (error.problem.slug, error.problem.title, error.problem.issues) == ("unknown", "", ())


@pytest.mark.parametrize("slug", ["", "A b", "x" * 65, "a\nb", "5YJ3E7EB1KF000001"])
async def test_unsafe_problem_type_is_not_repeated_in_the_error(client, enode, slug):
    enode.script = [httpx.Response(400, json={"type": f"https://enode.test/{slug}"})]
    error = await catch_error(client.vehicles.control_charging("vehicle", ActionKind.START))
    assert error.problem.slug == "unknown"
    assert slug == "" or slug not in str(error)


async def test_response_above_the_size_limit_raises_protocol_error(client, enode, config):
    enode.script = [httpx.Response(200, content=b" " * (config.max_body_bytes + 1))]
    assert type(await catch_error(client.vehicles.get("vehicle"))) is EnodeProtocolError


async def test_long_error_page_does_not_hide_its_status(client, enode, config):
    enode.script = [httpx.Response(404, content=b" " * (config.max_body_bytes + 1))]
    assert type(await catch_error(client.vehicles.get("vehicle"))) is EnodeNotFound


async def test_undecodable_content_raises_protocol_error(make_client):
    def handler(request):
        if request.url.path == "/oauth2/token":
            return httpx.Response(200, json={"access_token": "t", "expires_in": 60})
        return httpx.Response(200, headers={"content-encoding": "gzip"}, stream=httpx.ByteStream(b"no gzip at all"))

    client = await make_client(handler)
    assert type(await catch_error(client.vehicles.get("vehicle"))) is EnodeProtocolError


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(status=st.integers(200, 599), body=st.binary(max_size=64) | st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["id", "userId", "data", "pagination", "after", "type", "state", "targetId", "issues"]), inner
    ),
    max_leaves=8,
).map(lambda value: json.dumps(value).encode()))  # fmt: skip
async def test_any_response_raises_nothing_but_enode_errors(client, enode, status, body):
    enode.script = [httpx.Response(status, content=body)]
    for call in (
        client.vehicles.get("vehicle"),
        client.vehicles.control_charging("vehicle", ActionKind.STOP),
        client.users.get("user"),
        client.health.list_vehicle_vendors(),
        client.webhooks.test("hook"),
        anext(aiter(client.vehicles.list_all()), None),
        anext(aiter(client.webhooks.list()), None),
    ):
        with contextlib.suppress(EnodeError):
            await call


FAILURES = [
    *(httpx.Response(status, json=PROBLEM) for status in (302, 400, 401, 403, 404, 409, 422, 429, 500, 503)),
    *(raised for raised, _ in TRANSPORT_ERRORS),
    httpx.Response(200, text=f"{VIN} token-1"),
    httpx.Response(200, json={"vin": VIN}),
]


@pytest.mark.parametrize("failure", FAILURES, ids=str)
async def test_errors_and_logs_contain_no_secret_vin_position_or_id(client, enode, config, caplog, failure):
    caplog.set_level(logging.DEBUG)
    enode.script = [failure]
    error = await catch_error(client.vehicles.control_charging(VIN, ActionKind.START))
    log_lines = [record.getMessage() for record in caplog.records if record.name.startswith("relay")]
    output = [str(error), repr(error), *log_lines, *traceback.format_exception(error)]
    if isinstance(error, EnodeProblemError):
        output.append(repr(error.problem))
    for secret in (
        VIN,
        "52.0907",
        "5.1214",
        "token-",
        config.client_id,
        config.client_secret,
        build_basic_auth(config),
    ):
        assert not any(secret in line for line in output)


def build_basic_auth(config):
    return base64.b64encode(f"{config.client_id}:{config.client_secret}".encode()).decode()


async def test_reprs_contain_no_secret(client, enode, config, vehicle):
    enode.script = [httpx.Response(200, json={"linkUrl": "https://link.test/s3cret", "linkToken": "s3cret"})]
    session = await client.links.create("u", scopes=["vehicle:read:data"], language="en-US", redirect_uri="x:y")
    enode.script = [httpx.Response(200, json=vehicle)]
    reading = await client.vehicles.get("vehicle")
    output = repr([session, reading, config, client, vars(client)])
    assert not any(secret in output for secret in ("s3cret", VIN, "52.0907", config.client_secret, "token-1"))


@pytest.mark.parametrize("field", ["base_url", "auth_url"])
@pytest.mark.parametrize(
    "url",
    ["", "api.test", "ftp://api.test", "https://", "https://user:pass@api.test", "https://a.test?x=1", "http://["],
)
def test_unusable_url_is_refused_with_the_name_of_its_field(field, url):
    urls = {"base_url": "https://api.test", "auth_url": "https://oauth.test/token"} | {field: url}
    with pytest.raises(ValueError, match=field) as caught:
        EnodeConfig(client_id="id", client_secret="secret", **urls)
    assert "pass" not in str(caught.value)


async def test_closed_port_is_unavailable_and_nothing_was_sent(unused_tcp_port):
    url = f"http://127.0.0.1:{unused_tcp_port}"
    policy = RetryPolicy(max_attempts=1)
    config = EnodeConfig(base_url=url, auth_url=f"{url}/token", client_id="id", client_secret="secret", retry=policy)
    async with open_enode(config) as client:
        error = await catch_error(client.vehicles.control_charging("vehicle", ActionKind.START))
    assert type(error) is EnodeUnavailable
    assert (error.cause, error.is_outcome_unknown) == ("no connection", False)
