"""The page of charging sessions: what it lists, and how an owner deletes, corrects and undoes."""

import re
from datetime import timedelta
from html import unescape
from uuid import UUID, uuid4

import pytest

from relay.pages import charging_sessions
from relay.vehicles.charging.owner_corrections import MAX_ENERGY_KWH
from tests.relay.support.charging import NOW

PAGE = "/charging-sessions"


@pytest.fixture
def add_session(pool, account):
    """Add a session that began `hours` ago and took half an hour; returns its id."""

    async def add(hours: float, vehicle_id: UUID | None = None, **columns) -> UUID:
        row = {
            "id": uuid4(),
            "vehicle_id": vehicle_id or account.vehicle_id,
            "started_at": NOW - timedelta(hours=hours),
            "ended_at": NOW - timedelta(hours=hours - 0.5),
            "open": False,
            "energy_kwh": 12.5,
            "energy_source": "power",
        } | columns
        async with pool.connection() as connection:
            values = ", ".join(f"%({name})s" for name in row)
            await connection.execute(f"insert into charging_sessions ({', '.join(row)}) values ({values})", row)
        return row["id"]

    return add


@pytest.fixture
async def browser(sign_in, account):
    return await sign_in(account.user_id)


def read_rows(page):
    """The text of each row of the tables on a page, without markup."""
    rows = re.findall(r"<tr>(.*?)</tr>", page.text.replace("\xa0", " "), re.DOTALL)
    return [" ".join(re.sub(r"<[^>]+>", " ", row).split()) for row in rows if "<td data-label" in row]


async def read_list(browser, query=""):
    page = await browser.get(PAGE + query)
    assert page.status_code == 200, page.text
    return read_rows(page)


async def follow(browser, response):
    """The text of the page to which a form has redirected."""
    assert response.status_code == 303, response.text
    return (await browser.get(response.headers["location"])).text


async def test_list_shows_energy_with_its_source_cost_and_place(browser, add_session):
    await add_session(3, energy_source="soc", cost_per_kwh=0.4, currency="EUR", at_home=True)
    await add_session(9, energy_kwh=None, energy_source="none", at_home=False)
    newest, oldest = await read_list(browser)
    for text in ("12.50 kWh", "from battery level", "5.00 EUR", "Home", "Correct", "Delete"):
        assert text in newest
    assert "unknown" in oldest
    assert "Away" in oldest


async def test_session_under_way_is_called_what_it_is(browser, add_session):
    await add_session(0.6, kind="charge", open=True)
    await add_session(0.7, kind="discharge", open=True)
    charging, discharging = await read_list(browser)
    assert "Charging" in charging
    assert "Discharging" in discharging
    assert "Charging" not in discharging


async def test_list_marks_estimated_and_discharged_energy(browser, add_session):
    await add_session(3, estimated=True)
    await add_session(9, kind="discharge")
    estimated, discharged = await read_list(browser)
    assert "Estimated" in estimated
    assert "Discharged" in discharged
    assert "Estimated" not in discharged


async def test_session_under_way_has_no_buttons(browser, add_session):
    session_id = await add_session(0.6, open=True)
    [row] = await read_list(browser)
    assert "Charging" in row
    assert "Delete" not in row
    for action in ("correct", "delete"):
        page = await browser.get(f"{PAGE}/{session_id}/{action}")
        assert page.status_code == 409
        assert "This session hasn't ended yet" in unescape(page.text)


async def test_each_car_has_its_own_list_and_older_sessions_follow_on_its_page(
    browser, account, pool, add_session, monkeypatch
):
    monkeypatch.setattr(charging_sessions, "SESSIONS_PER_VEHICLE", 2)
    monkeypatch.setattr(charging_sessions, "SESSIONS_PER_PAGE", 3)
    async with pool.connection() as connection:
        row = await (
            await connection.execute(
                "insert into vehicles (user_id, vendor, vehicle_cache, revision) values (%s, 'VW', "
                """'{"information": {"displayName": "Family bus"}}', 0) returning id""",
                [account.user_id],
            )
        ).fetchone()
    for hours in range(1, 6):
        await add_session(hours, energy_kwh=hours)
    await add_session(3, row[0], energy_kwh=77)
    page = (await browser.get(PAGE)).text
    assert page.index("1.00") < page.index("Show more") < page.index("Family bus") < page.index("77.00")
    assert len(await read_list(browser)) == 3
    first = await browser.get(f"{PAGE}?vehicle={account.vehicle_id}")
    assert len(read_rows(first)) == 3
    assert "Family bus" not in first.text
    older = re.search(r'href="([^"]+before=[^"]+)"', first.text)[1].replace("&amp;", "&")
    second = await browser.get(older)
    assert [row[row.index("kWh") - 5 :][:8] for row in read_rows(second)] == ["4.00 kWh", "5.00 kWh"]
    assert "Newest" in second.text
    assert "Older" not in second.text


async def test_deletion_asks_first_then_takes_the_session_from_the_list_and_can_be_undone(browser, add_session, pool):
    session_id = await add_session(3)
    confirmation = (await browser.get(f"{PAGE}/{session_id}/delete")).text
    assert "Delete this charging session?" in confirmation
    assert "The energy counters in Home Assistant never go down." in confirmation
    assert len(await read_list(browser)) == 1
    page = await follow(browser, await browser.submit(f"{PAGE}/{session_id}/delete"))
    assert "The session is deleted." in page
    assert "1 deleted session" in page
    [row] = await read_list(browser)
    assert "Restore" in row
    assert "12.50 kWh" in row
    page = await follow(browser, await browser.submit(f"{PAGE}/{session_id}/undo", on=PAGE))
    assert "The session is restored." in page
    [row] = await read_list(browser)
    assert "Delete" in row
    assert "12.50 kWh" in row


@pytest.mark.parametrize("text", ["7.25", "7,25", " 7.25 "])
async def test_corrected_energy_is_shown_with_the_calculated_one_and_can_be_undone(browser, add_session, text):
    session_id = await add_session(3)
    form = (await browser.get(f"{PAGE}/{session_id}/correct")).text
    assert 'value="12.50"' in form
    page = await follow(browser, await browser.submit(f"{PAGE}/{session_id}/correct", energy=text))
    assert "The energy is corrected." in page
    [row] = await read_list(browser)
    for shown in ("7.25 kWh", "Corrected", "calculated: 12.50 kWh", "Undo"):
        assert shown in row
    page = await follow(browser, await browser.submit(f"{PAGE}/{session_id}/undo", on=PAGE))
    assert "The correction is undone." in page
    [row] = await read_list(browser)
    assert "12.50 kWh" in row
    assert "Corrected" not in row


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "Enter the energy in kWh."),
        ("much", "Enter a number without units"),
        ("1.234,5", "Enter a number without units"),
        ("12 kWh", "Enter a number without units"),
        ("1e3", "Enter a number without units"),
        ("9" * 21, "Enter a number without units"),
        ("-1", "Enter a number from 0 to 1,000."),
        ("1000.01", "Enter a number from 0 to 1,000."),
    ],
)
async def test_wrong_energy_returns_the_form_with_the_reason_and_the_input(browser, add_session, text, message):
    session_id = await add_session(3)
    response = await browser.submit(f"{PAGE}/{session_id}/correct", energy=text)
    assert response.status_code == 422
    assert message in response.text
    assert f'value="{text}"' in response.text
    assert "12.50 kWh" in (await read_list(browser))[0]


@pytest.mark.parametrize("kwh", ["0", "1000"])
async def test_energy_at_its_bounds_is_accepted(browser, add_session, kwh):
    session_id = await add_session(3)
    assert (await browser.submit(f"{PAGE}/{session_id}/correct", energy=kwh)).status_code == 303
    assert float(kwh) in (0, MAX_ENERGY_KWH)  # the error text names the bounds


@pytest.mark.parametrize(
    ("language", "texts"),
    [("de-DE", ("1.012,50 kWh", "Korrigieren")), ("sv-SE", ("1 012,50 kWh", "Korrigera"))],
)
async def test_numbers_follow_the_language_and_the_form_accepts_them(browser, add_session, owner, language, texts):
    await owner.execute("update users set language = %s", [language])
    session_id = await add_session(3, energy_kwh=1012.5)
    [row] = await read_list(browser)
    assert all(text in row for text in texts), row
    assert 'value="1012,50"' in (await browser.get(f"{PAGE}/{session_id}/correct")).text


async def test_sessions_of_an_unlinked_car_stay_and_one_without_sessions_is_not_listed(browser, add_session, owner):
    await owner.execute("update vehicles set gone_at = now(), gone_reason = 'unlinked'")
    assert "No charging sessions yet" in (await browser.get(PAGE)).text
    await add_session(3)
    assert "This car is no longer linked." in (await browser.get(PAGE)).text


async def test_sessions_of_others_are_not_shown_and_their_ids_are_not_found(browser, add_session, make_account):
    other = await make_account()
    session_id = await add_session(3, other.vehicle_id)
    assert await read_list(browser) == []
    assert (await browser.get(f"{PAGE}?vehicle={other.vehicle_id}")).status_code == 404
    assert (await browser.get(f"{PAGE}?vehicle=x")).status_code == 404
    for action in ("correct", "delete"):
        assert (await browser.get(f"{PAGE}/{session_id}/{action}")).status_code == 404
    assert (await browser.submit(f"{PAGE}/{session_id}/undo", on="/profile")).status_code == 404


async def test_deleted_session_is_neither_corrected_nor_deleted_again(browser, add_session):
    session_id = await add_session(3)
    await browser.submit(f"{PAGE}/{session_id}/delete")
    for action in ("correct", "delete"):
        assert (await browser.get(f"{PAGE}/{session_id}/{action}")).status_code == 404


async def test_visitor_must_sign_in(open_browser):
    response = await (await open_browser()).get(PAGE)
    assert response.status_code == 303
    assert response.headers["location"].startswith("/sign-in")
