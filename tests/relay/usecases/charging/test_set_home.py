"""The home location over API v2."""


async def test_home_can_be_set_read_and_deleted(api, account, pool):
    url = "/api/ha/v2/home"
    assert (await api.get(url)).status_code == (await api.delete(url)).status_code == 404
    async with pool.connection() as connection:
        await connection.execute(
            "insert into vehicle_energy (vehicle_id, tail) values (%s, '{}')", [account.vehicle_id]
        )
    home = {"latitude": 52.1, "longitude": 5.1, "radius_m": 500}
    assert (await api.put(url, json={"latitude": 52.1, "longitude": 5.1})).json() == home
    assert (await api.get(url)).json() == home
    [vehicle] = (await api.get("/api/ha/v2/vehicles")).json()["vehicles"]
    assert (vehicle["energy"], vehicle["revision"]) == (
        {"lifetime_kwh": 0, "home_kwh": 0, "discharged_kwh": 0, "cost": None},
        1,
    )
    assert (await api.put(url, json=home | {"radius_m": 90})).json()["radius_m"] == 90
    assert (await api.delete(url)).status_code == 204
    [vehicle] = (await api.get("/api/ha/v2/vehicles")).json()["vehicles"]
    assert (vehicle["energy"]["home_kwh"], vehicle["revision"]) == (0, 1)


async def test_invalid_home_returns_422_without_echoing_it(api):
    for body in ({"latitude": 91, "longitude": 0}, {"latitude": 0}, {"latitude": 0, "longitude": 0, "radius_m": 5}):
        response = await api.put("/api/ha/v2/home", json=body)
        assert response.status_code == 422
        assert "91" not in response.text
