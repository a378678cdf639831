"""What holds for every page, whoever made it."""

import dataclasses
import re
from uuid import uuid4

import pytest
from psycopg_pool import PoolTimeout

PAGES = ["/home", "/installations", "/keys", "/usage", "/profile"]
POSTS = ["/keys", "/profile", "/profile/sign-out-everywhere", "/profile/delete", "/sign-out"]
HTML = {"Accept": "text/html,*/*;q=0.8"}


@pytest.mark.parametrize("path", PAGES)
async def test_who_is_not_signed_in_is_sent_to_and_comes_back(browser, path):
    answer = await browser.get(path + "?x=1")
    assert answer.status_code == 303
    assert answer.headers["location"] == f"/sign-in?next=%2F{path[1:]}%3Fx%3D1"


@pytest.mark.parametrize("path", PAGES)
async def test_pages_of_an_account_are_kept_by_nobody_and_run_nothing(sign_in, account, path):
    shown = await (await sign_in(account.user_id)).get(path)
    assert shown.status_code == 200
    assert shown.headers["cache-control"] == "no-store"
    assert shown.headers["referrer-policy"] == "no-referrer"
    assert shown.headers["x-content-type-options"] == "nosniff"
    policy = shown.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'")
    assert "unsafe" not in policy
    assert "script" not in policy
    assert not re.search(r"<script|<style|\sstyle=|\son\w+=", shown.text)
    assert f'href="{path}" aria-current="page"' in shown.text
    assert shown.text.count("aria-current") == 1
    assert shown.text.count("<h1") == 1


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize("language", ["de", "sv"])
async def test_pages_speak_the_language_of_the_account(sign_in, account, pool, path, language):
    async with pool.connection() as connection:
        await connection.execute("update users set language = %s", [f"{language}-{language.upper()}"])
    shown = await (await sign_in(account.user_id)).get(path, headers={"Accept-Language": "en"})
    assert shown.status_code == 200
    assert f'<html lang="{language}">' in shown.text


@pytest.mark.parametrize("path", POSTS)
@pytest.mark.parametrize("token", ["", "0" * 64])
async def test_a_form_that_is_not_ours_changes_nothing_and_says_so(sign_in, account, path, token):
    answer = await (await sign_in(account.user_id)).post(path, data={"csrf": token, "name": "x", "scopes": "read"})
    assert answer.status_code == 403
    assert answer.headers["content-type"].startswith("text/html")
    assert "<h1>This form has grown too old</h1>" in answer.text
    assert answer.headers["cache-control"] == "no-store"


async def test_an_address_without_a_page_is_told_to_a_person_as_a_page(browser):
    answer = await browser.get("/nowhere", headers=HTML)
    assert answer.status_code == 404
    assert "<h1>There is nothing here</h1>" in answer.text
    assert "content-security-policy" in answer.headers


@pytest.mark.parametrize("path", ["/nowhere", "/api/nowhere"])
async def test_a_program_is_told_problems_as_programs_read_them(browser, path):
    accept = HTML if path.startswith("/api") else {"Accept": "*/*"}
    answer = await browser.get(path, headers=accept)
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("path", ["/keys/{}/revoke", "/installations/{}/disconnect"])
@pytest.mark.parametrize("which", ["foreign", "unknown", "no id"])
async def test_what_is_not_yours_does_not_exist(sign_in, make_account, pool, path, which):
    mine, theirs = await make_account(), await make_account()
    async with pool.connection() as connection:
        row = await (
            await connection.execute("select id from api_keys where user_id = %s", [theirs.user_id])
        ).fetchone()
    it = {"foreign": row[0], "unknown": uuid4(), "no id": "x%00"}[which]
    opened = await sign_in(mine.user_id)
    for answer in (
        await opened.get(path.format(it)),
        await opened.submit(path.format(it), on="/keys"),
    ):
        assert answer.status_code == 404
        assert "<h1>There is nothing here</h1>" in answer.text
    async with pool.connection() as connection:
        left = await (await connection.execute("select count(*) from api_keys where revoked_at is null")).fetchone()
    assert left == (2,)


async def test_without_a_database_a_page_says_so(sign_in, account, app):
    opened = await sign_in(account.user_id)

    class Away:
        def connection(self):
            raise PoolTimeout

    app.state.runtime = dataclasses.replace(app.state.runtime, pool=Away())
    answer = await opened.get("/home")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert "<h1>The relay needs a moment</h1>" in answer.text


async def test_over_tls_browsers_are_told_to_stay_there(browser, app):
    assert "strict-transport-security" not in (await browser.get("/")).headers
    app.state.runtime = dataclasses.replace(app.state.runtime, public_url="https://relay.example.org")
    assert (await browser.get("/")).headers["strict-transport-security"] == "max-age=31536000"


async def test_a_notice_is_one_of_ours_and_is_told_once(sign_in, account):
    opened = await sign_in(account.user_id)
    done = await opened.submit("/profile", name="Kim", language="en-US")
    assert (done.status_code, done.headers["location"]) == (303, "/profile")
    assert 'role="status"' in (await opened.get("/profile")).text
    assert 'role="status"' not in (await opened.get("/profile")).text
    opened.cookies.set("evconduit_notice", "good.problem.403.title", domain="127.0.0.1")
    assert 'role="status"' not in (await opened.get("/profile")).text
