"""Settings from environment variables, which nothing else in the relay reads. docs/settings.md describes each one."""

import os
import re
import secrets
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, HttpUrl, SecretStr, ValidationError, field_validator, model_validator

from relay.kit.errors import OperatorError
from relay.kit.private_files import create_private_file, prepare_private_folder
from relay.plans import CLOUD_PLANS, SELF_HOSTED_PLANS, PlanName, Plans
from relay.usecases.calls.modes import Mode, RegistrationPolicy

# Every command loads the settings, and few configure these parts, so a method that does imports its part.
if TYPE_CHECKING:
    from relay.gateways.enode import EnodeConfig
    from relay.gateways.supabase import Provider, SupabaseConfig
    from relay.kit.outbound_rules import OutboundRules
    from relay.usecases.operations.prune_history import Retention

type CallAllowance = Annotated[int, Field(ge=0, le=1_000_000_000)] | Literal["unlimited"]
type VehicleLimit = Annotated[int, Field(ge=1, le=1000)]

# Each group is complete or absent: a partial one would fail only later, at its first use.
ENODE_VARIABLES = ("ENODE_CLIENT_ID", "ENODE_CLIENT_SECRET")
SUPABASE_VARIABLES = ("SUPABASE_URL", "SUPABASE_ANON_KEY", "SUPABASE_SERVICE_ROLE_KEY")
PROVIDERS: tuple[Provider, ...] = ("github", "google")
MIN_SECRET_KEY_LENGTH = 32
PUBLIC_PATH = re.compile(r"(/[A-Za-z0-9_-]+)*", re.ASCII)
ALL_INTERFACES = frozenset({"0.0.0.0", "::", ""})  # noqa: S104 - compared, not bound
LOOPBACK_HOSTS = frozenset({"127.0.0.1", "[::1]", "localhost"})


def get_default_data_folder() -> Path:
    """Folder of the embedded database and the secret key unless EVCONDUIT_DATA is set."""
    base = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(base) / "evconduit"


class Settings(BaseModel):
    """The operator's settings. The alias of a field is its environment variable."""

    model_config = ConfigDict(frozen=True, populate_by_name=True)

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
    # At least what Enode accepts. A new secret must be longer, which startup.py checks: Enode may have a shorter one.
    enode_webhook_secret: SecretStr | None = Field(
        None, min_length=6, max_length=256, validation_alias="ENODE_WEBHOOK_SECRET"
    )
    enode_webhook_secret_previous: SecretStr | None = Field(
        None, min_length=6, max_length=256, validation_alias="ENODE_WEBHOOK_SECRET_PREVIOUS"
    )
    webhook_url: HttpUrl | None = Field(None, validation_alias="WEBHOOK_URL")
    internal_api_key: SecretStr | None = Field(None, min_length=16, validation_alias="EVCONDUIT_INTERNAL_API_KEY")
    webhook_silence_minutes: int = Field(120, ge=10, le=10_080, validation_alias="EVCONDUIT_WEBHOOK_SILENCE_MINUTES")
    alert_url: HttpUrl | None = Field(None, validation_alias="EVCONDUIT_ALERT_URL")
    # At least two days: after one day of failures Enode stops delivering, and the operator needs time to notice and
    # replay.
    retention_hours: int = Field(72, ge=48, le=24 * 365, validation_alias="EVCONDUIT_RETENTION_HOURS")
    # Refunds read calls from this log, so it must be kept far longer than a command can stay pending.
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
    announce: bool | None = Field(None, validation_alias="EVCONDUIT_ANNOUNCE")
    trusted_hosts: str = Field("", validation_alias="EVCONDUIT_TRUSTED_HOSTS")
    redis_url: SecretStr | None = Field(None, validation_alias="REDIS_URL")
    login_command: str = Field(
        "evconduit login", min_length=1, max_length=200, pattern=r"^[ -~]+$", validation_alias="EVCONDUIT_LOGIN_COMMAND"
    )
    outbound_allow: str = Field("", validation_alias="EVCONDUIT_OUTBOUND_ALLOW")
    supabase_url: HttpUrl | None = Field(None, validation_alias="SUPABASE_URL")
    supabase_anon_key: SecretStr | None = Field(None, validation_alias="SUPABASE_ANON_KEY")
    supabase_service_role_key: SecretStr | None = Field(None, validation_alias="SUPABASE_SERVICE_ROLE_KEY")
    registration: RegistrationPolicy = Field("closed", validation_alias="EVCONDUIT_REGISTRATION")
    approval: bool = Field(False, validation_alias="EVCONDUIT_APPROVAL")
    sign_in_providers: str = Field("", validation_alias="EVCONDUIT_SIGN_IN_PROVIDERS")

    @field_validator("public_url")
    @classmethod
    def _check_public_url(cls, value: HttpUrl | None) -> HttpUrl | None:
        if value is None:
            return value
        if value.username is not None or value.password is not None:
            raise ValueError("enter an address without a user name and password")
        if value.query is not None or value.fragment is not None:
            raise ValueError("enter an address without a query and fragment")
        if not PUBLIC_PATH.fullmatch((value.path or "").rstrip("/")):
            raise ValueError("enter a path of letters, digits, hyphens and underscores, such as /evconduit")
        return value

    @field_validator("redis_url")
    @classmethod
    def _check_redis_url(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and not value.get_secret_value().startswith(("redis://", "rediss://", "unix://")):
            raise ValueError("enter a Redis URL that starts with redis://, rediss:// or unix://")
        return value

    @field_validator("outbound_allow")
    @classmethod
    def _check_outbound_allow(cls, value: str) -> str:
        from relay.kit.outbound_rules import parse_allowlist

        parse_allowlist(value)
        return value

    @field_validator("trusted_hosts")
    @classmethod
    def _check_trusted_hosts(cls, value: str) -> str:
        from relay.kit.public_host import parse_trusted_hosts

        parse_trusted_hosts(value)
        return value

    @field_validator("sign_in_providers")
    @classmethod
    def _check_sign_in_providers(cls, value: str) -> str:
        if not {name.strip() for name in value.split(",") if name.strip()} <= set(PROVIDERS):
            raise ValueError(f"enter a comma-separated list of {' and '.join(PROVIDERS)}")
        return value

    @model_validator(mode="after")
    def _check_supabase(self) -> Self:
        values = (self.supabase_url, self.supabase_anon_key, self.supabase_service_role_key)
        missing = [name for name, value in zip(SUPABASE_VARIABLES, values, strict=True) if value is None]
        if missing and (len(missing) < len(SUPABASE_VARIABLES) or self.mode == "cloud"):
            reason = "cloud mode needs Supabase for sign-in" if self.mode == "cloud" else "set all three or none"
            raise ValueError(f"{missing[0]} is missing: {reason}")
        if self.supabase_url is not None:
            if self.mode != "cloud":
                raise ValueError("SUPABASE_URL is for cloud mode: a self-hosted relay doesn't use Supabase")
            if not _is_secure_url(self.supabase_url):
                raise ValueError("SUPABASE_URL must be https: keys and sign-in codes are sent there")
        return self

    @model_validator(mode="after")
    def _check_combinations(self) -> Self:
        if (self.enode_client_id is None) != (self.enode_client_secret is None):
            missing = ENODE_VARIABLES[0] if self.enode_client_id is None else ENODE_VARIABLES[1]
            raise ValueError(f"{missing} is missing: set both of Enode's credentials or none")
        if self.webhook_url is not None and self.enode_webhook_secret is None:
            raise ValueError("ENODE_WEBHOOK_SECRET is missing: with WEBHOOK_URL set, Enode must sign its webhooks")
        if self.ingress_port is not None and (self.mode == "cloud" or self.ingress_port == self.port):
            raise ValueError("EVCONDUIT_INGRESS_PORT is for the add-on only, and must differ from EVCONDUIT_PORT")
        if self.mode == "cloud" and self.secret_key is None:
            raise ValueError("EVCONDUIT_SECRET_KEY is missing: in cloud mode it must come from the environment")
        if self.mode == "cloud" and self.database_url is None:
            raise ValueError("DATABASE_URL is missing: cloud mode has no embedded database")
        if self.mode == "cloud" and self.public_url is None and self.host not in LOOPBACK_HOSTS:
            raise ValueError("EVCONDUIT_PUBLIC_URL is missing: in cloud mode, users need an https address")
        return self

    @model_validator(mode="after")
    def _check_encryption(self) -> Self:
        if self.mode == "cloud" and self.public_url is not None and not _is_secure_url(self.public_url):
            raise ValueError("EVCONDUIT_PUBLIC_URL must be https: sessions and sign-in codes are sent there")
        for name, url in (("ENODE_BASE_URL", self.enode_base_url), ("ENODE_AUTH_URL", self.enode_auth_url)):
            if not _is_secure_url(url):
                raise ValueError(f"{name} must be https: Enode's credentials are sent there")
        return self

    @property
    def base_url(self) -> str:
        """URL at which browsers reach this relay, without a trailing slash."""
        if self.public_url is not None:
            return str(self.public_url).rstrip("/")
        host = "127.0.0.1" if self.host in ALL_INTERFACES else self.host
        return f"http://{f'[{host}]' if ':' in host else host}:{self.port}"

    @property
    def advertises_loopback(self) -> bool:
        """Whether other machines can reach this relay, but `base_url` is an address of this machine only."""
        return self.public_url is None and self.host in ALL_INTERFACES

    @property
    def listens_on_loopback(self) -> bool:
        """Whether only this machine can reach this relay directly."""
        return self.host in {"127.0.0.1", "::1", "localhost"}

    @property
    def is_announced(self) -> bool:
        """Whether to announce this relay on the local network: by default where it is self-hosted and reachable."""
        is_reachable = self.mode == "self-hosted" and not self.listens_on_loopback
        return is_reachable if self.announce is None else self.announce and is_reachable

    @property
    def public_path(self) -> str:
        """The path of the public address, below which a reverse proxy serves this relay; mostly empty."""
        return urlsplit(self.base_url).path

    @property
    def allows_local_redirects(self) -> bool:
        """Whether OAuth may redirect to Home Assistant's own address; by default on a self-hosted relay only."""
        return self.mode == "self-hosted" if self.oauth_local_redirects is None else self.oauth_local_redirects

    @property
    def webhook_secrets(self) -> list[str]:
        """Secrets that Enode's webhooks can be signed with: the current one, and the previous one during a rotation."""
        secrets_in_use = (self.enode_webhook_secret, self.enode_webhook_secret_previous)
        return [secret.get_secret_value() for secret in secrets_in_use if secret is not None]

    @property
    def retention(self) -> Retention:
        """How long inbox events and the log of calls are kept."""
        from relay.usecases.operations.prune_history import Retention

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
                plan: None if limit == "unlimited" else limit for plan, limit in calls.items() if limit is not None
            },
            vehicle_limits={plan: limit for plan, limit in vehicles.items() if limit is not None},
        )

    @property
    def webhook_silence(self) -> timedelta:
        """Time without any webhook from Enode, heartbeats included, after which the operator is alerted."""
        return timedelta(minutes=self.webhook_silence_minutes)

    @property
    def link_origins(self) -> str:
        """Origins of Enode's link pages for a content security policy, with that of a simulated Enode."""
        parts = urlsplit(str(self.enode_base_url))
        return f"https://*.enode.com https://*.enode.io {parts.scheme}://{parts.netloc}"

    @property
    def is_sandbox(self) -> bool:
        """Whether ENODE_BASE_URL is Enode's sandbox, which stops a failing webhook within minutes."""
        return "sandbox" in (self.enode_base_url.host or "")

    def build_enode_config(self) -> EnodeConfig | None:
        """Addresses and credentials of Enode; None without credentials."""
        if self.enode_client_id is None or self.enode_client_secret is None:
            return None
        from relay.gateways.enode import EnodeConfig

        return EnodeConfig(
            base_url=str(self.enode_base_url).rstrip("/"),
            auth_url=str(self.enode_auth_url),
            client_id=self.enode_client_id,
            client_secret=self.enode_client_secret.get_secret_value(),
        )

    def build_supabase_config(self) -> SupabaseConfig | None:
        """Address and keys of Supabase Auth; None on a self-hosted relay."""
        url, anon, service = self.supabase_url, self.supabase_anon_key, self.supabase_service_role_key
        if url is None or anon is None or service is None:
            return None
        from relay.gateways.supabase import SupabaseConfig

        return SupabaseConfig(
            url=str(url).rstrip("/"), anon_key=anon.get_secret_value(), service_role_key=service.get_secret_value()
        )

    @property
    def providers(self) -> tuple[Provider, ...]:
        """Sign-in providers that users can choose beside a sign-in link by email."""
        enabled = {name.strip() for name in self.sign_in_providers.split(",")}
        return tuple(provider for provider in PROVIDERS if provider in enabled)

    def build_outbound_rules(self) -> OutboundRules:
        """Hosts that requests to addresses given by users may reach: in cloud mode only the public internet."""
        from relay.kit.outbound_rules import OutboundRules, parse_allowlist

        hosts, networks = parse_allowlist(self.outbound_allow)
        return OutboundRules(
            allow_private=self.mode == "self-hosted",
            allowed_hosts=hosts,
            allowed_networks=networks,
            own_ports=frozenset({self.port, self.ingress_port or self.port}),
        )

    def prepare_data_folder(self) -> None:
        """Create the data folder if it is missing, and keep other users of the machine out. Raises OperatorError."""
        try:
            prepare_private_folder(self.data)
        except OSError as error:
            raise OperatorError(f"can't use {self.data} for data: {error.strerror}; set EVCONDUIT_DATA") from None

    def load_secret_key(self) -> bytes:
        """The relay's secret key, from the environment or else from the data folder, where it is created if missing.

        Raises OperatorError if the data folder can't be used, or its key is not valid.
        """
        if self.secret_key is not None:
            return self.secret_key.get_secret_value().encode()
        file = self.data / "secret-key"
        self.prepare_data_folder()
        try:
            if not file.exists():
                create_private_file(file, secrets.token_hex(32))
            key = file.read_bytes().strip()
        except OSError as error:
            raise OperatorError(f"can't store the secret key in {file}: {error.strerror}; set EVCONDUIT_DATA") from None
        if len(key) < MIN_SECRET_KEY_LENGTH:
            raise OperatorError(f"{file} holds no valid secret key: restore it, or delete it to create a new one")
        return key


def _is_secure_url(url: HttpUrl) -> bool:
    """Whether requests to this URL are encrypted or stay on this machine."""
    return url.scheme == "https" or url.host in LOOPBACK_HOSTS


def load_settings() -> Settings:
    """Settings from the environment; an empty variable counts as not set.

    Raises OperatorError, one line that names the variable but not its value.
    """
    names = [str(field.validation_alias) for field in Settings.model_fields.values()]
    try:
        return Settings.model_validate({name: value for name in names if (value := os.environ.get(name))})
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        name = ".".join(str(part) for part in first["loc"])
        message = first["msg"].removeprefix("Value error, ")
        raise OperatorError(f"{name}: {message}" if name else message) from None
