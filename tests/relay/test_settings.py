import os

import pytest

from relay.kit.errors import OperatorError
from relay.plans import CLOUD_PLANS, SELF_HOSTED_PLANS
from relay.settings import Settings, load_settings

SUPABASE = {"SUPABASE_URL": "https://x.example/", "SUPABASE_ANON_KEY": "a", "SUPABASE_SERVICE_ROLE_KEY": "hush"}
REST_OF_CLOUD = {"EVCONDUIT_SECRET_KEY": "k" * 32, "DATABASE_URL": "postgresql://db/cars"}
NAMES = [field.validation_alias for field in Settings.model_fields.values()]


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch):
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)


def test_defaults_are_a_self_hosted_relay(monkeypatch, tmp_path):
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
        ({"EVCONDUIT_PUBLIC_URL": "https://hush:hush@relay.example.org"}, "EVCONDUIT_PUBLIC_URL"),
        ({"EVCONDUIT_PUBLIC_URL": "https://relay.example.org/?hush"}, "EVCONDUIT_PUBLIC_URL"),
        ({"EVCONDUIT_PUBLIC_URL": "https://relay.example.org/#hush"}, "EVCONDUIT_PUBLIC_URL"),
        ({"EVCONDUIT_PUBLIC_URL": "https://relay.example.org//hush"}, "EVCONDUIT_PUBLIC_URL"),
        ({"EVCONDUIT_PUBLIC_URL": "https://relay.example.org/hush%20hush"}, "EVCONDUIT_PUBLIC_URL"),
        ({"EVCONDUIT_PUBLIC_URL": "https://relay.example.org/hush;x"}, "EVCONDUIT_PUBLIC_URL"),
        ({"ENODE_CLIENT_ID": "me"}, "ENODE_CLIENT_SECRET is missing"),
        ({"ENODE_CLIENT_SECRET": "hush-hush"}, "ENODE_CLIENT_ID is missing"),
        ({"WEBHOOK_URL": "https://relay.example.org/x"}, "ENODE_WEBHOOK_SECRET is missing"),
        ({"ENODE_WEBHOOK_SECRET": "hush"}, "ENODE_WEBHOOK_SECRET"),
        ({"REDIS_URL": "http://:hush@redis"}, "REDIS_URL"),
        ({"EVCONDUIT_OUTBOUND_ALLOW": "ha.lan, hush hush"}, "EVCONDUIT_OUTBOUND_ALLOW: entry 2"),
        ({"EVCONDUIT_TRUSTED_HOSTS": "ha.lan, hush hush"}, "EVCONDUIT_TRUSTED_HOSTS: entry 2"),
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
        (
            {"EVCONDUIT_MODE": "cloud", **SUPABASE, **REST_OF_CLOUD, "EVCONDUIT_HOST": "0.0.0.0"},
            "EVCONDUIT_PUBLIC_URL is missing",
        ),
        ({"ENODE_BASE_URL": "http://hush.example"}, "ENODE_BASE_URL must be https"),
        ({"ENODE_AUTH_URL": "http://hush.example/oauth2/token"}, "ENODE_AUTH_URL must be https"),
        ({"EVCONDUIT_REGISTRATION": "hush"}, "EVCONDUIT_REGISTRATION"),
        ({"EVCONDUIT_APPROVAL": "hush"}, "EVCONDUIT_APPROVAL"),
        ({"EVCONDUIT_SIGN_IN_PROVIDERS": "github,hush"}, "EVCONDUIT_SIGN_IN_PROVIDERS"),
    ],
)
def test_invalid_settings_are_reported_in_one_line_without_the_value(monkeypatch, environment, named):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(OperatorError) as caught:
        load_settings()
    assert named in str(caught.value)
    assert "hush" not in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "base_url", "path"),
    [
        ("https://relay.example.org", "https://relay.example.org", ""),
        ("https://relay.example.org/", "https://relay.example.org", ""),
        ("http://192.168.1.20:8080/ev-conduit_2/", "http://192.168.1.20:8080/ev-conduit_2", "/ev-conduit_2"),
        ("https://example.org/home/relay", "https://example.org/home/relay", "/home/relay"),
        ("", "http://127.0.0.1:8300", ""),
    ],
)
def test_public_address_may_have_a_path(monkeypatch, url, base_url, path):
    monkeypatch.setenv("EVCONDUIT_PUBLIC_URL", url)
    settings = load_settings()
    assert (settings.base_url, settings.public_path) == (base_url, path)


def test_empty_variable_counts_as_not_set(monkeypatch):
    monkeypatch.setenv("DATABASE_URL", "")
    assert load_settings().database_url is None


def test_variables_of_other_programs_are_not_read(monkeypatch):
    for name in ("MODE", "HOST", "PORT", "DATA", "LOG_LEVEL", "REGISTRATION", "evconduit_port"):
        monkeypatch.setenv(name, "9999")
    assert load_settings() == Settings()


def test_repr_of_settings_hides_secrets(monkeypatch):
    monkeypatch.setenv("ENODE_CLIENT_ID", "me")
    monkeypatch.setenv("ENODE_CLIENT_SECRET", "hush-hush")
    monkeypatch.setenv("DATABASE_URL", "postgresql://me:hush-hush@db/cars")
    settings = load_settings()
    assert "hush" not in f"{settings!r} {settings.build_enode_config()!r}"


def test_secret_key_is_created_once_and_readable_by_its_owner_only(monkeypatch, tmp_path):
    monkeypatch.setenv("EVCONDUIT_DATA", str(tmp_path / "data"))
    first = load_settings().load_secret_key()
    assert len(first) == 64
    assert load_settings().load_secret_key() == first
    assert (tmp_path / "data" / "secret-key").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("content", ["", "\n", "0123456789abcdef"])
def test_truncated_secret_key_is_refused(monkeypatch, tmp_path, content):
    monkeypatch.setenv("EVCONDUIT_DATA", str(tmp_path))
    (tmp_path / "secret-key").write_text(content)
    with pytest.raises(OperatorError, match="secret-key"):
        load_settings().load_secret_key()


def test_processes_that_start_at_the_same_time_have_the_same_key(monkeypatch, tmp_path):
    """No process reads an empty key between the creation of the file and the write to it."""
    monkeypatch.setenv("EVCONDUIT_DATA", str(tmp_path))
    keys = []
    fdopen = os.fdopen

    def load_key_before_write(*arguments, **options):
        # Another process starts at this moment.
        with monkeypatch.context() as other:
            other.setattr(os, "fdopen", fdopen)
            keys.append(load_settings().load_secret_key())
        return fdopen(*arguments, **options)

    monkeypatch.setattr(os, "fdopen", load_key_before_write)
    keys.append(load_settings().load_secret_key())
    assert len(keys) == 2
    assert keys[0] == keys[1]
    assert len(keys[0]) == 64
    assert [path.name for path in tmp_path.iterdir()] == ["secret-key"]


@pytest.mark.parametrize(
    ("host", "base"),
    [("0.0.0.0", "http://127.0.0.1:8300"), ("::1", "http://[::1]:8300"), ("::", "http://127.0.0.1:8300")],
)
def test_base_url_follows_the_host_that_the_relay_listens_on(monkeypatch, host, base):
    monkeypatch.setenv("EVCONDUIT_HOST", host)
    assert load_settings().base_url == base


def test_outbound_rules_follow_the_mode_and_exclude_the_relays_own_port(monkeypatch):
    monkeypatch.setenv("EVCONDUIT_OUTBOUND_ALLOW", "ha.lan,127.0.0.1")
    self_hosted = load_settings().build_outbound_rules()
    assert (self_hosted.allow_private, self_hosted.allowed_hosts, self_hosted.own_ports) == (True, {"ha.lan"}, {8300})
    monkeypatch.setenv("EVCONDUIT_MODE", "cloud")
    monkeypatch.setenv("EVCONDUIT_SECRET_KEY", "k" * 32)
    monkeypatch.setenv("DATABASE_URL", "postgresql://db/cars")
    for name, value in SUPABASE.items():
        monkeypatch.setenv(name, value)
    assert load_settings().build_outbound_rules().allow_private is False


def test_cloud_sign_in_follows_the_settings(monkeypatch):
    assert load_settings().build_supabase_config() is None
    cloud = {"EVCONDUIT_MODE": "cloud", "EVCONDUIT_SECRET_KEY": "k" * 32, "DATABASE_URL": "postgresql://db/cars"}
    sign_in = {"EVCONDUIT_SIGN_IN_PROVIDERS": " google, github", "EVCONDUIT_REGISTRATION": "open"}
    for name, value in {**cloud, **SUPABASE, **sign_in, "EVCONDUIT_APPROVAL": "true"}.items():
        monkeypatch.setenv(name, value)
    settings = load_settings()
    assert settings.build_supabase_config().auth_url == "https://x.example/auth/v1"
    assert (settings.providers, settings.registration, settings.approval) == (("github", "google"), "open", True)
    assert "hush" not in repr(settings) + repr(settings.build_supabase_config())


def test_plan_settings_override_the_catalogue_in_cloud_mode_only(monkeypatch):
    for name, value in {"EVCONDUIT_ALLOWANCE_FREE": "unlimited", "EVCONDUIT_VEHICLES_PRO": "25"}.items():
        monkeypatch.setenv(name, value)
    assert load_settings().plans == SELF_HOSTED_PLANS
    for name, value in {"EVCONDUIT_MODE": "cloud", **SUPABASE, **REST_OF_CLOUD}.items():
        monkeypatch.setenv(name, value)
    plans = load_settings().plans
    assert plans == CLOUD_PLANS.override(monthly_calls={"free": None}, vehicle_limits={"pro": 25})
    assert [plans.get(plan).monthly_calls for plan in ("free", "basic", "pro")] == [None, 2500, 10_000]
    assert [plans.get(plan).vehicle_limit for plan in ("free", "basic", "pro")] == [1, 3, 25]
    assert plans.push_plans == {"pro"}


@pytest.mark.parametrize(
    ("environment", "is_announced"),
    [
        ({}, False),
        ({"EVCONDUIT_HOST": "0.0.0.0"}, True),
        ({"EVCONDUIT_HOST": "0.0.0.0", "EVCONDUIT_ANNOUNCE": "false"}, False),
        ({"EVCONDUIT_ANNOUNCE": "true"}, False),
        ({"EVCONDUIT_HOST": "192.168.1.20"}, True),
    ],
)
def test_only_a_self_hosted_relay_beyond_loopback_is_announced(monkeypatch, environment, *, is_announced):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert load_settings().is_announced is is_announced
