"""The classic status of a vehicle whose state is corrected."""

from psycopg.types.json import Jsonb


async def test_classic_status_contains_corrections(v2_api, simulated_vehicle, account):
    corrected = Jsonb({"chargeState": {"isPluggedIn": True}})
    await simulated_vehicle.execute("update vehicles set corrected = %s", corrected)
    status = (await v2_api.get(f"http://relay/api/status/{account.vehicle_id}")).json()
    assert (status["isPluggedIn"], status["chargeState"]) == (True, {"isPluggedIn": True})
