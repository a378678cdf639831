"""The length of Enode's webhook secret at start, and which secrets the webhook route accepts."""

import hashlib
import hmac
import logging

import httpx
import psycopg
import pytest

from relay.app import create_app
from relay.kit.errors import OperatorError
from relay.settings import Settings
from relay.startup import prepare_database
from relay.usecases.operations.webhook_secret import MIN_LENGTH, compute_secret_digest, is_digest_of
from tests.relay.support.enode_events import sign_body

KEY = "k" * 32
SHORT, OTHER_SHORT, LONG = "fifteen letters", "some letters", "sixteen letters!"
HASHES = {
    "plain": lambda secret: hashlib.sha256(secret.encode()).digest(),
    "keyed": lambda secret: compute_secret_digest(KEY.encode(), secret),
}


@pytest.fixture
def make_settings(tmp_path, database_url):
    def make(current, previous=None):
        return Settings(
            data=tmp_path,
            database_url=database_url,
            secret_key=KEY,
            enode_webhook_secret=current,
            enode_webhook_secret_previous=previous,
        )

    return make


@pytest.fixture
def store_secret(database_url):
    """A function that stores which secret Enode has."""

    def store(secret, kind="keyed"):
        with psycopg.connect(database_url, autocommit=True) as connection:
            connection.execute("delete from evconduit.webhook_subscriptions")
            connection.execute(
                "insert into evconduit.webhook_subscriptions (account_id, enode_webhook_id, url, events, secret_digest,"
                " is_active) values ('default', 'w1', 'https://relay.example.org/x', '{*}', %s, true)",
                [HASHES[kind](secret)],
            )

    return store


def list_warnings(caplog):
    return [record.getMessage() for record in caplog.records if "webhook secret is short" in record.getMessage()]


def test_limit_is_sixteen_characters():
    assert (len(SHORT), len(LONG)) == (MIN_LENGTH - 1, MIN_LENGTH)


def test_new_secret_of_fifteen_characters_is_refused_at_start(make_settings):
    expected = pytest.raises(OperatorError, match=r"^ENODE_WEBHOOK_SECRET: enter at least 16 characters")
    with expected as raised, prepare_database(make_settings(SHORT)):
        pass
    assert SHORT not in str(raised.value)


def test_secret_of_sixteen_characters_needs_no_warning(make_settings, caplog):
    with prepare_database(make_settings(LONG)):
        assert list_warnings(caplog) == []


@pytest.mark.parametrize("kind", HASHES)
def test_short_secret_that_enode_has_already_is_warned_of_once_at_start(make_settings, store_secret, caplog, kind):
    caplog.set_level(logging.INFO)
    store_secret(SHORT, kind)
    with prepare_database(make_settings(SHORT)):
        [warning] = list_warnings(caplog)
    assert "setting=ENODE_WEBHOOK_SECRET " in warning
    assert SHORT not in warning


def test_short_secret_can_not_be_replaced_by_another_short_one(make_settings, store_secret):
    store_secret(SHORT)
    with pytest.raises(OperatorError), prepare_database(make_settings(OTHER_SHORT, SHORT)):
        pass


def test_short_secret_of_a_subscription_that_the_operator_keeps_still_works(make_settings, database_url, caplog):
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(
            "insert into evconduit.webhook_logs (account_id, source, digest, raw, state) values"
            " ('default', 'webhook', sha256('x'), 'x', 'ignored')"
        )
    with prepare_database(make_settings(SHORT)):
        assert len(list_warnings(caplog)) == 1


def test_short_previous_secret_is_warned_of_until_enode_has_the_new_one(make_settings, store_secret, caplog):
    store_secret(SHORT)
    with prepare_database(make_settings(LONG, SHORT)):
        assert "setting=ENODE_WEBHOOK_SECRET_PREVIOUS " in list_warnings(caplog)[0]
    caplog.clear()
    store_secret(LONG)
    with prepare_database(make_settings(LONG, SHORT)):
        assert "no longer accepted setting=ENODE_WEBHOOK_SECRET_PREVIOUS" in list_warnings(caplog)[0]


@pytest.mark.parametrize(
    ("known", "current", "previous", "signed_with", "status"),
    [
        (SHORT, SHORT, None, SHORT, 200),
        (SHORT, LONG, SHORT, SHORT, 200),
        (SHORT, LONG, SHORT, LONG, 200),
        (LONG, LONG, SHORT, SHORT, 401),
        (LONG, LONG, SHORT, LONG, 200),
        (LONG, LONG, "another of sixteen", "another of sixteen", 200),
    ],
)
async def test_webhook_accepts_a_short_secret_only_while_enode_has_it(
    make_settings, store_secret, database_url, *, known, current, previous, signed_with, status
):
    store_secret(known)
    app = create_app(make_settings(current, previous), database_url, with_worker=False)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://relay") as client,
    ):
        headers = {"x-enode-signature": sign_body(b"[]", signed_with)}
        assert (await client.post("/api/webhook/enode", content=b"[]", headers=headers)).status_code == status


def test_hash_is_keyed_and_the_plain_one_is_still_recognised():
    keyed = compute_secret_digest(b"key", LONG)
    assert is_digest_of(keyed, b"key", LONG)
    assert is_digest_of(HASHES["plain"](LONG), b"key", LONG)
    assert not is_digest_of(keyed, b"other", LONG)
    assert not is_digest_of(keyed, b"key", SHORT)
    assert keyed not in {HASHES["plain"](LONG), compute_secret_digest(b"other", LONG)}
    # Whatever else is signed with the relay's secret key, it isn't this hash.
    assert keyed != hmac.digest(b"key", LONG.encode(), "sha256")
