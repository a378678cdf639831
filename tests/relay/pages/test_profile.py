import pytest


async def test_name_and_language_are_changed(sign_in, account):
    opened = await sign_in(account.user_id)
    done = await opened.submit("/profile", name="  Kim  ", language="sv-SE")
    assert (done.status_code, done.headers["location"]) == (303, "/profile")
    shown = (await opened.get("/profile")).text
    assert 'value="Kim"' in shown
    assert '<option value="sv-SE" selected>' in shown
    assert "Sparat." in shown
    told = (await opened.get("/api/ha/v2/account", headers={"Authorization": account.header})).json()
    assert (told["title"], told["language"]) == ("Kim", "sv-SE")


@pytest.mark.parametrize(
    ("typed", "kept"),
    [("Kim\u202e\u2066 moc.evil", "Kim moc.evil"), ("Kim\r\nLee\x1b[2J\x7f", "Kim Lee[2J"), ("\u200b\u2060", "")],
)
async def test_a_name_is_one_visible_line_that_disguises_no_address(sign_in, account, typed, kept):
    opened = await sign_in(account.user_id)
    assert (await opened.submit("/profile", name=typed, language="en-US")).status_code == 303
    told = (await opened.get("/api/ha/v2/account", headers={"Authorization": account.header})).json()
    assert told["title"] == (kept or "a@example.org")


@pytest.mark.parametrize(
    ("name", "language", "words"),
    [("x" * 81, "de-DE", "At most 80 characters."), ("Kim", "tlh", "Choose one of the list.")],
)
async def test_a_mistake_is_told_and_changes_nothing(sign_in, account, name, language, words):
    opened = await sign_in(account.user_id)
    answer = await opened.submit("/profile", name=name, language=language)
    assert answer.status_code == 422
    assert words in answer.text
    assert f'value="{name}"' in answer.text
    assert '<option value="en-US" selected>' in (await opened.get("/profile")).text


async def test_signing_out_everywhere_ends_every_session_and_no_key(sign_in, account):
    here, there = await sign_in(account.user_id), await sign_in(account.user_id)
    done = await here.submit("/profile/sign-out-everywhere", on="/profile")
    assert done.headers["location"] == "/sign-in"
    assert "All browsers are signed out." in (await here.get("/sign-in")).text
    for opened in (here, there):
        assert (await opened.get("/home")).status_code == 303
    account_answer = await here.get("/api/ha/v2/account", headers={"Authorization": account.header})
    assert account_answer.status_code == 200


async def test_the_account_is_taken_along_as_a_file(sign_in, account):
    opened = await sign_in(account.user_id)
    assert 'href="/profile/export"' in (await opened.get("/profile")).text
    taken = await opened.get("/profile/export")
    assert taken.headers["content-disposition"].startswith('attachment; filename="evconduit-')
    assert str(account.vehicle_id) in taken.text


@pytest.mark.parametrize(("language", "word"), [("en-US", " Delete "), ("de-DE", "löschen"), ("sv-SE", "radera")])
async def test_the_account_ends_when_the_word_is_typed(sign_in, account, pool, language, word):
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
async def test_another_word_ends_nothing(sign_in, account, word):
    opened = await sign_in(account.user_id)
    answer = await opened.submit("/profile/delete", word=word)
    assert answer.status_code == 422
    assert "Type the word exactly" in answer.text
    assert (await opened.get("/home")).status_code == 200
