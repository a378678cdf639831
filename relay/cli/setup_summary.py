"""What `serve` and `init` print: what is configured, what is missing, and the next step for each."""

from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING

from relay.kit.own_address import describe_loopback_links, describe_public_url

if TYPE_CHECKING:
    from relay.settings import Settings

LABEL_WIDTH = 10


@dataclass(frozen=True, kw_only=True, slots=True)
class SummaryRow:
    """One part of the setup. `next_step` says what is missing and how to add it; None if nothing is."""

    label: str
    value: str
    next_step: str | None = None


def render_setup_summary(settings: Settings) -> str:
    """Render the block that `serve` prints when it starts."""
    lines = [f"EVConduit relay {version('evconduit-relay')}, {settings.mode}"]
    for row in _describe_setup(settings):
        lines.append(f"  {row.label:{LABEL_WIDTH}} {row.value}")
        if row.next_step:
            lines.append(f"  {'':{LABEL_WIDTH}} -> {row.next_step}")
    return "\n".join(lines)


def _describe_setup(settings: Settings) -> Iterator[SummaryRow]:
    yield SummaryRow(label="listens on", value=f"{settings.host or '0.0.0.0'}:{settings.port}")  # noqa: S104 - printed
    yield _describe_address(settings)
    database = f"embedded, in {settings.data}" if settings.database_url is None else "the server in DATABASE_URL"
    yield SummaryRow(label="database", value=database)
    yield _describe_enode(settings)
    yield _describe_updates(settings)
    yield _describe_sign_in(settings)


def _describe_address(settings: Settings) -> SummaryRow:
    if settings.public_url is not None:
        return SummaryRow(label="address", value=settings.base_url)
    if settings.advertises_loopback:
        step = (
            f"{describe_loopback_links(settings.base_url)} To use them elsewhere, {describe_public_url(settings.port)}"
        )
        return SummaryRow(label="address", value="no public address", next_step=step)
    if not settings.listens_on_loopback:
        return SummaryRow(label="address", value=settings.base_url)
    step = f"To use it from other machines, set EVCONDUIT_HOST=0.0.0.0, and {describe_public_url(settings.port)}"
    return SummaryRow(label="address", value=f"{settings.base_url}, on this machine only", next_step=step)


def _describe_enode(settings: Settings) -> SummaryRow:
    if settings.enode_client_id is None:
        step = (
            "No car can be linked: get credentials from https://enode.com, set ENODE_CLIENT_ID and ENODE_CLIENT_SECRET"
        )
        return SummaryRow(label="Enode", value="no credentials", next_step=step)
    kind = ", the sandbox for tests" if settings.is_sandbox else ""
    return SummaryRow(label="Enode", value=f"credentials set, for {settings.enode_base_url.host}{kind}")


def _describe_updates(settings: Settings) -> SummaryRow:
    if settings.webhook_url is not None:
        return SummaryRow(label="updates", value=f"Enode posts to {settings.webhook_url}")
    if settings.enode_client_id is None:
        return SummaryRow(label="updates", value="none, without Enode's credentials")
    value = "the relay polls Enode every few minutes"
    step = "For updates at once, set WEBHOOK_URL and ENODE_WEBHOOK_SECRET, if Enode can reach this relay over https"
    return SummaryRow(label="updates", value=value, next_step=step)


def _describe_sign_in(settings: Settings) -> SummaryRow:
    if settings.mode == "cloud":
        value = f"with Supabase, registration {settings.registration}"
    elif settings.ingress_port is not None:
        value = "through Home Assistant"
    else:
        value = "with a link that `evconduit login` prints"
    return SummaryRow(label="sign-in", value=value)
