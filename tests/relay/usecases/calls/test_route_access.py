"""Access to the routes of commands and vehicles: other users, read-only keys, callers over the rate limit."""

from uuid import UUID, uuid4

from relay.kit.rate_limiter import RateLimiter
from tests.relay.support.linking import parse_problem
from tests.relay.support.simulated_vehicle import create_api_client


async def test_another_users_command_and_vehicle_are_not_found(relay_runtime, v2_api, simulated_vehicle, make_account):
    command = (await v2_api.post(f"{simulated_vehicle.path}/charging", json={"action": "START"})).json()
    async with create_api_client(relay_runtime, await make_account()) as other_user:
        for method, path in (
            ("POST", f"/commands/{command['id']}/cancel"),
            ("GET", f"{simulated_vehicle.path}/commands"),
            ("POST", f"{simulated_vehicle.path}/refresh"),
            ("POST", f"{simulated_vehicle.path}/relink"),
            ("POST", "/vehicles/%00/refresh"),
        ):
            assert parse_problem(await other_user.request(method, path)) == (404, "not-found"), path


async def test_read_only_key_can_change_nothing(relay_runtime, make_account):
    reader = await make_account(scopes=("read",))
    async with create_api_client(relay_runtime, reader) as client:
        for path in (f"/commands/{uuid4()}/cancel", *(f"/vehicles/x/{action}" for action in ("refresh", "relink"))):
            assert parse_problem(await client.post(path)) == (403, "forbidden")
        assert parse_problem(await client.patch("/account", json={"language": "de"})) == (403, "forbidden")
        assert (await client.get(f"/vehicles/{reader.vehicle_id}/commands")).json() == {"commands": []}


async def test_free_calls_are_limited_per_minute(relay_runtime, v2_api):
    object.__setattr__(relay_runtime, "rate_limiter", RateLimiter(per_minute=2, monotonic=lambda: 0.0))
    path = f"/commands/{UUID(int=0)}"
    assert [(await v2_api.get(path)).status_code for _ in range(3)] == [404, 404, 429]
