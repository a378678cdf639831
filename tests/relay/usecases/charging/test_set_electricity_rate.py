"""The electricity rate over API v2 and the classic API."""


async def test_rate_can_be_set_repeated_and_changed(api, pool):
    url = "/api/ha/v2/electricity-rate"
    assert (await api.get(url)).status_code == 404
    first = (await api.put(url, json={"cost_per_kwh": 0.31, "currency": "eur"})).json()
    assert (first["cost_per_kwh"], first["currency"]) == (0.31, "EUR")
    assert (await api.put(url, json={"cost_per_kwh": 0.31, "currency": "EUR"})).json() == first
    changed = (await api.put(url, json={"cost_per_kwh": 0.2, "currency": "EUR"})).json()
    assert changed["valid_from"] >= first["valid_from"]
    assert (await api.get(url)).json() == changed
    async with pool.connection() as connection:
        [row] = await (await connection.execute("select count(*) from electricity_rates")).fetchall()
    assert row == (2,)


async def test_classic_rate_can_be_set_and_read(api):
    url = "/api/ha/electricity-rate"
    assert (await api.get(url)).json() == {"cost_per_kwh": None, "currency": None, "updated_at": None}
    posted = await api.post(url, json={"cost_per_kwh": 0.31, "currency": "aud"})
    assert posted.json() == {"status": "success", "cost_per_kwh": 0.31, "currency": "AUD"}
    current = (await api.get(url)).json()
    assert (current["cost_per_kwh"], current["currency"]) == (0.31, "AUD")
    assert current["updated_at"].endswith("Z")


INVALID_RATES = (
    '{"cost_per_kwh": -1e12, "currency": "EUR"}',
    '{"cost_per_kwh": NaN, "currency": "EUR"}',
    '{"cost_per_kwh": 1, "currency": "euros"}',
    '{"cost_per_kwh": 1e12, "currency": "EUR"}',
    "{}",
)


async def test_invalid_rate_returns_422(api):
    json_body = {"Content-Type": "application/json"}
    for body in INVALID_RATES:
        for method, path in (("PUT", "v2/electricity-rate"), ("POST", "electricity-rate")):
            response = await api.request(method, f"/api/ha/{path}", content=body, headers=json_body)
            assert (body, response.status_code) == (body, 422)


async def test_rate_that_ends_is_not_set_any_more(api, pool):
    url = "/api/ha/v2/electricity-rate"
    assert (await api.delete(url)).status_code == 404
    await api.put(url, json={"cost_per_kwh": 0.31, "currency": "EUR"})
    assert (await api.delete(url)).status_code == 204
    assert (await api.get(url)).status_code == 404
    assert (await api.get("/api/ha/electricity-rate")).json()["cost_per_kwh"] is None
    assert (await api.delete(url)).status_code == 404
    again = await api.put(url, json={"cost_per_kwh": 0.31, "currency": "EUR"})
    assert again.json()["cost_per_kwh"] == 0.31
    async with pool.connection() as connection:
        rows = await (
            await connection.execute("select cost_per_kwh from electricity_rates order by valid_from")
        ).fetchall()
    assert rows == [(0.31,), (None,), (0.31,)]


async def test_rate_can_be_negative(api):
    url = "/api/ha/v2/electricity-rate"
    put = await api.put(url, json={"cost_per_kwh": -0.05, "currency": "EUR"})
    assert (put.status_code, put.json()["cost_per_kwh"]) == (200, -0.05)
