"""The repair issue that lists, once for each account, what the migration of classic entries couldn't keep."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers import entity_registry as er
from homeassistant.helpers import issue_registry as ir
from homeassistant.util.hass_dict import HassKey

from .classic_registry import RemovedEntity
from .const import DOMAIN

ISSUE_KEY: Final = "classic_migrated"
NOTHING: Final = "—"


@dataclass(kw_only=True, slots=True)
class MigrationReport:
    """What was not kept of the classic entries of one account. `vehicles`: titles of those the account doesn't have."""

    removed: list[RemovedEntity] = field(default_factory=list)
    settings: set[str] = field(default_factory=set)
    vehicles: list[str] = field(default_factory=list)


REPORTS: Final = HassKey[dict[str, MigrationReport]](f"{DOMAIN}_migration_reports")
"""By config entry, what its issue will list as soon as its entities have been added."""


@callback
def async_get_report(hass: HomeAssistant, entry_id: str) -> MigrationReport:
    """Return the report to add to."""
    return hass.data.setdefault(REPORTS, {}).setdefault(entry_id, MigrationReport())


@callback
def async_create_migration_issue(hass: HomeAssistant, entry_id: str) -> None:
    """Create the issue if there is a report. It stays until the user confirms that they read it."""
    report = hass.data.get(REPORTS, {}).pop(entry_id, None)
    if report is None:
        return
    issue_id = _get_issue_id(entry_id)
    lists = {
        "entities": _render_removed(er.async_get(hass), report.removed),
        "settings": [f"- `{name}`" for name in sorted(report.settings)],
        "vehicles": [f"- {title}" for title in report.vehicles],
    }
    previous = ir.async_get(hass).async_get_issue(DOMAIN, issue_id)
    texts = (previous.translation_placeholders if previous is not None else None) or {}
    ir.async_create_issue(
        hass,
        DOMAIN,
        issue_id,
        data={"entry_id": entry_id},
        is_fixable=True,
        is_persistent=True,
        severity=ir.IssueSeverity.WARNING,
        translation_key=ISSUE_KEY,
        translation_placeholders={key: _join_lines(texts.get(key, ""), lines) for key, lines in lists.items()},
    )


@callback
def async_delete_migration_issue(hass: HomeAssistant, entry_id: str) -> None:
    """Delete the issue of an entry that is removed."""
    hass.data.get(REPORTS, {}).pop(entry_id, None)
    ir.async_delete_issue(hass, DOMAIN, _get_issue_id(entry_id))


def _get_issue_id(entry_id: str) -> str:
    return f"{ISSUE_KEY}_{entry_id}"


def _join_lines(text: str, lines: Iterable[str]) -> str:
    """Add lines to the text of an issue that the user hasn't confirmed yet."""
    known = text.splitlines() if text != NOTHING else []
    return "\n".join(dict.fromkeys([*known, *lines])) or NOTHING


def _render_removed(registry: er.EntityRegistry, removed: Iterable[RemovedEntity]) -> list[str]:
    """Render a Markdown list: a line for each replaced entity, and a line for all others with the same label."""
    lines, others = [], dict[str, list[str]]()
    for entity in removed:
        if (replacement := _find_replacement(registry, entity)) is not None:
            lines.append(f"- `{entity.entity_id}` → `{replacement}`")
        else:
            label = entity.row.label if entity.row is not None else NOTHING
            others.setdefault(label, []).append(f"`{entity.entity_id}`")
    return lines + [f"- {label}: {', '.join(ids)}" for label, ids in others.items()]


def _find_replacement(registry: er.EntityRegistry, entity: RemovedEntity) -> str | None:
    if entity.replacement is None or entity.replacement_unique_id is None:
        return None
    return registry.async_get_entity_id(entity.replacement.platform, DOMAIN, entity.replacement_unique_id)
