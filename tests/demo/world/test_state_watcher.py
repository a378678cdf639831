import pytest

from demo.world.state_watcher import StateTimeoutError, StateWatcher


def state_changed_event(entity_id: str, state: str | None) -> dict:
    new = None if state is None else {"entity_id": entity_id, "state": state, "attributes": {}}
    return {"data": {"entity_id": entity_id, "new_state": new}}


async def test_changes_are_recorded_in_order_without_repetitions():
    watch = StateWatcher()
    for state in ("on", "on", "off"):
        watch.handle_event(state_changed_event("switch.car", state))
    assert [change.state for change in watch.changes] == ["on", "off"]
    assert watch.get_state("switch.car") == "off"


async def test_initial_states_do_not_replace_events():
    watch = StateWatcher()
    watch.handle_event(state_changed_event("sensor.level", "31"))
    watch.add_initial_states(
        [{"entity_id": "sensor.level", "state": "30"}, {"entity_id": "sensor.range", "state": "100"}]
    )
    assert watch.get_state("sensor.level") == "31"
    assert watch.get_state("sensor.range") == "100"


async def test_removed_entity_has_no_state():
    watch = StateWatcher()
    watch.handle_event(state_changed_event("sensor.level", "31"))
    watch.handle_event(state_changed_event("sensor.level", None))
    assert watch.get_state("sensor.level") is None


async def test_timeout_reports_the_expected_and_the_seen_state():
    watch = StateWatcher()
    watch.handle_event(state_changed_event("switch.car", "off"))
    with pytest.raises(StateTimeoutError, match=r"expected switch.car to be on within 0.01 s, saw off"):
        await watch.wait_for_state("switch.car", "on", within=0.01)
