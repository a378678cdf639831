"""Which repair issues a vehicle has, and what they say."""

from typing import Any

import pytest
from homeassistant.core import HomeAssistant
from homeassistant.helpers import issue_registry as ir
from relay_double import TESLA, make_record

from custom_components.evconduit.client import JsonReader, VehicleRecord
from custom_components.evconduit.const import DOMAIN
from custom_components.evconduit.repair_issues import RepairIssues

INTERVENTION = {"id": "i1", "title": "Allow access", "description": "Open *the app*.", "agent": "User"}
RELINK = frozenset({"relink", "refresh"})


def make_parsed_record(**changes: Any) -> VehicleRecord:
    return VehicleRecord.parse(JsonReader(make_record(TESLA, **changes)))


@pytest.fixture
def issues(hass: HomeAssistant) -> RepairIssues:
    return RepairIssues(hass, "entry")


def get_issue(issue_registry: ir.IssueRegistry, id_: str) -> ir.IssueEntry:
    issue = issue_registry.async_get_issue(DOMAIN, id_)
    assert issue is not None
    return issue


@pytest.mark.parametrize(
    ("state", "count"), [("ok", 0), ("broken", 1), ("over_limit", 0), ("added later", 0), (None, 0)]
)
async def test_only_a_broken_link_is_an_issue(
    issues: RepairIssues, issue_registry: ir.IssueRegistry, *, state: str | None, count: int
):
    issues.async_update([make_parsed_record(link={"state": state})], RELINK)
    assert len(issue_registry.issues) == count


@pytest.mark.parametrize(
    ("features", "key", "data"),
    [
        (RELINK, "link_broken", {"entry_id": "entry", "vehicle_id": TESLA}),
        (frozenset({"refresh"}), "link_broken_elsewhere", None),
    ],
)
async def test_broken_link_is_an_error_that_the_relay_may_fix(
    issues: RepairIssues, issue_registry: ir.IssueRegistry, *, features: frozenset[str], key: str, data: object
):
    issues.async_update([make_parsed_record(link={"state": "broken"})], features)
    issue = get_issue(issue_registry, f"link_broken_{TESLA}")
    assert (issue.translation_key, issue.severity) == (key, ir.IssueSeverity.ERROR)
    assert (issue.is_fixable, issue.data) == (data is not None, data)
    assert issue.translation_placeholders == {"name": "Blue car"}


@pytest.mark.parametrize(
    ("title", "description", "shown"),
    [
        ("Title", "Text", ("Title", "Text")),
        ("Title", None, ("Title", "Title")),
        (None, "Text", ("Text", "Text")),
        (None, None, None),
        ("", "", None),
    ],
)
async def test_intervention_is_a_warning_with_its_texts(
    issues: RepairIssues,
    issue_registry: ir.IssueRegistry,
    *,
    title: str | None,
    description: str | None,
    shown: tuple[str, str] | None,
):
    intervention = INTERVENTION | {"title": title, "description": description}
    issues.async_update([make_parsed_record(interventions=[intervention])], RELINK)
    assert len(issue_registry.issues) == (0 if shown is None else 1)
    if shown is not None:
        issue = get_issue(issue_registry, f"intervention_{TESLA}_i1")
        assert (issue.translation_key, issue.severity) == ("intervention", ir.IssueSeverity.WARNING)
        assert (issue.is_fixable, issue.data) == (False, None)
        assert issue.translation_placeholders == {"name": "Blue car", "title": shown[0], "description": shown[1]}


async def test_issues_follow_the_records(issues: RepairIssues, issue_registry: ir.IssueRegistry):
    second = INTERVENTION | {"id": "i2"}
    issues.async_update([make_parsed_record(interventions=[INTERVENTION, second])], RELINK)
    assert len(issue_registry.issues) == 2
    changed = INTERVENTION | {"title": "Allow remote access"}
    issues.async_update([make_parsed_record(interventions=[changed])], RELINK)
    assert [id_ for _, id_ in issue_registry.issues] == [f"intervention_{TESLA}_i1"]
    issue = get_issue(issue_registry, f"intervention_{TESLA}_i1")
    assert issue.translation_placeholders is not None
    assert issue.translation_placeholders["title"] == "Allow remote access"
    issues.async_clear()
    assert len(issue_registry.issues) == 0


async def test_unchanged_issue_is_left_alone(
    issues: RepairIssues, issue_registry: ir.IssueRegistry, hass: HomeAssistant
):
    """Otherwise each update of the vehicle would write the issue registry."""
    events: list[object] = []
    hass.bus.async_listen(ir.EVENT_REPAIRS_ISSUE_REGISTRY_UPDATED, events.append)
    for level in (57, 58):
        record = make_parsed_record(interventions=[INTERVENTION], vehicle={"chargeState": {"batteryLevel": level}})
        issues.async_update([record], RELINK)
    await hass.async_block_till_done()
    assert len(events) == 1


LINK = INTERVENTION | {"action": "Link"}


@pytest.mark.parametrize(
    ("features", "intervention", "key"),
    [
        (RELINK, LINK, "intervention_link"),
        (RELINK, INTERVENTION, "intervention"),
        (RELINK, INTERVENTION | {"action": "Else"}, "intervention"),
        (frozenset({"refresh"}), LINK, "intervention"),
    ],
)
async def test_intervention_is_fixable_if_linking_does_it(
    issues: RepairIssues,
    issue_registry: ir.IssueRegistry,
    *,
    features: frozenset[str],
    intervention: dict[str, Any],
    key: str,
):
    issues.async_update([make_parsed_record(interventions=[intervention])], features)
    issue = get_issue(issue_registry, f"intervention_{TESLA}_i1")
    data = {"entry_id": "entry", "vehicle_id": TESLA, "intervention_id": "i1"}
    assert (issue.translation_key, issue.is_fixable) == (key, key == "intervention_link")
    assert issue.data == (data if issue.is_fixable else None)


async def test_broken_link_and_its_intervention_are_one_issue(issues: RepairIssues, issue_registry: ir.IssueRegistry):
    other = INTERVENTION | {"id": "i2"}
    issues.async_update([make_parsed_record(link={"state": "broken"}, interventions=[LINK, other])], RELINK)
    assert {id_ for _, id_ in issue_registry.issues} == {f"link_broken_{TESLA}", f"intervention_{TESLA}_i2"}
