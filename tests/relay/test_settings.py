import os

import pytest

from relay.kit.errors import OperatorError
from relay.settings import Settings, load_settings

SUPABASE = {"SUPABASE_URL": "https://x.example/", "SUPABASE_ANON_KEY": "a", "SUPABASE_SERVICE_ROLE_KEY": "hush"}
REST_OF_CLOUD = {"EVCONDUIT_SECRET_KEY": "k" * 32, "DATABASE_URL": "postgresql://db/cars"}
NAMES = [field.validation_alias for field in Settings.model_fields.values()]


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch):
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)


def test_nothing_set_is_a_relay_at_home(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    settings = load_settings()
    assert (settings.mode, settings.base_url) == ("self-hosted", "http://127.0.0.1:8300")
    assert settings.data == tmp_path / "evconduit"
    assert settings.build_enode_config() is None


@pytest.mark.parametrize(
    ("environment", "named"),
    [
        ({"EVCONDUIT_PORT": "http"}, "EVCONDUIT_PORT"),
        ({"EVCONDUIT_PORT": "70000"}, "EVCONDUIT_PORT"),
        ({"EVCONDUIT_MODE": "clod"}, "EVCONDUIT_MODE"),
        ({"EVCONDUIT_SECRET_KEY": "hush-hush"}, "EVCONDUIT_SECRET_KEY"),
        ({"EVCONDUIT_PUBLIC_URL": "hush hush"}, "EVCONDUIT_PUBLIC_URL"),
        ({"ENODE_CLIENT_ID": "me"}, "ENODE_CLIENT_SECRET is missing"),
        ({"ENODE_CLIENT_SECRET": "hush-hush"}, "ENODE_CLIENT_ID is missing"),
        ({"WEBHOOK_URL": "https://relay.example.org/x"}, "ENODE_WEBHOOK_SECRET is missing"),
        ({"ENODE_WEBHOOK_SECRET": "hush"}, "ENODE_WEBHOOK_SECRET"),
        ({"REDIS_URL": "http://:hush@redis"}, "REDIS_URL"),
        ({"EVCONDUIT_OUTBOUND_ALLOW": "ha.lan, hush hush"}, "EVCONDUIT_OUTBOUND_ALLOW: entry 2"),
        ({"EVCONDUIT_MODE": "cloud"}, "SUPABASE_URL is missing"),
        ({"EVCONDUIT_MODE": "cloud", **SUPABASE}, "EVCONDUIT_SECRET_KEY is missing"),
        ({"EVCONDUIT_MODE": "cloud", **SUPABASE, "EVCONDUIT_SECRET_KEY": "k" * 32}, "DATABASE_URL is missing"),
        ({"EVCONDUIT_MODE": "cloud", "SUPABASE_URL": "https://x.example"}, "SUPABASE_ANON_KEY is missing"),
        ({"SUPABASE_ANON_KEY": "hush"}, "SUPABASE_URL is missing"),
        (dict(list(SUPABASE.items())[:2]), "SUPABASE_SERVICE_ROLE_KEY is missing"),
        (SUPABASE, "SUPABASE_URL is for cloud mode"),
        ({"EVCONDUIT_MODE": "cloud", **SUPABASE, "SUPABASE_URL": "http://x.example"}, "SUPABASE_URL must be https"),
        (
            {"EVCONDUIT_MODE": "cloud", **SUPABASE, **REST_OF_CLOUD, "EVCONDUIT_PUBLIC_URL": "http://hush.example"},
            "EVCONDUIT_PUBLIC_URL must be https",
        ),
        ({"EVCONDUIT_REGISTRATION": "hush"}, "EVCONDUIT_REGISTRATION"),
        ({"EVCONDUIT_APPROVAL": "hush"}, "EVCONDUIT_APPROVAL"),
        ({"EVCONDUIT_SIGN_IN_PROVIDERS": "github,hush"}, "EVCONDUIT_SIGN_IN_PROVIDERS"),
    ],
)
def test_a_mistake_is_one_line_that_names_the_variable_and_not_its_value(monkeypatch, environment, named):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(OperatorError) as caught:
        load_settings()
    assert named in str(caught.value)
    assert "hush" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_empty_variable_is_one_that_is_not_set(monkeypatch):
    monkeypatch.setenv("DATABASE_URL", "")
    assert load_settings().database_url is None


def test_secrets_are_not_in_what_a_log_would_show(monkeypatch):
    monkeypatch.setenv("ENODE_CLIENT_ID", "me")
    monkeypatch.setenv("ENODE_CLIENT_SECRET", "hush-hush")
    monkeypatch.setenv("DATABASE_URL", "postgresql://me:hush-hush@db/cars")
    settings = load_settings()
    assert "hush" not in f"{settings!r} {settings.build_enode_config()!r}"


def test_the_secret_key_is_made_once_and_private(monkeypatch, tmp_path):
    monkeypatch.setenv("EVCONDUIT_DATA", str(tmp_path / "data"))
    first = load_settings().load_secret_key()
    assert len(first) == 64
    assert load_settings().load_secret_key() == first
    assert (tmp_path / "data" / "secret-key").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("kept", ["", "\n", "0123456789abcdef"])
def test_a_secret_key_that_was_cut_short_signs_nothing(monkeypatch, tmp_path, kept):
    monkeypatch.setenv("EVCONDUIT_DATA", str(tmp_path))
    (tmp_path / "secret-key").write_text(kept)
    with pytest.raises(OperatorError, match="secret-key"):
        load_settings().load_secret_key()


def test_who_starts_at_the_same_time_has_the_same_key(monkeypatch, tmp_path):
    """Between the moments when the file is made and when something stands in it, nobody reads an empty key."""
    monkeypatch.setenv("EVCONDUIT_DATA", str(tmp_path))
    found = []
    fdopen = os.fdopen

    def looking(*about, **more):
        # Somebody else starts just here.
        with monkeypatch.context() as other:
            other.setattr(os, "fdopen", fdopen)
            found.append(load_settings().load_secret_key())
        return fdopen(*about, **more)

    monkeypatch.setattr(os, "fdopen", looking)
    found.append(load_settings().load_secret_key())
    assert len(found) == 2
    assert found[0] == found[1]
    assert len(found[0]) == 64
    assert [it.name for it in tmp_path.iterdir()] == ["secret-key"]


@pytest.mark.parametrize(
    ("host", "base"),
    [("0.0.0.0", "http://127.0.0.1:8300"), ("::1", "http://[::1]:8300"), ("::", "http://127.0.0.1:8300")],
)
def test_the_address_for_browsers_follows_where_we_listen(monkeypatch, host, base):
    monkeypatch.setenv("EVCONDUIT_HOST", host)
    assert load_settings().base_url == base


def test_what_may_be_reached_follows_the_mode_and_our_own_port_never_may(monkeypatch):
    monkeypatch.setenv("EVCONDUIT_OUTBOUND_ALLOW", "ha.lan,127.0.0.1")
    home = load_settings().build_outbound_rules()
    assert (home.allow_private, home.allowed_hosts, home.own_ports) == (True, {"ha.lan"}, {8300})
    monkeypatch.setenv("EVCONDUIT_MODE", "cloud")
    monkeypatch.setenv("EVCONDUIT_SECRET_KEY", "k" * 32)
    monkeypatch.setenv("DATABASE_URL", "postgresql://db/cars")
    for name, value in SUPABASE.items():
        monkeypatch.setenv(name, value)
    assert load_settings().build_outbound_rules().allow_private is False


def test_people_of_a_cloud_come_in_as_the_operator_says(monkeypatch):
    assert load_settings().build_supabase_config() is None
    cloud = {"EVCONDUIT_MODE": "cloud", "EVCONDUIT_SECRET_KEY": "k" * 32, "DATABASE_URL": "postgresql://db/cars"}
    ways = {"EVCONDUIT_SIGN_IN_PROVIDERS": " google, github", "EVCONDUIT_REGISTRATION": "open"}
    for name, value in {**cloud, **SUPABASE, **ways, "EVCONDUIT_APPROVAL": "true"}.items():
        monkeypatch.setenv(name, value)
    settings = load_settings()
    assert settings.build_supabase_config().auth_url == "https://x.example/auth/v1"
    assert (settings.providers, settings.registration, settings.approval) == (("github", "google"), "open", True)
    assert "hush" not in repr(settings) + repr(settings.build_supabase_config())
