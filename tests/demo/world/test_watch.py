import pytest

from demo.world.watch import NotSeenError, Watch


def event(entity_id: str, state: str | None) -> dict:
    new = None if state is None else {"entity_id": entity_id, "state": state, "attributes": {}}
    return {"data": {"entity_id": entity_id, "new_state": new}}


async def test_changes_are_kept_in_order_and_repetitions_are_none():
    watch = Watch()
    for state in ("on", "on", "off"):
        watch.take(event("switch.car", state))
    assert [it.state for it in watch.changes] == ["on", "off"]
    assert watch.state("switch.car") == "off"


async def test_what_events_told_is_newer_than_the_first_states():
    watch = Watch()
    watch.take(event("sensor.level", "31"))
    watch.fill([{"entity_id": "sensor.level", "state": "30"}, {"entity_id": "sensor.range", "state": "100"}])
    assert watch.state("sensor.level") == "31"
    assert watch.state("sensor.range") == "100"


async def test_an_entity_that_went_away_has_no_state():
    watch = Watch()
    watch.take(event("sensor.level", "31"))
    watch.take(event("sensor.level", None))
    assert watch.state("sensor.level") is None


async def test_what_does_not_come_about_is_told_with_what_was_there():
    watch = Watch()
    watch.take(event("switch.car", "off"))
    with pytest.raises(NotSeenError, match=r"expected switch.car to be on within 0.01 s, saw off"):
        await watch.until_state("switch.car", "on", within=0.01)
