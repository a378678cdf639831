"""A Home Assistant signs in at the relay with its own OAuth2 helper, refreshes its tokens, and is revoked."""

import json
import re
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import httpx
import psycopg
import pytest
from psycopg import sql

from tests.e2e.processes import find_free_port, wait_until
from tests.e2e.running_relay import run_relays

ROOT = Path(__file__).parents[2]
REAUTH, TRANSIENT = "OAuth2TokenRequestReauthError", "OAuth2TokenRequestTransientError"


class HomeAssistant:
    """Controls the process of oauth_client.py."""

    def __init__(self, process: subprocess.Popen, implementation_name: str) -> None:
        self._process, self.implementation_name = process, implementation_name

    def _run_step(self, step: str, argument=None) -> tuple[object, list[str]]:
        self._process.stdin.write(json.dumps([step, argument]) + "\n")
        self._process.stdin.flush()
        result, error_classes = json.loads(self._process.stdout.readline())
        return result, error_classes or []

    def run(self, step: str, argument=None):
        """Run a step that must succeed, and return its result."""
        result, error_classes = self._run_step(step, argument)
        assert not error_classes, error_classes
        return result

    def run_failing(self, step: str, argument=None) -> list[str]:
        """Run a step that must fail, and return the names of its exception's classes."""
        _, error_classes = self._run_step(step, argument)
        assert error_classes, f"{step} succeeded"
        return error_classes


@contextmanager
def run_home_assistant(relay, log: Path, implementation_name: str):
    url = str(relay.http.base_url).rstrip("/")
    command = [sys.executable, "-m", "tests.e2e.oauth_client", url, implementation_name]
    pipe = subprocess.PIPE
    with (
        log.open("wb") as stderr,
        subprocess.Popen(command, cwd=ROOT, stdin=pipe, stdout=pipe, stderr=stderr, text=True) as process,
    ):
        try:
            yield HomeAssistant(process, implementation_name)
            process.stdin.close()
            assert process.wait(30) == 0
        finally:
            process.kill()


@pytest.fixture(scope="module")
def relay(tmp_path_factory, template):
    """A relay whose Enode doesn't answer: signing in needs no vehicle."""
    unused = f"http://127.0.0.1:{find_free_port()}"
    with run_relays(tmp_path_factory.mktemp("relay"), unused, template) as start:
        yield start()


@pytest.fixture(scope="module")
def browser(relay):
    """The user's browser, signed in at the relay."""
    with httpx.Client(base_url=relay.http.base_url, timeout=10) as browser:
        link = relay.run("login", "--user", relay.user).split()[-1]
        page = browser.get(link)
        hidden_fields = dict(re.findall(r'name="(csrf)" value="([^"]+)"', page.text))
        assert browser.post(link, data=hidden_fields).status_code == 303
        yield browser


@pytest.fixture(scope="module", params=["helper", "integration"])
def home_assistant(request, relay, tmp_path_factory):
    """A Home Assistant with Home Assistant's own class for OAuth2, or with the integration's."""
    log = tmp_path_factory.mktemp("home_assistant") / "home_assistant.log"
    with run_home_assistant(relay, log, request.param) as home_assistant:
        yield home_assistant


def approve(browser: httpx.Client, authorize_url: str) -> tuple[str, str]:
    """Approve the request. Returns the consent page and the URL of the redirect."""
    page = browser.get(authorize_url)
    assert page.status_code == 200, page.text
    hidden_fields = dict(re.findall(r'name="(csrf|request)" value="([^"]+)"', page.text))
    response = browser.post(authorize_url.partition("?")[0], data=hidden_fields | {"decision": "approve"})
    assert response.status_code == 303, response.text
    return page.text, response.headers["location"]


@contextmanager
def disallow_database_connections(conninfo: str):
    """Refuse new connections to the relay's database and terminate the open ones."""
    with psycopg.connect(conninfo, dbname="postgres", autocommit=True) as owner:
        name = psycopg.conninfo.conninfo_to_dict(conninfo)["dbname"]
        set_allowed = sql.SQL("alter database {} with allow_connections {}")
        owner.execute(set_allowed.format(sql.Identifier(name), sql.Literal(False)))
        try:
            owner.execute("select pg_terminate_backend(pid, 5000) from pg_stat_activity where datname = %s", [name])
            yield
        finally:
            owner.execute(set_allowed.format(sql.Identifier(name), sql.Literal(True)))


@pytest.fixture
def first_token(browser, home_assistant):
    """The token of a new grant, which the user has approved for this Home Assistant."""
    page, redirect = approve(browser, home_assistant.run("authorize"))
    assert "homeassistant.local:8123" in page
    # Only the integration sends the name of the installation.
    assert ("Summer house" in page) == (home_assistant.implementation_name == "integration")
    token = home_assistant.run("resolve", redirect)
    assert (token["token_type"], token["expires_in"], token["scope"]) == ("Bearer", 1800, "read control")
    # Using the code twice would revoke the grant, so it is not tested here.
    return token


def test_installation_signs_in_refreshes_and_is_revoked(home_assistant, first_token):
    first = first_token
    assert home_assistant.run("account", first) == 200
    second = home_assistant.run("refresh", first)
    assert time.time() + 1700 < second["expires_at"] <= time.time() + 1800
    assert second["access_token"] != first["access_token"]
    assert second["refresh_token"] != first["refresh_token"]
    # A refresh whose response was lost can be repeated until its tokens are used.
    second = home_assistant.run("refresh", first)
    assert home_assistant.run("account", first) == 200
    assert home_assistant.run("account", second) == 200
    third = home_assistant.run("refresh", second)
    assert home_assistant.run("account", third) == 200

    home_assistant.run("revoke", third)
    assert home_assistant.run("account", third) == 401
    assert REAUTH in home_assistant.run_failing("refresh", third)


def test_reuse_of_a_replaced_refresh_token_revokes_the_grant(home_assistant, first_token):
    first = first_token
    second = home_assistant.run("refresh", first)
    assert home_assistant.run("account", second) == 200
    assert REAUTH in home_assistant.run_failing("refresh", first)
    assert home_assistant.run("account", second) == 401
    assert REAUTH in home_assistant.run_failing("refresh", second)


def test_database_outage_is_a_transient_error_without_reauthentication(relay, home_assistant, first_token):
    first = first_token
    with disallow_database_connections(relay.database_url):
        error_classes = home_assistant.run_failing("refresh", first)
        assert TRANSIENT in error_classes
        assert REAUTH not in error_classes
        form = {"grant_type": "refresh_token", "client_id": "home-assistant", "refresh_token": first["refresh_token"]}
        response = relay.http.post("/oauth/token", data=form)
        assert (response.status_code, response.json()["error"]) == (503, "temporarily_unavailable")
    wait_until(lambda: relay.http.get("/api/health/ready").status_code == 200)
    second = home_assistant.run("refresh", first)
    assert home_assistant.run("account", second) == 200
