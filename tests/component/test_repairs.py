"""Repair issues and the flow that links a vehicle again."""

from http import HTTPStatus
from typing import Any

import pytest
from helpers import SetupEntry, wait_until
from homeassistant.core import HomeAssistant
from homeassistant.helpers import issue_registry as ir
from homeassistant.setup import async_setup_component
from pytest_homeassistant_custom_component.typing import ClientSessionGenerator
from relay_double import TESLA, Problem, RelayDouble, make_record

from custom_components.evconduit import link_wait, repairs
from custom_components.evconduit.const import DOMAIN

BROKEN = {"state": "broken", "since": "2026-11-20T18:00:00.000Z"}
LINK_BROKEN = f"link_broken_{TESLA}"
SAFETY = {
    "id": "i1",
    "title": "Allow remote access",
    "description": "Open *the app*.",
    "access": "Remote",
    "agent": "User",
    "action": None,
}


def get_issues(issue_registry: ir.IssueRegistry) -> dict[str, ir.IssueEntry]:
    return {id_: issue for (domain, id_), issue in issue_registry.issues.items() if domain == DOMAIN and issue.active}


@pytest.fixture
def relink_supported(relay: RelayDouble) -> None:
    relay.account["relay"]["features"] = ["charging", "stream", "relink"]


class Flow:
    """A fix flow through Home Assistant's API, as the frontend uses it."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self.id = ""

    async def start(self, issue_id: str) -> dict[str, Any]:
        path = "/api/repairs/issues/fix"
        async with self._client.post(path, json={"handler": DOMAIN, "issue_id": issue_id}) as response:
            assert response.status == HTTPStatus.OK
            step = await response.json()
        self.id = step["flow_id"]
        return step

    async def submit(self) -> dict[str, Any]:
        async with self._client.post(f"/api/repairs/issues/fix/{self.id}", json={}) as response:
            assert response.status == HTTPStatus.OK
            return await response.json()

    async def is_open(self) -> bool:
        async with self._client.get(f"/api/repairs/issues/fix/{self.id}") as response:
            return response.status == HTTPStatus.OK


@pytest.fixture
async def flow(hass: HomeAssistant, hass_client: ClientSessionGenerator) -> Flow:
    for component in ("repairs", "auth", "webhook"):
        assert await async_setup_component(hass, component, {})
    return Flow(await hass_client())


@pytest.mark.parametrize("can_relink", [True, False])
async def test_broken_link_creates_an_issue_until_it_works(
    relay: RelayDouble, setup_entry: SetupEntry, issue_registry: ir.IssueRegistry, *, can_relink: bool
):
    relay.account["relay"]["features"] = ["relink"] * can_relink
    await setup_entry()
    assert get_issues(issue_registry) == {}
    relay.push_record(make_record(TESLA, 2, link=BROKEN))
    await wait_until(lambda: get_issues(issue_registry))
    issue = get_issues(issue_registry)[LINK_BROKEN]
    assert issue.is_fixable is can_relink
    assert issue.translation_key == ("link_broken" if can_relink else "link_broken_elsewhere")
    assert issue.translation_placeholders == {"name": "Blue car"}
    relay.push_record(make_record(TESLA, 3))
    await wait_until(lambda: not get_issues(issue_registry))


async def test_interventions_for_the_user_create_issues(
    relay: RelayDouble, setup_entry: SetupEntry, issue_registry: ir.IssueRegistry
):
    others = SAFETY | {"id": "i2", "agent": "ThirdParty"}
    silent = SAFETY | {"id": "i3", "title": None, "description": None}
    relay.records[TESLA] = make_record(TESLA, interventions=[SAFETY, others, silent, {"title": "no id"}, "nonsense"])
    await setup_entry()
    assert set(get_issues(issue_registry)) == {f"intervention_{TESLA}_i1"}
    issue = get_issues(issue_registry)[f"intervention_{TESLA}_i1"]
    assert issue.translation_placeholders == {
        "name": "Blue car",
        "title": "Allow remote access",
        "description": "Open *the app*.",
    }
    relay.push_record(make_record(TESLA, 2, interventions=[]))
    await wait_until(lambda: not get_issues(issue_registry))


@pytest.mark.parametrize("reason", ["removed", "unloaded"])
async def test_issues_are_deleted_with_their_vehicle(
    hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry, issue_registry: ir.IssueRegistry, reason: str
):
    relay.records[TESLA] = make_record(TESLA, link=BROKEN, interventions=[SAFETY])
    entry = await setup_entry()
    assert len(get_issues(issue_registry)) == 2
    if reason == "removed":
        relay.remove_vehicle(TESLA)
    else:
        await hass.config_entries.async_unload(entry.entry_id)
    await wait_until(lambda: not get_issues(issue_registry))


@pytest.mark.usefixtures("relink_supported")
async def test_fix_flow_links_the_vehicle_again(
    relay: RelayDouble, setup_entry: SetupEntry, flow: Flow, issue_registry: ir.IssueRegistry
):
    relay.records[TESLA] = make_record(TESLA, link=BROKEN)
    await setup_entry()
    step = await flow.start(LINK_BROKEN)
    assert (step["type"], step["step_id"]) == ("form", "confirm")
    assert step["description_placeholders"] == {"name": "Blue car"}
    assert relay.get_requests("/relink") == []  # the single-use page is created only when needed
    step = await flow.submit()
    assert (step["type"], step["url"]) == ("external", relay.relink_response["url"])
    step = await flow.submit()  # the frontend asks for the present step
    assert (step["type"], step["url"]) == ("external", relay.relink_response["url"])
    relay.push_record(make_record(TESLA, 2, link=BROKEN, vehicle={"chargeState": {"batteryLevel": 58}}))
    relay.push_record(make_record(TESLA, 3))
    while await flow.is_open():
        step = await flow.submit()
        if step["type"] == "create_entry":
            break
    await wait_until(lambda: not get_issues(issue_registry))


@pytest.mark.usefixtures("relink_supported")
@pytest.mark.parametrize(
    ("problem", "reason"),
    [
        (Problem(409, "not-broken"), "not_broken"),
        (Problem(404, "not-found"), "vehicle_gone"),
        (Problem(502, "enode-unavailable"), "cannot_relink"),
        (Problem(403, "forbidden"), "cannot_relink"),
        (Problem(200, body=b'{"url": "javascript:alert(1)"}'), "cannot_relink"),
    ],
)
async def test_fix_flow_aborts_if_the_relay_refuses(
    relay: RelayDouble, setup_entry: SetupEntry, flow: Flow, problem: Problem, reason: str
):
    relay.records[TESLA] = make_record(TESLA, link=BROKEN)
    await setup_entry()
    await flow.start(LINK_BROKEN)
    with relay.failing("relink", with_=problem):
        step = await flow.submit()
    assert (step["type"], step["reason"]) == ("abort", reason)


@pytest.mark.usefixtures("relink_supported")
async def test_fix_flow_times_out(
    hass: HomeAssistant,
    relay: RelayDouble,
    setup_entry: SetupEntry,
    *,
    flow: Flow,
    monkeypatch: pytest.MonkeyPatch,
    issue_registry,
):
    monkeypatch.setattr(repairs, "SIGN_IN_TIMEOUT", repairs.timedelta(milliseconds=20))
    relay.records[TESLA] = make_record(TESLA, link=BROKEN)
    await setup_entry()
    await flow.start(LINK_BROKEN)
    await flow.submit()
    manager = hass.data["repairs"]["flow_manager"]
    await wait_until(lambda: not manager.async_progress() or manager.async_progress()[0]["step_id"] == "timeout")
    assert set(get_issues(issue_registry)) == {LINK_BROKEN}


@pytest.mark.usefixtures("relink_supported")
async def test_closed_fix_flow_stops_waiting(
    hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry, flow: Flow
):
    relay.records[TESLA] = make_record(TESLA, link=BROKEN)
    entry = await setup_entry()
    before = len(entry.runtime_data.coordinator.vehicles[TESLA]._listeners)
    await flow.start(LINK_BROKEN)
    await flow.submit()
    hass.data["repairs"]["flow_manager"].async_abort(flow.id)
    await wait_until(lambda: len(entry.runtime_data.coordinator.vehicles[TESLA]._listeners) == before)


async def test_fix_flow_for_a_removed_vehicle_only_confirms(
    hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry
):
    entry = await setup_entry()
    for data in (None, {"entry_id": "gone"}, {"entry_id": entry.entry_id, "vehicle_id": "gone"}):
        fix = await repairs.async_create_fix_flow(hass, LINK_BROKEN, data)
        assert isinstance(fix, repairs.ConfirmRepairFlow)


@pytest.mark.usefixtures("relink_supported")
@pytest.mark.parametrize(
    ("ending", "reason"),
    [
        ("removed", "vehicle_gone"),
        ("absent", "vehicle_gone"),
        ("reloaded", "entry_unloaded"),
        ("unloaded", "entry_unloaded"),
    ],
)
async def test_fix_flow_ends_when_nothing_can_be_linked_any_more(
    hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry, *, flow: Flow, ending: str, reason: str
):
    relay.records[TESLA] = make_record(TESLA, link=BROKEN)
    entry = await setup_entry()
    await flow.start(LINK_BROKEN)
    await flow.submit()
    if ending == "removed":
        relay.remove_vehicle(TESLA)
    elif ending == "absent":
        del relay.records[TESLA]
        relay.break_streams()
    elif ending == "reloaded":
        await hass.config_entries.async_reload(entry.entry_id)
    else:
        await hass.config_entries.async_unload(entry.entry_id)
    manager = hass.data["repairs"]["flow_manager"]
    await wait_until(lambda: [step["step_id"] for step in manager.async_progress()] == [reason])
    step = await flow.submit()
    assert (step["type"], step["reason"]) == ("abort", reason)
    assert not await flow.is_open()


@pytest.mark.usefixtures("relink_supported")
async def test_fix_flow_that_was_not_continued_before_a_reload_aborts(
    hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry, flow: Flow
):
    relay.records[TESLA] = make_record(TESLA, link=BROKEN)
    entry = await setup_entry()
    await flow.start(LINK_BROKEN)
    await hass.config_entries.async_reload(entry.entry_id)
    step = await flow.submit()
    assert (step["type"], step["reason"]) == ("abort", "entry_unloaded")
    assert relay.get_requests("/relink") == []


def is_ignored(issue_registry: ir.IssueRegistry, id_: str) -> bool | None:
    issue = issue_registry.async_get_issue(DOMAIN, id_)
    return None if issue is None or not issue.active else issue.dismissed_version is not None


async def test_ignored_issue_stays_ignored_after_a_reload(
    hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry, issue_registry: ir.IssueRegistry
):
    ids = (LINK_BROKEN, f"intervention_{TESLA}_i1")
    relay.records[TESLA] = make_record(TESLA, link=BROKEN, interventions=[SAFETY, SAFETY | {"id": "i2"}])
    entry = await setup_entry()
    for id_ in ids:
        ir.async_ignore_issue(hass, DOMAIN, id_, ignore=True)
    for _ in range(2):
        await hass.config_entries.async_reload(entry.entry_id)
        await hass.async_block_till_done()
        assert [is_ignored(issue_registry, id_) for id_ in ids] == [True, True]
        assert is_ignored(issue_registry, f"intervention_{TESLA}_i2") is False


@pytest.mark.parametrize("is_gone", [True, False])
async def test_issue_that_was_resolved_while_unloaded_is_forgotten(
    hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry, issue_registry: ir.IssueRegistry, *, is_gone: bool
):
    """If it comes back, the user sees it."""
    relay.records[TESLA] = make_record(TESLA, 2, link=BROKEN)
    entry = await setup_entry()
    ir.async_ignore_issue(hass, DOMAIN, LINK_BROKEN, ignore=True)
    await hass.config_entries.async_unload(entry.entry_id)
    if is_gone:
        del relay.records[TESLA]
    else:
        relay.records[TESLA] = make_record(TESLA, 3)
    await hass.config_entries.async_setup(entry.entry_id)
    await wait_until(lambda: is_ignored(issue_registry, LINK_BROKEN) is None)
    relay.push_record(make_record(TESLA, 4, link=BROKEN))
    await wait_until(lambda: is_ignored(issue_registry, LINK_BROKEN) is False)


async def test_issue_that_was_ignored_before_a_restart_is_forgotten_when_it_is_resolved(
    relay: RelayDouble, setup_entry: SetupEntry, issue_registry: ir.IssueRegistry
):
    """After a restart of Home Assistant the registry has the id alone, as inactive."""
    id_ = f"intervention_{TESLA}_i1"
    for other_id in (id_, f"intervention_{TESLA}x_i1"):
        ir.async_create_issue(
            issue_registry.hass, DOMAIN, other_id, is_fixable=False, severity=ir.IssueSeverity.WARNING,
            translation_key="intervention",
        )  # fmt: skip
        ir.async_ignore_issue(issue_registry.hass, DOMAIN, other_id, ignore=True)
    await setup_entry()
    assert is_ignored(issue_registry, f"intervention_{TESLA}x_i1")
    assert is_ignored(issue_registry, id_) is None


async def test_ignored_issue_is_deleted_with_its_entry(
    hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry, issue_registry: ir.IssueRegistry
):
    relay.records[TESLA] = make_record(TESLA, link=BROKEN)
    entry = await setup_entry()
    ir.async_ignore_issue(hass, DOMAIN, LINK_BROKEN, ignore=True)
    await hass.config_entries.async_remove(entry.entry_id)
    assert get_issues(issue_registry) == {}


@pytest.fixture
def _quick_polls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(link_wait, "POLL_INTERVAL", repairs.timedelta(milliseconds=5))
    monkeypatch.setattr(link_wait, "ARRIVAL_TIMEOUT", repairs.timedelta(milliseconds=50))


VIRTUAL_KEY = SAFETY | {"action": "Link"}
NEEDS_LINK = f"intervention_{TESLA}_i1"


@pytest.mark.usefixtures("relink_supported", "_quick_polls")
async def test_fix_flow_ends_by_the_result_of_the_page(
    relay: RelayDouble, setup_entry: SetupEntry, flow: Flow, issue_registry: ir.IssueRegistry
):
    """Without push, the new state of the car would arrive much later."""
    relay.account |= {"push": False}
    relay.relink_response["link_id"] = "l1"
    relay.records[TESLA] = make_record(TESLA, link=BROKEN)
    await setup_entry()
    await flow.start(LINK_BROKEN)
    await flow.submit()
    relay.records[TESLA] = make_record(TESLA, 2)
    relay.setup.link_result = {"state": "linked"}
    await wait_until(lambda: not get_issues(issue_registry))


@pytest.mark.usefixtures("relink_supported", "_quick_polls")
@pytest.mark.parametrize("result", ["cancelled", "failed"])
async def test_fix_flow_says_that_the_car_was_not_linked(
    hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry, *, flow: Flow, result: str
):
    relay.relink_response["link_id"] = "l1"
    relay.setup.link_result = {"state": result}
    relay.records[TESLA] = make_record(TESLA, link=BROKEN)
    await setup_entry()
    await flow.start(LINK_BROKEN)
    await flow.submit()
    manager = hass.data["repairs"]["flow_manager"]
    await wait_until(lambda: [step["step_id"] for step in manager.async_progress()] == [result])
    assert (await flow.submit())["reason"] == result


@pytest.mark.usefixtures("relink_supported", "_quick_polls")
@pytest.mark.parametrize("is_broken", [True, False])
async def test_intervention_with_the_action_link_is_fixable(
    hass: HomeAssistant,
    relay: RelayDouble,
    setup_entry: SetupEntry,
    *,
    flow: Flow,
    issue_registry: ir.IssueRegistry,
    is_broken: bool,
):
    """Enode may relink the car, or say that its link works. Then it is linked as for the first time."""
    if not is_broken:
        relay.problems["relink"] = Problem(409, "not-broken")
    relay.records[TESLA] = make_record(TESLA, interventions=[VIRTUAL_KEY])
    await setup_entry()
    issue = get_issues(issue_registry)[NEEDS_LINK]
    assert (issue.is_fixable, issue.translation_key) == (True, "intervention_link")
    step = await flow.start(NEEDS_LINK)
    assert step["description_placeholders"] == {
        "name": "Blue car",
        "title": "Allow remote access",
        "description": "Open *the app*.",
    }
    step = await flow.submit()
    assert step["url"] == (relay.relink_response if is_broken else relay.setup.link_page)["url"]
    if not is_broken:
        assert relay.get_requests("/link-vehicle")[0].body == {"vendor": "TESLA"}
    relay.push_record(make_record(TESLA, 2))
    manager = hass.data["repairs"]["flow_manager"]
    await wait_until(lambda: [step["step_id"] for step in manager.async_progress()] == ["vehicle_linked"])
    assert (await flow.submit())["type"] == "create_entry"
    await wait_until(lambda: not get_issues(issue_registry))


@pytest.mark.usefixtures("relink_supported")
async def test_car_at_the_limit_can_not_be_linked_for_an_intervention(
    relay: RelayDouble, setup_entry: SetupEntry, flow: Flow
):
    relay.problems |= {"relink": Problem(409, "not-broken"), "link_vehicle": Problem(403, "vehicle-limit")}
    relay.records[TESLA] = make_record(TESLA, interventions=[VIRTUAL_KEY])
    await setup_entry()
    await flow.start(NEEDS_LINK)
    assert (await flow.submit())["reason"] == "cannot_relink"


async def test_fix_flow_for_an_intervention_that_is_gone_only_confirms(
    hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry
):
    entry = await setup_entry()
    data = {"entry_id": entry.entry_id, "vehicle_id": TESLA, "intervention_id": "gone"}
    fix = await repairs.async_create_fix_flow(hass, NEEDS_LINK, data)
    assert isinstance(fix, repairs.ConfirmRepairFlow)
