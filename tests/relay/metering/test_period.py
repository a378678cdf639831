"""The quota month as the database computes it, at any time, for any anchor, in any session time zone."""

from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from relay.metering.period import PERIOD_START, RESETS_AT

# The SQL of relay/metering/period.py with a parameter instead of the server's clock.
SELECT_PERIOD = f"select {PERIOD_START}, {RESETS_AT} from (select %(anchor)s::timestamptz as quota_anchor) u".replace(
    "now()", "%(now)s::timestamptz"
)
MOMENTS = st.datetimes(datetime(2020, 1, 1), datetime(2040, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - bounds
ANCHORS = MOMENTS.map(lambda moment: moment.replace(day=min(moment.day, 28)))
ZONES = st.sampled_from(["UTC", "Europe/Stockholm", "America/New_York", "Pacific/Auckland", "Asia/Kathmandu"])


@pytest.fixture(scope="module")
def get_month(postgres):
    with psycopg.connect(postgres, autocommit=True) as connection:

        def query(anchor, now, zone="UTC"):
            connection.execute("select set_config('timezone', %s, false)", [zone])
            row = connection.execute(SELECT_PERIOD, {"anchor": anchor, "now": now}).fetchone()
            return [moment.astimezone(UTC) for moment in row]

        yield query


many_examples = settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])


@many_examples
@given(anchor=ANCHORS, now=MOMENTS, zone=ZONES)
def test_month_contains_the_time_and_starts_and_ends_on_the_anchors_day(get_month, anchor, now, zone):
    began, resets = get_month(anchor, now, zone)
    assert began <= now < resets
    for edge in (began, resets):
        assert (edge.day, edge.time()) == (anchor.day, anchor.time())
    months = (resets.year - began.year) * 12 + resets.month - began.month
    assert months == 1
    assert timedelta(days=28) <= resets - began <= timedelta(days=31)


@many_examples
@given(anchor=ANCHORS, now=MOMENTS, zone=ZONES)
def test_months_are_half_open_and_without_gaps(get_month, anchor, now, zone):
    began, resets = get_month(anchor, now, zone)
    instant = timedelta(microseconds=1)
    assert get_month(anchor, began, zone) == get_month(anchor, resets - instant, zone) == [began, resets]
    assert get_month(anchor, resets, zone)[0] == resets
    assert get_month(anchor, began - instant, zone)[1] == began


@many_examples
@given(anchor=ANCHORS, now=MOMENTS)
def test_session_time_zone_and_daylight_saving_change_nothing(get_month, anchor, now):
    months = {tuple(get_month(anchor, now, zone)) for zone in ("UTC", "America/New_York", "Australia/Lord_Howe")}
    assert len(months) == 1


def test_anchor_of_a_new_account_is_at_most_day_28(database_url):
    with psycopg.connect(database_url) as connection:
        expression = connection.execute(
            "select column_default from information_schema.columns where table_schema = 'evconduit' "
            "and table_name = 'users' and column_name = 'quota_anchor'"
        ).fetchone()[0]
        statement = "select " + expression.replace("now()", "%(now)s::timestamptz")
        for day in range(1, 32):
            now = datetime(2027, 1, day, 23, 30, tzinfo=UTC)
            (anchor,) = connection.execute(statement, {"now": now}).fetchone()
            assert anchor.astimezone(UTC) == now.replace(day=min(day, 28))
