"""What a user has to do for a car, told among the repairs, and done from there."""

from http import HTTPStatus
from typing import Any

import pytest
from helpers import SetUp, eventually
from homeassistant.core import HomeAssistant
from homeassistant.helpers import issue_registry as ir
from homeassistant.setup import async_setup_component
from pytest_homeassistant_custom_component.typing import ClientSessionGenerator
from relay_double import TESLA, Problem, RelayDouble, record

from custom_components.evconduit import repairs
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


def issues(issue_registry: ir.IssueRegistry) -> dict[str, ir.IssueEntry]:
    return {id_: issue for (domain, id_), issue in issue_registry.issues.items() if domain == DOMAIN and issue.active}


@pytest.fixture
def relinks(relay: RelayDouble) -> None:
    relay.account["relay"]["features"] = ["charging", "stream", "relink"]


class Flow:
    """A fix flow, over Home Assistant's API, as its frontend has it."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self.id = ""

    async def begin(self, issue_id: str) -> dict[str, Any]:
        path = "/api/repairs/issues/fix"
        async with self._client.post(path, json={"handler": DOMAIN, "issue_id": issue_id}) as response:
            assert response.status == HTTPStatus.OK
            step = await response.json()
        self.id = step["flow_id"]
        return step

    async def go_on(self) -> dict[str, Any]:
        async with self._client.post(f"/api/repairs/issues/fix/{self.id}", json={}) as response:
            assert response.status == HTTPStatus.OK
            return await response.json()

    async def is_there(self) -> bool:
        async with self._client.get(f"/api/repairs/issues/fix/{self.id}") as response:
            return response.status == HTTPStatus.OK


@pytest.fixture
async def flow(hass: HomeAssistant, hass_client: ClientSessionGenerator) -> Flow:
    for component in ("repairs", "auth", "webhook"):
        assert await async_setup_component(hass, component, {})
    return Flow(await hass_client())


@pytest.mark.parametrize("can_relink", [True, False])
async def test_a_broken_link_is_an_issue_until_it_is_in_order(
    relay: RelayDouble, set_up: SetUp, issue_registry: ir.IssueRegistry, *, can_relink: bool
):
    relay.account["relay"]["features"] = ["relink"] * can_relink
    await set_up()
    assert issues(issue_registry) == {}
    relay.push(record(TESLA, 2, link=BROKEN))
    await eventually(lambda: issues(issue_registry))
    issue = issues(issue_registry)[LINK_BROKEN]
    assert issue.is_fixable is can_relink
    assert issue.translation_key == ("link_broken" if can_relink else "link_broken_elsewhere")
    assert issue.translation_placeholders == {"name": "Blue car"}
    relay.push(record(TESLA, 3))
    await eventually(lambda: not issues(issue_registry))


async def test_interventions_of_the_user_are_issues(
    relay: RelayDouble, set_up: SetUp, issue_registry: ir.IssueRegistry
):
    others = SAFETY | {"id": "i2", "agent": "ThirdParty"}
    silent = SAFETY | {"id": "i3", "title": None, "description": None}
    relay.records[TESLA] = record(TESLA, interventions=[SAFETY, others, silent, {"title": "no id"}, "nonsense"])
    await set_up()
    assert set(issues(issue_registry)) == {f"intervention_{TESLA}_i1"}
    issue = issues(issue_registry)[f"intervention_{TESLA}_i1"]
    assert issue.translation_placeholders == {
        "name": "Blue car",
        "title": "Allow remote access",
        "description": "Open *the app*.",
    }
    relay.push(record(TESLA, 2, interventions=[]))
    await eventually(lambda: not issues(issue_registry))


@pytest.mark.parametrize("way", ["removed", "unloaded"])
async def test_issues_go_with_their_car(
    hass: HomeAssistant, relay: RelayDouble, set_up: SetUp, issue_registry: ir.IssueRegistry, way: str
):
    relay.records[TESLA] = record(TESLA, link=BROKEN, interventions=[SAFETY])
    entry = await set_up()
    assert len(issues(issue_registry)) == 2
    if way == "removed":
        relay.remove(TESLA)
    else:
        await hass.config_entries.async_unload(entry.entry_id)
    await eventually(lambda: not issues(issue_registry))


@pytest.mark.usefixtures("relinks")
async def test_a_car_is_linked_again_from_its_issue(
    relay: RelayDouble, set_up: SetUp, flow: Flow, issue_registry: ir.IssueRegistry
):
    relay.records[TESLA] = record(TESLA, link=BROKEN)
    await set_up()
    step = await flow.begin(LINK_BROKEN)
    assert (step["type"], step["step_id"]) == ("form", "confirm")
    assert step["description_placeholders"] == {"name": "Blue car"}
    assert relay.asked("/relink") == []  # the page is good once: not before it is wanted
    step = await flow.go_on()
    assert (step["type"], step["url"]) == ("external", relay.relinked["url"])
    relay.push(record(TESLA, 2, link=BROKEN, vehicle={"chargeState": {"batteryLevel": 58}}))
    relay.push(record(TESLA, 3))
    while await flow.is_there():
        step = await flow.go_on()
        if step["type"] == "create_entry":
            break
    await eventually(lambda: not issues(issue_registry))


@pytest.mark.usefixtures("relinks")
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
async def test_a_relay_that_gives_no_page(relay: RelayDouble, set_up: SetUp, flow: Flow, problem: Problem, reason: str):
    relay.records[TESLA] = record(TESLA, link=BROKEN)
    await set_up()
    await flow.begin(LINK_BROKEN)
    with relay.failing("relink", with_=problem):
        step = await flow.go_on()
    assert (step["type"], step["reason"]) == ("abort", reason)


@pytest.mark.usefixtures("relinks")
async def test_nobody_signs_in(
    hass: HomeAssistant,
    relay: RelayDouble,
    set_up: SetUp,
    *,
    flow: Flow,
    monkeypatch: pytest.MonkeyPatch,
    issue_registry,
):
    monkeypatch.setattr(repairs, "SIGN_IN_TIMEOUT", repairs.timedelta(milliseconds=20))
    relay.records[TESLA] = record(TESLA, link=BROKEN)
    await set_up()
    await flow.begin(LINK_BROKEN)
    await flow.go_on()
    manager = hass.data["repairs"]["flow_manager"]
    await eventually(lambda: not manager.async_progress() or manager.async_progress()[0]["step_id"] == "timeout")
    assert set(issues(issue_registry)) == {LINK_BROKEN}


@pytest.mark.usefixtures("relinks")
async def test_a_flow_that_is_closed_waits_no_longer(
    hass: HomeAssistant, relay: RelayDouble, set_up: SetUp, flow: Flow
):
    relay.records[TESLA] = record(TESLA, link=BROKEN)
    entry = await set_up()
    before = len(entry.runtime_data.coordinator.vehicles[TESLA]._listeners)
    await flow.begin(LINK_BROKEN)
    await flow.go_on()
    hass.data["repairs"]["flow_manager"].async_abort(flow.id)
    await eventually(lambda: len(entry.runtime_data.coordinator.vehicles[TESLA]._listeners) == before)


async def test_the_fix_of_a_car_that_is_gone_just_ends(hass: HomeAssistant, relay: RelayDouble, set_up: SetUp):
    entry = await set_up()
    for data in (None, {"entry_id": "gone"}, {"entry_id": entry.entry_id, "vehicle_id": "gone"}):
        fix = await repairs.async_create_fix_flow(hass, LINK_BROKEN, data)
        assert isinstance(fix, repairs.ConfirmRepairFlow)
