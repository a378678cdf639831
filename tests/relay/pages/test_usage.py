import dataclasses
import re

import pytest

from relay.pages.chart import HEIGHT, WIDTH, build_bar_chart, find_grid_step
from tests.relay.support.plans import CLOUD


async def call(opened, account, times=1):
    for _ in range(times):
        assert (await opened.get("/api/ha/v2/vehicles", headers={"Authorization": account.header})).status_code == 200


async def test_calls_are_shown_by_day_type_and_installation(sign_in, account):
    opened = await sign_in(account.user_id)
    assert "No calls this month" in (await opened.get("/usage")).text
    await call(opened, account, 3)
    page = (await opened.get("/usage")).text
    assert "<strong>3</strong> calls, no limit" in page
    assert re.search(r"<rect class=\"bar-today\".*?<title>\d+ \w+ \d{4}: 3 calls</title>", page)
    assert re.search(r"<td>HA.*?</td><td class=\"right\">3</td>", page)
    assert re.search(
        r"<td>Cars read <code>v2/vehicles</code></td><td class=\"right\">3</td><td class=\"right\">100 %</td>", page
    )


async def test_usage_is_in_the_menu_only_if_something_is_limited(sign_in, make_account, app):
    account = await make_account(plan="free")
    opened = await sign_in(account.user_id)
    assert 'href="/usage"' not in (await opened.get("/home")).text
    app.state.runtime = dataclasses.replace(app.state.runtime, plans=CLOUD)
    assert 'href="/usage"' in (await opened.get("/home")).text


async def test_axis_of_the_chart_has_readable_dates(sign_in, account, pool):
    async with pool.connection() as connection:
        await connection.execute("update users set quota_anchor = '2020-01-10'")
    opened = await sign_in(account.user_id)
    await call(opened, account)
    axis = re.search(r'<svg class="x".*?</svg>', (await opened.get("/usage")).text, re.DOTALL)[0]
    dates = re.findall(r"<text [^>]*>(\d+ \w{3})</text>", axis)
    assert [date.split()[0] for date in dates[:2]] == ["10", "17"]
    assert 4 <= len(dates) <= 5


@pytest.mark.parametrize(
    ("used", "left", "kind"),
    [(1, "299 calls left", "good"), (299, "1 call left", "warn"), (300, "0 calls left", "bad")],
)
async def test_allowance_is_shown_with_its_remaining_calls(sign_in, make_account, app, pool, *, used, left, kind):
    account = await make_account(plan="free")
    app.state.runtime = dataclasses.replace(app.state.runtime, plans=CLOUD)
    opened = await sign_in(account.user_id)
    await call(opened, account)
    async with pool.connection() as connection:
        await connection.execute("update usage_months set used = %s", [used])
    page = (await opened.get("/usage")).text
    assert "of 300 calls" in page
    assert left in page
    assert f'class="meter {kind}"' in page
    assert f'aria-label="{used} of 300 calls used"' in page


@pytest.mark.parametrize(("most", "step"), [(0, 1), (3, 1), (4, 2), (6, 2), (7, 5), (16, 10), (2999, 1000)])
def test_grid_lines_are_at_round_numbers_and_cover_the_highest_bar(most, step):
    assert find_grid_step(most) == step
    assert step * 3 >= most


def test_bars_start_at_the_baseline_and_do_not_overlap():
    chart = build_bar_chart([0, 3, 1], slot_count=30)
    assert [bar.height for bar in chart.bars] == [0, HEIGHT, HEIGHT / 3]
    assert all(bar.y + bar.height == HEIGHT for bar in chart.bars)
    assert chart.bars[0].x + chart.bars[0].width < chart.bars[1].x
    assert chart.bars[2].x + chart.bars[2].width < WIDTH / 10
    assert [line.value for line in chart.lines] == [0, 1, 2, 3]
