"""Rows 1 and 2: the integration is set up, and shows the cars."""

import secrets

from demo.world import config_flow
from demo.world.check.bench import FROZEN, Bench, demand
from demo.world.check.values import SHOWN, TRACKER, until_equal
from demo.world.config_flow import entries
from demo.world.hass_api import HassApi, Json
from demo.world.tries import until

LOAD_SECONDS = 30.0


async def prove_config_flow(bench: Bench) -> str:
    """A wrong key is refused, another host too; the right key makes an entry that loads; a second one is refused."""
    world = bench.world
    hass, url, key = world.home_assistant.api, bench.gate.url, str(world.state.memory.key)
    form = await config_flow.begin(hass)
    fields = {field["name"] for field in form["data_schema"]}
    demand(fields == {"url"}, "a form that asks for the address", fields)
    other = await config_flow.answer(hass, form, url=world.simulator.url)
    demand(_errors(other) == {"base": "unsupported_relay"}, "unsupported_relay for another host", _brief(other))
    form = await config_flow.ask_for_key(hass, other, url=url)
    wrong = await config_flow.answer(hass, form, api_key=f"evc_{secrets.token_urlsafe(32)}")
    demand(_errors(wrong) == {"base": "invalid_auth"}, "the error invalid_auth for a wrong key", _brief(wrong))
    right = await config_flow.answer(hass, form, api_key=key)
    demand(right["type"] == "create_entry", "an entry for the right key", _brief(right))
    world.state.remember(entry_url=url)
    loaded = await until("the entry to be loaded", lambda: _is_loaded(hass), within=LOAD_SECONDS)
    again = await config_flow.submit(hass, url=url, key=key)
    demand((again["type"], again.get("reason")) == ("abort", "already_configured"), "already_configured", _brief(again))
    return f"loaded {loaded:.1f} s after the right key"


async def _is_loaded(hass: HassApi) -> bool:
    return [entry["state"] for entry in await entries(hass)] == ["loaded"]


def _errors(result: Json) -> Json:
    return result.get("errors") if result["type"] == "form" else None


def _brief(result: Json) -> str:
    return f"{result['type']} {result.get('errors') or result.get('reason') or ''}".strip()


async def prove_entities(bench: Bench) -> str:
    """Each car is a device with the entities that it offers, and they show what the simulator says."""
    await bench.world.simulator.set_speed(FROZEN)
    async with bench.look() as look:
        wanted = {row.key for row in SHOWN} | {TRACKER}
        missing = wanted - look.car.entities.keys()
        demand(not missing, "all entities of a car that hides nothing", f"none of {sorted(missing)}")
        seconds = await until_equal(bench, look)
        count = sum(len(car.entities) for car in look.cars)
        return f"{count} entities of {len(look.cars)} cars, equal after {seconds:.1f} s"
