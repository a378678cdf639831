"""The only reader of the environment. Every variable is described in docs/settings.md (a test checks that)."""

import os
import secrets
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, HttpUrl, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from relay.gateways.enode import EnodeConfig
from relay.gateways.supabase import Provider, SupabaseConfig
from relay.kit.errors import OperatorError
from relay.kit.outbound_rules import OutboundRules, parse_allowlist
from relay.plans import CLOUD_PLANS, SELF_HOSTED_PLANS, PlanName, Plans
from relay.usecases.calls.runtime import Mode, RegistrationPolicy
from relay.usecases.operations.prune_history import Retention

type CallAllowance = Annotated[int, Field(ge=0, le=1_000_000_000)] | Literal["unlimited"]
type VehicleLimit = Annotated[int, Field(ge=1, le=1000)]

# All or none: half of them is a mistake that would show much later.
ENODE_VARIABLES = ("ENODE_CLIENT_ID", "ENODE_CLIENT_SECRET")
SUPABASE_VARIABLES = ("SUPABASE_URL", "SUPABASE_ANON_KEY", "SUPABASE_SERVICE_ROLE_KEY")
PROVIDERS: tuple[Provider, ...] = ("github", "google")
MIN_SECRET_KEY_LENGTH = 32
LOOPBACK_HOSTS = frozenset({"127.0.0.1", "[::1]", "localhost"})


def get_default_data_folder() -> Path:
    """Where the embedded database and the secret key lie unless EVCONDUIT_DATA says otherwise."""
    base = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(base) / "evconduit"


class Settings(BaseSettings):
    """What the operator decides. Field names are ours, aliases are the environment's."""

    model_config = SettingsConfigDict(frozen=True, env_ignore_empty=True, extra="ignore", populate_by_name=True)

    mode: Mode = Field("self-hosted", validation_alias="EVCONDUIT_MODE")
    host: str = Field("127.0.0.1", validation_alias="EVCONDUIT_HOST")
    port: int = Field(8300, ge=1, le=65535, validation_alias="EVCONDUIT_PORT")
    ingress_port: int | None = Field(None, ge=1, le=65535, validation_alias="EVCONDUIT_INGRESS_PORT")
    public_url: HttpUrl | None = Field(None, validation_alias="EVCONDUIT_PUBLIC_URL")
    data: Path = Field(default_factory=get_default_data_folder, validation_alias="EVCONDUIT_DATA")
    secret_key: SecretStr | None = Field(
        None, min_length=MIN_SECRET_KEY_LENGTH, validation_alias="EVCONDUIT_SECRET_KEY"
    )
    pool_size: int = Field(8, ge=2, le=200, validation_alias="EVCONDUIT_POOL_SIZE")
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", validation_alias="EVCONDUIT_LOG_LEVEL")
    database_url: SecretStr | None = Field(None, validation_alias="DATABASE_URL")
    enode_client_id: str | None = Field(None, validation_alias="ENODE_CLIENT_ID")
    enode_client_secret: SecretStr | None = Field(None, validation_alias="ENODE_CLIENT_SECRET")
    enode_base_url: HttpUrl = Field(
        HttpUrl("https://enode-api.sandbox.enode.io"), validation_alias="ENODE_BASE_URL", validate_default=True
    )
    enode_auth_url: HttpUrl = Field(
        HttpUrl("https://oauth.sandbox.enode.io/oauth2/token"), validation_alias="ENODE_AUTH_URL", validate_default=True
    )
    enode_webhook_secret: SecretStr | None = Field(
        None, min_length=6, max_length=256, validation_alias="ENODE_WEBHOOK_SECRET"
    )
    enode_webhook_secret_previous: SecretStr | None = Field(None, validation_alias="ENODE_WEBHOOK_SECRET_PREVIOUS")
    webhook_url: HttpUrl | None = Field(None, validation_alias="WEBHOOK_URL")
    internal_api_key: SecretStr | None = Field(None, min_length=16, validation_alias="EVCONDUIT_INTERNAL_API_KEY")
    webhook_silence_minutes: int = Field(120, ge=10, le=10_080, validation_alias="EVCONDUIT_WEBHOOK_SILENCE_MINUTES")
    alert_url: HttpUrl | None = Field(None, validation_alias="EVCONDUIT_ALERT_URL")
    # Two days at least: after a day of failures Enode gives up, and somebody must have the time to notice and replay.
    retention_hours: int = Field(72, ge=48, le=24 * 365, validation_alias="EVCONDUIT_RETENTION_HOURS")
    # A refund finds its call here: far longer than a command may stay open.
    call_log_days: int = Field(90, ge=7, le=3650, validation_alias="EVCONDUIT_CALL_LOG_DAYS")
    # Limits of the plans in cloud mode; None leaves the default of relay/plans.py.
    allowance_free: CallAllowance | None = Field(None, validation_alias="EVCONDUIT_ALLOWANCE_FREE")
    allowance_basic: CallAllowance | None = Field(None, validation_alias="EVCONDUIT_ALLOWANCE_BASIC")
    allowance_pro: CallAllowance | None = Field(None, validation_alias="EVCONDUIT_ALLOWANCE_PRO")
    vehicles_free: VehicleLimit | None = Field(None, validation_alias="EVCONDUIT_VEHICLES_FREE")
    vehicles_basic: VehicleLimit | None = Field(None, validation_alias="EVCONDUIT_VEHICLES_BASIC")
    vehicles_pro: VehicleLimit | None = Field(None, validation_alias="EVCONDUIT_VEHICLES_PRO")
    set_aside_days: int = Field(30, ge=2, le=3650, validation_alias="EVCONDUIT_SET_ASIDE_DAYS")
    oauth_local_redirects: bool | None = Field(None, validation_alias="EVCONDUIT_OAUTH_LOCAL_REDIRECTS")
    redis_url: SecretStr | None = Field(None, validation_alias="REDIS_URL")
    outbound_allow: str = Field("", validation_alias="EVCONDUIT_OUTBOUND_ALLOW")
    supabase_url: HttpUrl | None = Field(None, validation_alias="SUPABASE_URL")
    supabase_anon_key: SecretStr | None = Field(None, validation_alias="SUPABASE_ANON_KEY")
    supabase_service_role_key: SecretStr | None = Field(None, validation_alias="SUPABASE_SERVICE_ROLE_KEY")
    registration: RegistrationPolicy = Field("closed", validation_alias="EVCONDUIT_REGISTRATION")
    approval: bool = Field(False, validation_alias="EVCONDUIT_APPROVAL")
    sign_in_providers: str = Field("", validation_alias="EVCONDUIT_SIGN_IN_PROVIDERS")

    @field_validator("redis_url")
    @classmethod
    def _check_redis_url(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and not value.get_secret_value().startswith(("redis://", "rediss://", "unix://")):
            raise ValueError("an address of a Redis begins with redis://, rediss:// or unix://")
        return value

    @field_validator("outbound_allow")
    @classmethod
    def _check_outbound_allow(cls, value: str) -> str:
        parse_allowlist(value)
        return value

    @field_validator("sign_in_providers")
    @classmethod
    def _check_sign_in_providers(cls, value: str) -> str:
        if not {it.strip() for it in value.split(",") if it.strip()} <= set(PROVIDERS):
            raise ValueError(f"there are {' and '.join(PROVIDERS)}, with a comma between them")
        return value

    @model_validator(mode="after")
    def _check_supabase(self) -> Self:
        given = (self.supabase_url, self.supabase_anon_key, self.supabase_service_role_key)
        missing = [name for name, value in zip(SUPABASE_VARIABLES, given, strict=True) if value is None]
        if missing and (len(missing) < len(SUPABASE_VARIABLES) or self.mode == "cloud"):
            why = "in cloud mode people sign in with Supabase" if self.mode == "cloud" else "they come together"
            raise ValueError(f"{missing[0]} is missing: {why}")
        if self.supabase_url is not None:
            if self.mode != "cloud":
                raise ValueError("SUPABASE_URL is for cloud mode; a relay of one's own has one owner")
            if not _is_secure_url(self.supabase_url):
                raise ValueError("SUPABASE_URL must be https: our keys and people's codes go there")
        return self

    @model_validator(mode="after")
    def _check_combinations(self) -> Self:
        if (self.enode_client_id is None) != (self.enode_client_secret is None):
            missing = ENODE_VARIABLES[0] if self.enode_client_id is None else ENODE_VARIABLES[1]
            raise ValueError(f"{missing} is missing: Enode's credentials come in pairs")
        if self.webhook_url is not None and self.enode_webhook_secret is None:
            raise ValueError("ENODE_WEBHOOK_SECRET is missing: with WEBHOOK_URL set, Enode must sign what it sends")
        if self.ingress_port is not None and (self.mode == "cloud" or self.ingress_port == self.port):
            raise ValueError("EVCONDUIT_INGRESS_PORT is for the add-on alone, and another port than EVCONDUIT_PORT")
        if self.mode == "cloud" and self.secret_key is None:
            raise ValueError("EVCONDUIT_SECRET_KEY is missing: in cloud mode it must come from the environment")
        if self.mode == "cloud" and self.database_url is None:
            raise ValueError("DATABASE_URL is missing: in cloud mode the database is not embedded")
        if self.mode == "cloud" and self.public_url is not None and not _is_secure_url(self.public_url):
            raise ValueError("EVCONDUIT_PUBLIC_URL must be https: people's sessions and codes go there")
        return self

    @property
    def base_url(self) -> str:
        """Where browsers reach this relay, without a slash at the end."""
        if self.public_url is not None:
            return str(self.public_url).rstrip("/")
        host = "127.0.0.1" if self.host in {"0.0.0.0", "::", ""} else self.host  # noqa: S104 - compared, not bound
        return f"http://{f'[{host}]' if ':' in host else host}:{self.port}"

    @property
    def allows_local_redirects(self) -> bool:
        """Whether a Home Assistant that signs in may be answered at its own address; in the cloud only if so set."""
        return self.mode == "self-hosted" if self.oauth_local_redirects is None else self.oauth_local_redirects

    @property
    def webhook_secrets(self) -> list[str]:
        """Secrets that may have signed what arrives: the current one, and the previous one during a rotation."""
        both = (self.enode_webhook_secret, self.enode_webhook_secret_previous)
        return [secret.get_secret_value() for secret in both if secret is not None]

    @property
    def retention(self) -> Retention:
        """How long inbox rows and the log of calls are kept."""
        return Retention(
            processed=timedelta(hours=self.retention_hours),
            set_aside=timedelta(days=self.set_aside_days),
            calls=timedelta(days=self.call_log_days),
        )

    @property
    def plans(self) -> Plans:
        """What each plan grants on this relay. Limits follow the mode alone: a self-hosted relay has none."""
        if self.mode == "self-hosted":
            return SELF_HOSTED_PLANS
        calls: dict[PlanName, CallAllowance | None] = {
            "free": self.allowance_free,
            "basic": self.allowance_basic,
            "pro": self.allowance_pro,
        }
        vehicles: dict[PlanName, VehicleLimit | None] = {
            "free": self.vehicles_free,
            "basic": self.vehicles_basic,
            "pro": self.vehicles_pro,
        }
        return CLOUD_PLANS.override(
            monthly_calls={
                plan: None if given == "unlimited" else given for plan, given in calls.items() if given is not None
            },
            vehicle_limits={plan: given for plan, given in vehicles.items() if given is not None},
        )

    @property
    def webhook_silence(self) -> timedelta:
        """So long Enode may send nothing, not even a heartbeat, before that is trouble."""
        return timedelta(minutes=self.webhook_silence_minutes)

    @property
    def link_origins(self) -> str:
        """Where Enode's link pages lie: at Enode, or at the simulator that stands in for it."""
        parts = urlsplit(str(self.enode_base_url))
        return f"https://*.enode.com https://*.enode.io {parts.scheme}://{parts.netloc}"

    @property
    def is_sandbox(self) -> bool:
        """Whether Enode is its sandbox, which gives a webhook up within minutes."""
        return "sandbox" in (self.enode_base_url.host or "")

    def build_enode_config(self) -> EnodeConfig | None:
        """How to reach Enode; None without credentials."""
        if self.enode_client_id is None or self.enode_client_secret is None:
            return None
        return EnodeConfig(
            base_url=str(self.enode_base_url).rstrip("/"),
            auth_url=str(self.enode_auth_url),
            client_id=self.enode_client_id,
            client_secret=self.enode_client_secret.get_secret_value(),
        )

    def build_supabase_config(self) -> SupabaseConfig | None:
        """How to reach Supabase Auth; None where people do not sign in with it."""
        url, anon, service = self.supabase_url, self.supabase_anon_key, self.supabase_service_role_key
        if url is None or anon is None or service is None:
            return None
        return SupabaseConfig(
            url=str(url).rstrip("/"), anon_key=anon.get_secret_value(), service_role_key=service.get_secret_value()
        )

    @property
    def providers(self) -> tuple[Provider, ...]:
        """With whom people can sign in beside a link by mail."""
        wanted = {it.strip() for it in self.sign_in_providers.split(",")}
        return tuple(it for it in PROVIDERS if it in wanted)

    def build_outbound_rules(self) -> OutboundRules:
        """Where addresses that users gave may lead: in the cloud to the public internet only."""
        hosts, networks = parse_allowlist(self.outbound_allow)
        return OutboundRules(
            allow_private=self.mode == "self-hosted",
            allowed_hosts=hosts,
            allowed_networks=networks,
            own_ports=frozenset({self.port, self.ingress_port or self.port}),
        )

    def load_secret_key(self) -> bytes:
        """The relay's own secret key; made once in the data folder when the environment gives none."""
        if self.secret_key is not None:
            return self.secret_key.get_secret_value().encode()
        file = self.data / "secret-key"
        try:
            self.data.mkdir(parents=True, exist_ok=True, mode=0o700)
            if not file.exists():
                _create_key_file(file)
            key = file.read_bytes().strip()
        except OSError as error:
            raise OperatorError(f"cannot keep the secret key in {file}: {error.strerror}; set EVCONDUIT_DATA") from None
        if len(key) < MIN_SECRET_KEY_LENGTH:
            raise OperatorError(f"{file} is no secret key (any more): restore it, or delete it to begin with a new one")
        return key


def _is_secure_url(url: HttpUrl) -> bool:
    """Whether nobody on the way reads along."""
    return url.scheme == "https" or url.host in LOOPBACK_HOSTS


def _create_key_file(file: Path) -> None:
    """Whole or not at all: who starts at the same moment, or after a crash, must not find an empty key."""
    making = file.with_name(f"{file.name}.{secrets.token_hex(8)}")
    try:
        with os.fdopen(os.open(making, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as made:
            made.write(secrets.token_hex(32))
            made.flush()
            os.fsync(made.fileno())
        # Unlike a renaming, this never takes the place of a key that somebody else has made meanwhile.
        with suppress(FileExistsError):
            file.hardlink_to(making)
    finally:
        making.unlink(missing_ok=True)


def load_settings() -> Settings:
    """Settings from the environment. Raises StartError: one line that names the variable and never shows its value."""
    try:
        return Settings()
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        name = ".".join(str(part) for part in first["loc"])
        message = first["msg"].removeprefix("Value error, ")
        raise OperatorError(f"{name}: {message}" if name else message) from None
