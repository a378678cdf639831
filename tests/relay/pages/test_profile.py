import pytest


async def test_profile_form_changes_name_and_language(sign_in, account):
    opened = await sign_in(account.user_id)
    done = await opened.submit("/profile", name="  Kim  ", language="sv-SE")
    assert (done.status_code, done.headers["location"]) == (303, "/profile")
    page = (await opened.get("/profile")).text
    assert 'value="Kim"' in page
    assert '<option value="sv-SE" selected>' in page
    assert "Sparat." in page
    reported = (await opened.get("/api/ha/v2/account", headers={"Authorization": account.header})).json()
    assert (reported["title"], reported["language"]) == ("Kim", "sv-SE")


@pytest.mark.parametrize(
    ("typed", "stored"),
    [("Kim\u202e\u2066 moc.evil", "Kim moc.evil"), ("Kim\r\nLee\x1b[2J\x7f", "Kim Lee[2J"), ("\u200b\u2060", "")],
)
async def test_name_is_reduced_to_one_line_of_visible_characters(sign_in, account, typed, stored):
    opened = await sign_in(account.user_id)
    assert (await opened.submit("/profile", name=typed, language="en-US")).status_code == 303
    reported = (await opened.get("/api/ha/v2/account", headers={"Authorization": account.header})).json()
    assert reported["title"] == (stored or "a@example.org")


@pytest.mark.parametrize(
    ("name", "language", "message"),
    [("x" * 81, "de-DE", "Enter at most 80 characters."), ("Kim", "tlh", "Choose a language from the list.")],
)
async def test_invalid_field_shows_its_error_and_changes_nothing(sign_in, account, name, language, message):
    opened = await sign_in(account.user_id)
    answer = await opened.submit("/profile", name=name, language=language)
    assert answer.status_code == 422
    assert message in answer.text
    assert f'value="{name}"' in answer.text
    assert '<option value="en-US" selected>' in (await opened.get("/profile")).text


async def test_signing_out_everywhere_ends_every_session_but_revokes_no_key(sign_in, account):
    browser, other_browser = await sign_in(account.user_id), await sign_in(account.user_id)
    done = await browser.submit("/profile/sign-out-everywhere", on="/profile")
    assert done.headers["location"] == "/sign-in"
    assert "All browsers are signed out." in (await browser.get("/sign-in")).text
    for opened in (browser, other_browser):
        assert (await opened.get("/home")).status_code == 303
    account_answer = await browser.get("/api/ha/v2/account", headers={"Authorization": account.header})
    assert account_answer.status_code == 200


async def test_account_data_can_be_downloaded(sign_in, account):
    opened = await sign_in(account.user_id)
    assert 'href="/profile/export"' in (await opened.get("/profile")).text
    export = await opened.get("/profile/export")
    assert export.headers["content-disposition"].startswith('attachment; filename="evconduit-')
    assert str(account.vehicle_id) in export.text


@pytest.mark.parametrize(("language", "word"), [("en-US", " Delete "), ("de-DE", "löschen"), ("sv-SE", "radera")])
async def test_account_is_deleted_when_the_word_is_typed(sign_in, account, pool, language, word):
    async with pool.connection() as connection:
        await connection.execute("update users set language = %s", [language])
    opened = await sign_in(account.user_id)
    done = await opened.submit("/profile/delete", word=word)
    assert (done.status_code, done.headers["location"]) == (303, "/")
    assert 'role="status"' in (await opened.get("/")).text
    assert (await opened.get("/home")).status_code == 303
    api = await opened.get("/api/ha/v2/account", headers={"Authorization": account.header})
    assert api.status_code == 401
    async with pool.connection() as connection:
        row = await (await connection.execute("select closed_at is not null from users")).fetchone()
    assert row == (True,)


@pytest.mark.parametrize("word", ["", "deleted", "löschen"])
async def test_account_is_not_deleted_when_another_word_is_typed(sign_in, account, word):
    opened = await sign_in(account.user_id)
    answer = await opened.submit("/profile/delete", word=word)
    assert answer.status_code == 422
    assert "Type the word exactly" in answer.text
    assert (await opened.get("/home")).status_code == 200


async def test_profile_shows_the_id_by_which_commands_name_the_account(sign_in, account):
    browser = await sign_in(account.user_id)
    assert f"<code>{account.user_id}</code>" in (await browser.get("/profile")).text
