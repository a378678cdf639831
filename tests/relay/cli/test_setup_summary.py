"""The block that `serve` and `init` print: what is configured, and the next step for what is missing."""

import pytest

from relay.cli.setup_summary import render_setup_summary
from relay.kit import own_address
from relay.settings import Settings

ENODE = {"enode_client_id": "id", "enode_client_secret": "secret-of-enode"}
WEBHOOK = {"webhook_url": "https://relay.example.org/api/webhook/enode", "enode_webhook_secret": "secret-of-webhook"}
CLOUD = {
    "mode": "cloud",
    "secret_key": "k" * 32,
    "database_url": "postgresql://me:hush@db/x",
    "supabase_url": "https://x.example",
    "supabase_anon_key": "anon-key",
    "supabase_service_role_key": "service-key",
    "registration": "open",
}


def render(tmp_path, **settings):
    return render_setup_summary(Settings(data=tmp_path, **settings))


@pytest.mark.parametrize(
    ("settings", "present", "absent"),
    [
        ({}, ["127.0.0.1:8300, on this machine only", "EVCONDUIT_HOST=0.0.0.0", "EVCONDUIT_PUBLIC_URL"], []),
        ({"host": "0.0.0.0"}, ["0.0.0.0:8300", "EVCONDUIT_PUBLIC_URL isn't set", "on this machine only"], []),
        ({"host": "::"}, [":::8300", "EVCONDUIT_PUBLIC_URL isn't set"], []),
        ({"host": "192.168.1.5"}, ["http://192.168.1.5:8300"], ["EVCONDUIT_PUBLIC_URL", "this machine"]),
        ({"host": "0.0.0.0", "public_url": "https://r.example/x"}, ["https://r.example/x"], ["EVCONDUIT_PUBLIC_URL"]),
        ({}, ["no credentials", "set ENODE_CLIENT_ID and ENODE_CLIENT_SECRET"], ["WEBHOOK_URL", "polls"]),
        (ENODE, ["the sandbox", "polls Enode", "set WEBHOOK_URL and ENODE_WEBHOOK_SECRET"], ["ENODE_CLIENT_ID"]),
        (ENODE | {"enode_base_url": "https://enode-api.production.enode.io"}, ["enode-api.production"], ["sandbox"]),
        (ENODE | WEBHOOK, ["Enode posts to https://relay.example.org/api/webhook/enode"], ["set WEBHOOK_URL"]),
        ({}, ["embedded, in /", "`evconduit login`"], []),
        ({"ingress_port": 8399}, ["through Home Assistant"], ["evconduit login"]),
        (CLOUD, ["cloud", "with Supabase, registration open", "the server in DATABASE_URL"], ["embedded"]),
    ],
)
def test_summary_names_what_is_set_and_the_next_step_for_what_is_missing(tmp_path, settings, present, absent):
    text = render(tmp_path, **settings)
    for part in present:
        assert part in text
    for part in absent:
        assert part not in text


def test_summary_contains_no_secret(tmp_path):
    text = render(tmp_path, **CLOUD, **ENODE, **WEBHOOK)
    for secret in ("hush", "secret-of", "-key", "kkk"):
        assert secret not in text.replace("evconduit-key", "")


def test_own_address_is_an_example_where_there_is_no_network(monkeypatch):
    class NoNetwork:
        def __init__(self, *_):
            raise OSError

    monkeypatch.setattr(own_address.socket, "socket", NoNetwork)
    assert own_address.find_own_address() == "192.168.1.20"
