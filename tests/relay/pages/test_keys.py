import html
import re

import pytest

from relay.usecases.access.manage_keys import MAX_KEYS


def shown_key(text: str) -> str:
    found = re.search(r">(evc_[\w-]{43})</textarea>", text)
    assert found
    return found[1]


async def make(opened, **fields) -> str:
    done = await opened.submit("/keys", **{"name": "Laptop", "scopes": ["read", "control"], **fields})
    assert (done.status_code, done.headers["location"]) == (303, "/keys/made")
    assert "evc_" not in done.text
    return shown_key((await opened.get("/keys/made")).text)


async def test_a_key_is_shown_once_and_works(sign_in, account):
    opened = await sign_in(account.user_id)
    key = await make(opened, scopes=["read"])
    again = await opened.get("/keys/made")
    assert (again.status_code, again.headers["location"]) == (303, "/keys")
    listed = (await opened.get("/keys")).text
    assert key not in listed
    assert key[:12] in listed
    bearer = {"Authorization": f"Bearer {key}"}
    assert (await opened.get("/api/ha/v2/account", headers=bearer)).status_code == 200
    refused = await opened.post(f"/api/ha/v2/vehicles/{account.vehicle_id}/charging", json={}, headers=bearer)
    assert refused.status_code in {403, 422}


async def test_a_key_s_name_is_one_visible_line(sign_in, account, pool):
    # The operator's terminal shows it too, and would obey what is written there for it.
    await make(await sign_in(account.user_id), name="Lap\x1b]0;x\x07top\nevc_AAAA\u202e")
    async with pool.connection() as connection:
        rows = await (await connection.execute("select name from api_keys order by created_at desc limit 1")).fetchall()
    assert rows == [("Lap]0;xtop evc_AAAA",)]


async def test_a_revoked_key_is_refused_at_once_and_its_streams_end(sign_in, account, app, pool):
    opened = await sign_in(account.user_id)
    key = await make(opened)
    async with pool.connection() as connection:
        row = await (await connection.execute("select id from api_keys where name = 'Laptop'")).fetchone()
    with app.state.runtime.hub.open_listener(account.user_id, row[0]) as stream:
        asked = await opened.get(f"/keys/{row[0]}/revoke")
        assert "Revoke “Laptop”?" in asked.text
        done = await opened.submit(f"/keys/{row[0]}/revoke")
        assert (done.status_code, done.headers["location"]) == (303, "/keys")
        assert b"revoked" in await stream.receive()
    told = await opened.get("/keys")
    assert "The key is revoked." in told.text
    assert "Laptop" not in told.text
    answer = await opened.get("/api/ha/v2/account", headers={"Authorization": f"Bearer {key}"})
    assert answer.status_code == 401
    assert (await opened.submit(f"/keys/{row[0]}/revoke", on="/keys")).status_code == 404


@pytest.mark.parametrize(
    ("fields", "field", "words"),
    [
        ({"name": " ", "scopes": ["read"]}, "name", "Give the key a name."),
        ({"name": "x" * 61, "scopes": ["read"]}, "name", "At most 60 characters."),
        ({"name": 'A "b" <i>'}, "scopes", "Tick at least one"),
        ({"name": "x", "scopes": ["account"]}, "scopes", "Tick at least one"),
    ],
)
async def test_a_mistake_is_told_at_its_field_and_what_was_typed_is_kept(sign_in, account, fields, field, words):
    answer = await (await sign_in(account.user_id)).submit("/keys", **fields)
    assert answer.status_code == 422
    told = re.search(rf'id="{field}-error">.*?<span>(.*?)</span>', answer.text, re.DOTALL)
    assert told
    assert told[1].startswith(words)
    kept = re.search(r'id="name" name="name" type="text" value="([^"]*)"', answer.text)
    assert kept
    assert html.unescape(kept[1]) == fields["name"].strip()


async def test_there_is_a_most_of_keys(sign_in, account, pool):
    async with pool.connection() as connection:
        await connection.execute(
            "insert into api_keys (user_id, name, key_hash, prefix) "
            "select %s, 'k', sha256(n::text::bytea), 'evc_' from generate_series(2, %s) n",
            [account.user_id, MAX_KEYS],
        )
    answer = await (await sign_in(account.user_id)).submit("/keys", name="one more", scopes=["read"])
    assert answer.status_code == 422
    assert "You have 50 keys" in answer.text
