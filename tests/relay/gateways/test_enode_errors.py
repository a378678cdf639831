"""Every way in which Enode can fail becomes one of our errors, and none of them says what it must not."""

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


def str_start(value):
    return str(value)[:40]


async def failure_of(call):
    with pytest.raises(EnodeError) as caught:
        await call
    return caught.value


@pytest.mark.parametrize(
    ("status", "kind", "sent"),
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
async def test_each_status_is_its_error_and_a_command_knows_its_outcome(client, enode, status, kind, sent):
    enode.script = [httpx.Response(status, json=PROBLEM)]
    error = await failure_of(client.vehicles.control_charging("car", ActionKind.START))
    assert type(error) is kind
    assert error.is_outcome_unknown is sent
    if isinstance(error, EnodeProblemError):
        assert error.problem.status == status
        assert error.problem.slug == "bad-request"
        assert error.problem.title == "Already charging"
        assert "charging at" in error.problem.detail
        assert error.problem.issues == ({"path": "action"},)


@pytest.mark.parametrize(("raised", "sent"), TRANSPORT_ERRORS, ids=lambda value: type(value).__name__)
async def test_no_exception_of_the_http_library_escapes(client, enode, raised, sent):
    enode.script = [raised]
    error = await failure_of(client.vehicles.control_charging("car", ActionKind.START))
    assert type(error) is EnodeUnavailable
    assert error.is_outcome_unknown is sent


def test_the_table_above_knows_every_exception_of_the_http_library():
    def family(kind):
        return {kind}.union(*(family(child) for child in kind.__subclasses__()))

    abstract = {"HTTPError", "RequestError", "TransportError", "TimeoutException", "NetworkError", "ProtocolError"}
    elsewhere = {"DecodingError", "HTTPStatusError"}  # a test of its own; only raise_for_status raises the other
    assert {kind.__name__ for kind in family(httpx.HTTPError)} - abstract - elsewhere == {
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
    ids=str_start,
)
async def test_a_good_status_with_a_body_that_is_no_vehicle_is_a_protocol_error(client, enode, body):
    enode.script = [httpx.Response(200, content=body)]
    assert type(await failure_of(client.vehicles.get("car"))) is EnodeProtocolError


async def test_a_command_whose_answer_is_unreadable_has_an_unknown_outcome(client, enode):
    enode.script = [httpx.Response(200, text="OK")]
    error = await failure_of(client.vehicles.control_charging("car", ActionKind.STOP))
    assert type(error) is EnodeProtocolError
    assert error.is_outcome_unknown


@pytest.mark.parametrize("body", [b"", b"<html>Bad gateway</html>", b"[1]", b'{"type": 5, "issues": {}}', b"\xff"])
async def test_a_refusal_without_a_problem_document_is_a_refusal(client, enode, body):
    enode.script = [httpx.Response(400, content=body)]
    error = await failure_of(client.vehicles.control_charging("car", ActionKind.START))
    assert type(error) is EnodeRefused
    assert (error.problem.slug, error.problem.title, error.problem.issues) == ("unknown", "", ())


@pytest.mark.parametrize("slug", ["", "A b", "x" * 65, "a\nb", "5YJ3E7EB1KF000001"])
async def test_a_problem_type_that_could_carry_anything_is_not_repeated(client, enode, slug):
    enode.script = [httpx.Response(400, json={"type": f"https://enode.test/{slug}"})]
    error = await failure_of(client.vehicles.control_charging("car", ActionKind.START))
    assert error.problem.slug == "unknown"
    assert slug == "" or slug not in str(error)


async def test_a_long_answer_is_cut_off(client, enode, config):
    enode.script = [httpx.Response(200, content=b" " * (config.max_body_bytes + 1))]
    assert type(await failure_of(client.vehicles.get("car"))) is EnodeProtocolError


async def test_a_long_error_page_does_not_hide_its_status(client, enode, config):
    enode.script = [httpx.Response(404, content=b" " * (config.max_body_bytes + 1))]
    assert type(await failure_of(client.vehicles.get("car"))) is EnodeNotFound


async def test_undecodable_content_is_a_protocol_error(client_of):
    def handler(request):
        if request.url.path == "/oauth2/token":
            return httpx.Response(200, json={"access_token": "t", "expires_in": 60})
        return httpx.Response(200, headers={"content-encoding": "gzip"}, stream=httpx.ByteStream(b"no gzip at all"))

    client = await client_of(handler)
    assert type(await failure_of(client.vehicles.get("car"))) is EnodeProtocolError


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(status=st.integers(200, 599), body=st.binary(max_size=64) | st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["id", "userId", "data", "pagination", "after", "type", "state", "targetId", "issues"]), inner
    ),
    max_leaves=8,
).map(lambda value: json.dumps(value).encode()))  # fmt: skip
async def test_no_answer_whatsoever_raises_anything_else(client, enode, status, body):
    enode.script = [httpx.Response(status, content=body)]
    for call in (
        client.vehicles.get("car"),
        client.vehicles.control_charging("car", ActionKind.STOP),
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
async def test_no_error_and_no_log_line_tells_a_secret_a_vin_a_position_or_an_id(
    client, enode, config, caplog, failure
):
    caplog.set_level(logging.DEBUG)
    enode.script = [failure]
    error = await failure_of(client.vehicles.control_charging(VIN, ActionKind.START))
    ours = [record.getMessage() for record in caplog.records if record.name.startswith("relay")]
    told = [str(error), repr(error), *ours, *traceback.format_exception(error)]
    if isinstance(error, EnodeProblemError):
        told.append(repr(error.problem))
    for secret in (VIN, "52.0907", "5.1214", "token-", config.client_id, config.client_secret, basic_of(config)):
        assert not any(secret in line for line in told)


def basic_of(config):
    return base64.b64encode(f"{config.client_id}:{config.client_secret}".encode()).decode()


async def test_the_repr_of_what_we_hold_and_return_tells_no_secret(client, enode, config, vehicle):
    enode.script = [httpx.Response(200, json={"linkUrl": "https://link.test/s3cret", "linkToken": "s3cret"})]
    session = await client.links.create("u", scopes=["vehicle:read:data"], language="en-US", redirect_uri="x:y")
    enode.script = [httpx.Response(200, json=vehicle)]
    reading = await client.vehicles.get("car")
    told = repr([session, reading, config, client, vars(client)])
    assert not any(secret in told for secret in ("s3cret", VIN, "52.0907", config.client_secret, "token-1"))


@pytest.mark.parametrize("field", ["base_url", "auth_url"])
@pytest.mark.parametrize(
    "url",
    ["", "api.test", "ftp://api.test", "https://", "https://user:pass@api.test", "https://a.test?x=1", "http://["],
)
def test_an_unusable_address_is_refused_by_the_name_of_its_field(field, url):
    addresses = {"base_url": "https://api.test", "auth_url": "https://oauth.test/token"} | {field: url}
    with pytest.raises(ValueError, match=field) as caught:
        EnodeConfig(client_id="id", client_secret="secret", **addresses)
    assert "pass" not in str(caught.value)


async def test_nobody_at_the_address_is_unavailable_and_nothing_was_sent(unused_tcp_port):
    nobody = f"http://127.0.0.1:{unused_tcp_port}"
    policy = RetryPolicy(max_attempts=1)
    config = EnodeConfig(
        base_url=nobody, auth_url=f"{nobody}/token", client_id="id", client_secret="secret", retry=policy
    )
    async with open_enode(config) as client:
        error = await failure_of(client.vehicles.control_charging("car", ActionKind.START))
    assert type(error) is EnodeUnavailable
    assert (error.cause, error.is_outcome_unknown) == ("no connection", False)
