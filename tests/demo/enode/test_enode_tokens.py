"""Access tokens and authentication."""

from urllib.parse import quote

import pytest

from tests.demo.enode.running_simulator import RunningSimulator


def test_client_credentials_give_a_valid_token(unauthenticated: RunningSimulator):
    answer = unauthenticated.request_token(unauthenticated.settings.client_id, unauthenticated.settings.client_secret)
    token = answer.json()
    assert (answer.status_code, token["expires_in"], token["token_type"], token["scope"]) == (200, 3599, "bearer", "")
    bearer = {"authorization": f"Bearer {token['access_token']}"}
    assert unauthenticated.http.get("/vehicles", headers=bearer).status_code == 200


def test_form_encoded_client_credentials_are_accepted(unauthenticated: RunningSimulator):
    secret = quote(unauthenticated.settings.client_secret, safe="")
    assert unauthenticated.request_token(unauthenticated.settings.client_id, secret).status_code == 200


@pytest.mark.parametrize(("client_id", "secret"), [("someone", "secret/with:signs"), ("", ""), ("client-1", "wrong")])
def test_wrong_client_credentials_return_invalid_client(unauthenticated: RunningSimulator, client_id: str, secret: str):
    answer = unauthenticated.request_token(client_id, secret)
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")


def test_other_grant_type_is_refused(unauthenticated: RunningSimulator):
    settings = unauthenticated.settings
    answer = unauthenticated.request_token(settings.client_id, settings.client_secret, grant_type="password")
    assert (answer.status_code, answer.json()["error"]) == (400, "unsupported_grant_type")


@pytest.mark.parametrize("header", [None, "Bearer nonsense", "Basic Zm9vOmJhcg==", "Bearer"])
def test_every_route_returns_401_without_a_valid_token(unauthenticated: RunningSimulator, header: str | None):
    headers = {} if header is None else {"authorization": header}
    for path in ("/users", "/vehicles", "/webhooks", "/no/such/route"):
        answer = unauthenticated.http.get(path, headers=headers)
        assert (answer.status_code, answer.json()["title"]) == (401, "Unauthorized")


def test_revoked_token_returns_401_and_a_new_one_works(enode: RunningSimulator):
    enode.json("DELETE", "/_sim/tokens", status=204)
    assert enode.http.get("/vehicles").status_code == 401
    enode.sign_in()
    assert enode.http.get("/vehicles").status_code == 200


def test_health_needs_no_token_and_other_versions_are_refused(enode: RunningSimulator):
    del enode.http.headers["authorization"]
    assert enode.http.get("/health/ready").status_code == 204
    enode.sign_in()
    assert enode.http.get("/vehicles", headers={"enode-version": "2024-10-01"}).status_code == 200
    assert enode.http.get("/vehicles", headers={"enode-version": "2023-08-01"}).status_code == 400
