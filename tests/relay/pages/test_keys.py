import html
import re

import pytest

from relay.identity.credentials import API_KEY_PATTERN
from relay.usecases.access.manage_keys import MAX_KEYS


def extract_key(text: str) -> str:
    match = re.search(rf">({API_KEY_PATTERN})</textarea>", text)
    assert match
    return match[1]


async def create_key(opened, **fields) -> str:
    done = await opened.submit("/keys", **{"name": "Laptop", "scopes": ["read", "control"], **fields})
    assert (done.status_code, done.headers["location"]) == (303, "/keys/made")
    assert "evc_" not in done.text
    return extract_key((await opened.get("/keys/made")).text)


async def test_new_key_is_shown_once_and_works(sign_in, account):
    opened = await sign_in(account.user_id)
    key = await create_key(opened, scopes=["read"])
    repeated = await opened.get("/keys/made")
    assert (repeated.status_code, repeated.headers["location"]) == (303, "/keys")
    listed = (await opened.get("/installations")).text
    assert key not in listed
    assert key[:12] in listed
    bearer = {"Authorization": f"Bearer {key}"}
    assert (await opened.get("/api/ha/v2/account", headers=bearer)).status_code == 200
    refused = await opened.post(f"/api/ha/v2/vehicles/{account.vehicle_id}/charging", json={}, headers=bearer)
    assert refused.status_code in {403, 422}


async def test_key_name_is_reduced_to_one_line_of_visible_characters(sign_in, account, pool):
    # The operator's terminal prints the name too, and would interpret control sequences in it.
    await create_key(await sign_in(account.user_id), name="Lap\x1b]0;x\x07top\nevc_AAAA\u202e")
    async with pool.connection() as connection:
        rows = await (await connection.execute("select name from api_keys order by created_at desc limit 1")).fetchall()
    assert rows == [("Lap]0;xtop evc_AAAA",)]


async def test_revoked_key_is_refused_immediately_and_its_streams_end(sign_in, account, app, pool):
    opened = await sign_in(account.user_id)
    key = await create_key(opened)
    async with pool.connection() as connection:
        row = await (await connection.execute("select id from api_keys where name = 'Laptop'")).fetchone()
    with app.state.runtime.hub.open_listener(account.user_id, row[0]) as stream:
        confirmation = await opened.get(f"/keys/{row[0]}/revoke")
        assert "Revoke “Laptop”?" in confirmation.text
        done = await opened.submit(f"/keys/{row[0]}/revoke")
        assert (done.status_code, done.headers["location"]) == (303, "/installations")
        assert b"revoked" in await stream.receive()
    listed = await opened.get("/installations")
    assert "The key is revoked." in listed.text
    assert "Laptop" not in listed.text
    answer = await opened.get("/api/ha/v2/account", headers={"Authorization": f"Bearer {key}"})
    assert answer.status_code == 401
    assert (await opened.submit(f"/keys/{row[0]}/revoke", on="/keys")).status_code == 404


@pytest.mark.parametrize(
    ("fields", "field", "message"),
    [
        ({"name": " ", "scopes": ["read"]}, "name", "Enter a name for the key."),
        ({"name": "x" * 61, "scopes": ["read"]}, "name", "Enter at most 60 characters."),
        ({"name": 'A "b" <i>'}, "scopes", "Choose at least one permission"),
        ({"name": "x", "scopes": ["account"]}, "scopes", "Choose at least one permission"),
    ],
)
async def test_invalid_field_shows_its_error_and_keeps_the_input(sign_in, account, fields, field, message):
    answer = await (await sign_in(account.user_id)).submit("/keys", **fields)
    assert answer.status_code == 422
    error = re.search(rf'id="{field}-error">.*?<span>(.*?)</span>', answer.text, re.DOTALL)
    assert error
    assert error[1].startswith(message)
    kept = re.search(r'id="name" name="name" type="text" value="([^"]*)"', answer.text)
    assert kept
    assert html.unescape(kept[1]) == fields["name"].strip()


async def test_number_of_keys_is_limited(sign_in, account, pool):
    async with pool.connection() as connection:
        await connection.execute(
            "insert into api_keys (user_id, name, key_hash, prefix) "
            "select %s, 'k', sha256(n::text::bytea), 'evc_' from generate_series(2, %s) n",
            [account.user_id, MAX_KEYS],
        )
    answer = await (await sign_in(account.user_id)).submit("/keys", name="one more", scopes=["read"])
    assert answer.status_code == 422
    assert "You have 50 keys" in answer.text
