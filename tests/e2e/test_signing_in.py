"""A Home Assistant signs in at the relay with its own OAuth2 helper, stays in, and is let out."""

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

from tests.e2e.conftest import until

ROOT = Path(__file__).parents[2]
REAUTH, TRANSIENT = "OAuth2TokenRequestReauthError", "OAuth2TokenRequestTransientError"


class HomeAssistant:
    """See signing_in.py."""

    def __init__(self, process: subprocess.Popen) -> None:
        self._process = process

    def ask(self, step: str, argument=None) -> tuple[object, list[str]]:
        self._process.stdin.write(json.dumps([step, argument]) + "\n")
        self._process.stdin.flush()
        answer, error = json.loads(self._process.stdout.readline())
        return answer, error or []

    def do(self, step: str, argument=None):
        answer, error = self.ask(step, argument)
        assert not error, error
        return answer

    def fails(self, step: str, argument=None) -> list[str]:
        """The classes of what it raises."""
        _, error = self.ask(step, argument)
        assert error, f"{step} went well"
        return error


@contextmanager
def home_assistant(relay, log: Path, whose: str):
    command = [sys.executable, "-m", "tests.e2e.signing_in", str(relay.http.base_url).rstrip("/"), whose]
    pipe = subprocess.PIPE
    with (
        log.open("wb") as stderr,
        subprocess.Popen(command, cwd=ROOT, stdin=pipe, stdout=pipe, stderr=stderr, text=True) as process,
    ):
        try:
            yield HomeAssistant(process)
            process.stdin.close()
            assert process.wait(30) == 0
        finally:
            process.kill()


def approve(relay, address: str) -> tuple[str, str]:
    """What the owner is shown who signs in and says yes, and where their browser is sent."""
    with httpx.Client(base_url=relay.http.base_url, timeout=10) as browser:
        link = relay.run("login", "--user", relay.user).split()[-1]
        shown = browser.get(link)
        hidden = dict(re.findall(r'name="(csrf)" value="([^"]+)"', shown.text))
        assert browser.post(link, data=hidden).status_code == 303
        shown = browser.get(address)
        assert shown.status_code == 200, shown.text
        hidden = dict(re.findall(r'name="(csrf|request)" value="([^"]+)"', shown.text))
        sent = browser.post(address.partition("?")[0], data=hidden | {"decision": "approve"})
        assert sent.status_code == 303, sent.text
        return shown.text, sent.headers["location"]


@contextmanager
def database_away(conninfo: str):
    """Nobody gets in, and who was in is out."""
    with psycopg.connect(conninfo, dbname="postgres", autocommit=True) as owner:
        name = psycopg.conninfo.conninfo_to_dict(conninfo)["dbname"]
        allow = sql.SQL("alter database {} with allow_connections {}")
        owner.execute(allow.format(sql.Identifier(name), sql.Literal(False)))
        try:
            owner.execute("select pg_terminate_backend(pid, 5000) from pg_stat_activity where datname = %s", [name])
            yield
        finally:
            owner.execute(allow.format(sql.Identifier(name), sql.Literal(True)))


@pytest.fixture(params=["helper", "integration"])
def signed_in(request, start_relay, tmp_path):
    """A relay, and a Home Assistant that has just signed in there with Home Assistant's class, or with ours."""
    relay = start_relay()
    with home_assistant(relay, tmp_path / "home_assistant.log", request.param) as home:
        shown, back = approve(relay, home.do("authorize"))
        assert "homeassistant.local:8123" in shown
        # Who it is we say ourselves; its own helper does not.
        assert ("Summer house" in shown) == (request.param == "integration")
        token = home.do("resolve", back)
        assert (token["token_type"], token["expires_in"], token["scope"]) == ("Bearer", 1800, "read control")
        # A code used twice ends what it gave, so it is not tried here.
        yield relay, home, token


def test_it_is_let_in_stays_in_and_is_let_out(signed_in):
    _, home, first = signed_in
    assert home.do("account", first) == 200
    second = home.do("refresh", first)
    assert time.time() + 1700 < second["expires_at"] <= time.time() + 1800
    assert second["access_token"] != first["access_token"]
    assert second["refresh_token"] != first["refresh_token"]
    # An answer that was lost is asked for again, as long as nobody used it.
    second = home.do("refresh", first)
    assert home.do("account", first) == 200
    assert home.do("account", second) == 200
    third = home.do("refresh", second)
    assert home.do("account", third) == 200

    home.do("revoke", third)
    assert home.do("account", third) == 401
    assert REAUTH in home.fails("refresh", third)


def test_an_old_refresh_token_ends_everything(signed_in):
    _, home, first = signed_in
    second = home.do("refresh", first)
    assert home.do("account", second) == 200
    assert REAUTH in home.fails("refresh", first)
    assert home.do("account", second) == 401
    assert REAUTH in home.fails("refresh", second)


def test_while_the_database_is_away_it_waits_and_asks_nobody_to_sign_in(signed_in):
    relay, home, first = signed_in
    with database_away(relay.run("database", "url")):
        raised = home.fails("refresh", first)
        assert TRANSIENT in raised
        assert REAUTH not in raised
        form = {"grant_type": "refresh_token", "client_id": "home-assistant", "refresh_token": first["refresh_token"]}
        answer = relay.http.post("/oauth/token", data=form)
        assert (answer.status_code, answer.json()["error"]) == (503, "temporarily_unavailable")
    until(lambda: relay.http.get("/api/health/ready").status_code == 200)
    second = home.do("refresh", first)
    assert home.do("account", second) == 200
