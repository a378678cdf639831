"""The quota month as the database reckons it, at any moment, for any anchor, in any session's time zone."""

from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from relay.metering.period import PERIOD_START, RESETS_AT

# The statements' own text, with other clocks than the server's.
ASKED = f"select {PERIOD_START}, {RESETS_AT} from (select %(anchor)s::timestamptz as quota_anchor) u".replace(
    "now()", "%(now)s::timestamptz"
)
MOMENTS = st.datetimes(datetime(2020, 1, 1), datetime(2040, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - bounds
ANCHORS = MOMENTS.map(lambda it: it.replace(day=min(it.day, 28)))
ZONES = st.sampled_from(["UTC", "Europe/Stockholm", "America/New_York", "Pacific/Auckland", "Asia/Kathmandu"])


@pytest.fixture(scope="module")
def month_of(postgres):
    with psycopg.connect(postgres, autocommit=True) as connection:

        def ask(anchor, now, zone="UTC"):
            connection.execute("select set_config('timezone', %s, false)", [zone])
            row = connection.execute(ASKED, {"anchor": anchor, "now": now}).fetchone()
            return [it.astimezone(UTC) for it in row]

        yield ask


often = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@often
@given(anchor=ANCHORS, now=MOMENTS, zone=ZONES)
def test_a_month_holds_the_moment_and_begins_and_ends_on_the_anchor_s_day(month_of, anchor, now, zone):
    began, resets = month_of(anchor, now, zone)
    assert began <= now < resets
    for edge in (began, resets):
        assert (edge.day, edge.time()) == (anchor.day, anchor.time())
    months = (resets.year - began.year) * 12 + resets.month - began.month
    assert months == 1
    assert timedelta(days=28) <= resets - began <= timedelta(days=31)


@often
@given(anchor=ANCHORS, now=MOMENTS, zone=ZONES)
def test_months_are_half_open_and_leave_no_moment_out(month_of, anchor, now, zone):
    began, resets = month_of(anchor, now, zone)
    instant = timedelta(microseconds=1)
    assert month_of(anchor, began, zone) == month_of(anchor, resets - instant, zone) == [began, resets]
    assert month_of(anchor, resets, zone)[0] == resets
    assert month_of(anchor, began - instant, zone)[1] == began


@often
@given(anchor=ANCHORS, now=MOMENTS)
def test_the_session_s_time_zone_and_its_summer_time_change_nothing(month_of, anchor, now):
    told = {tuple(month_of(anchor, now, zone)) for zone in ("UTC", "America/New_York", "Australia/Lord_Howe")}
    assert len(told) == 1


def test_whoever_begins_at_the_end_of_a_month_has_an_anchor_that_every_month_has(database_url):
    with psycopg.connect(database_url) as connection:
        expression = connection.execute(
            "select column_default from information_schema.columns where table_schema = 'evconduit' "
            "and table_name = 'users' and column_name = 'quota_anchor'"
        ).fetchone()[0]
        asked = "select " + expression.replace("now()", "%(now)s::timestamptz")
        for day in range(1, 32):
            now = datetime(2027, 1, day, 23, 30, tzinfo=UTC)
            (anchor,) = connection.execute(asked, {"now": now}).fetchone()
            assert anchor.astimezone(UTC) == now.replace(day=min(day, 28))
