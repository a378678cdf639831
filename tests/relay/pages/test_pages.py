"""What every page does: sign-in, security headers, language, CSRF protection, and error pages."""

import dataclasses
import re
from uuid import uuid4

import pytest
from psycopg_pool import PoolTimeout

from tests.relay.support.own_scripts import remove_own_scripts

PAGES = ["/home", "/installations", "/keys", "/usage", "/profile"]
POSTS = ["/keys", "/profile", "/profile/sign-out-everywhere", "/profile/delete", "/sign-out"]
HTML = {"Accept": "text/html,*/*;q=0.8"}


@pytest.mark.parametrize("path", PAGES)
async def test_signed_out_visitor_is_redirected_to_sign_in_and_back(browser, path):
    answer = await browser.get(path + "?x=1")
    assert answer.status_code == 303
    assert answer.headers["location"] == f"/sign-in?next=%2F{path[1:]}%3Fx%3D1"


@pytest.mark.parametrize("path", PAGES)
async def test_account_pages_are_not_cached_and_contain_no_scripts_but_own_files(sign_in, account, path):
    page = await (await sign_in(account.user_id)).get(path)
    assert page.status_code == 200
    assert page.headers["cache-control"] == "no-store"
    assert page.headers["referrer-policy"] == "no-referrer"
    assert page.headers["x-content-type-options"] == "nosniff"
    policy = page.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'")
    assert "unsafe" not in policy
    assert policy.partition("script-src ")[2].partition(";")[0] in {"", "'self'"}
    assert not re.search(r"<script|<style|\sstyle=|\son\w+=", remove_own_scripts(page.text))
    assert f'href="{path}" aria-current="page"' in page.text
    assert page.text.count("aria-current") == 1
    assert page.text.count("<h1") == 1


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize("language", ["de", "sv"])
async def test_pages_are_in_the_account_s_language(sign_in, account, pool, path, language):
    async with pool.connection() as connection:
        await connection.execute("update users set language = %s", [f"{language}-{language.upper()}"])
    page = await (await sign_in(account.user_id)).get(path, headers={"Accept-Language": "en"})
    assert page.status_code == 200
    assert f'<html lang="{language}">' in page.text


@pytest.mark.parametrize("path", POSTS)
@pytest.mark.parametrize("token", ["", "0" * 64])
async def test_form_without_a_valid_csrf_token_is_refused_with_an_error_page(sign_in, account, path, token):
    answer = await (await sign_in(account.user_id)).post(path, data={"csrf": token, "name": "x", "scopes": "read"})
    assert answer.status_code == 403
    assert answer.headers["content-type"].startswith("text/html")
    assert "<h1>This form has expired</h1>" in answer.text
    assert answer.headers["cache-control"] == "no-store"


async def test_unknown_address_returns_an_html_page_to_a_browser(browser):
    answer = await browser.get("/nowhere", headers=HTML)
    assert answer.status_code == 404
    assert "<h1>Page not found</h1>" in answer.text
    assert "content-security-policy" in answer.headers


async def test_an_error_page_does_not_ask_a_signed_in_user_to_sign_in(sign_in, account):
    answer = await (await sign_in(account.user_id)).get("/nowhere", headers=HTML)
    assert answer.status_code == 404
    assert "/sign-in" not in answer.text


@pytest.mark.parametrize("path", ["/nowhere", "/api/nowhere"])
async def test_unknown_address_returns_problem_json_to_a_program(browser, path):
    accept = HTML if path.startswith("/api") else {"Accept": "*/*"}
    answer = await browser.get(path, headers=accept)
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("path", ["/keys/{}/revoke", "/installations/{}/disconnect"])
@pytest.mark.parametrize("which", ["foreign", "unknown", "no id"])
async def test_another_user_s_or_unknown_credential_returns_404(sign_in, make_account, pool, path, which):
    mine, theirs = await make_account(), await make_account()
    async with pool.connection() as connection:
        row = await (
            await connection.execute("select id from api_keys where user_id = %s", [theirs.user_id])
        ).fetchone()
    key_id = {"foreign": row[0], "unknown": uuid4(), "no id": "x%00"}[which]
    opened = await sign_in(mine.user_id)
    for answer in (
        await opened.get(path.format(key_id)),
        await opened.submit(path.format(key_id), on="/keys"),
    ):
        assert answer.status_code == 404
        assert "<h1>Page not found</h1>" in answer.text
    async with pool.connection() as connection:
        remaining = await (
            await connection.execute("select count(*) from api_keys where revoked_at is null")
        ).fetchone()
    assert remaining == (2,)


async def test_page_without_a_database_returns_503(sign_in, account, app):
    opened = await sign_in(account.user_id)

    class UnavailablePool:
        def connection(self):
            raise PoolTimeout

    app.state.runtime = dataclasses.replace(app.state.runtime, pool=UnavailablePool())
    answer = await opened.get("/home")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert "<h1>The relay is temporarily unavailable</h1>" in answer.text


async def test_https_relay_sends_strict_transport_security(browser, app):
    assert "strict-transport-security" not in (await browser.get("/")).headers
    app.state.runtime = dataclasses.replace(app.state.runtime, public_url="https://relay.example.org")
    assert (await browser.get("/")).headers["strict-transport-security"] == "max-age=31536000"


async def test_notice_is_shown_once_and_a_forged_one_is_ignored(sign_in, account):
    opened = await sign_in(account.user_id)
    done = await opened.submit("/profile", name="Kim", language="en-US")
    assert (done.status_code, done.headers["location"]) == (303, "/profile")
    assert 'role="status"' in (await opened.get("/profile")).text
    assert 'role="status"' not in (await opened.get("/profile")).text
    opened.cookies.set("evconduit_notice", "good.problem.403.title", domain="127.0.0.1")
    assert 'role="status"' not in (await opened.get("/profile")).text
