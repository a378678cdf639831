"""The double answers as the real Supabase Auth server was observed to answer: each row of `observed.json` is a test.

The rows are facts about Supabase Auth v2.196 of 2026-11-29, PostgreSQL 15, behind a gateway that imitates the
self-hosted one. A scenario is played once; its rows come in the order in which they were observed.
"""

import json
from pathlib import Path

import pytest

from tests.relay.support.supabase import scenarios_links, scenarios_sessions
from tests.relay.support.supabase.lab import Lab

OBSERVED = json.loads(Path(__file__).with_name("observed.json").read_text(encoding="utf-8"))
SCENARIOS = {
    "otp": scenarios_links.run_otp,
    "minute": scenarios_links.run_minute,
    "verify_get": scenarios_links.run_verify_get,
    "verify_post": scenarios_links.run_verify_post,
    "token": scenarios_sessions.run_token,
    "verifiers": scenarios_links.run_verifiers,
    "authorize": scenarios_sessions.run_authorize,
    "logout": scenarios_sessions.run_logout,
    "admin": scenarios_sessions.run_admin,
    "signups": scenarios_links.run_signups,
}
ROWS = [(name, number, row["case"]) for name, rows in OBSERVED.items() for number, row in enumerate(rows)]


@pytest.fixture(scope="module")
def played():
    """Rows of the scenarios that were played already."""
    return {}


@pytest.mark.parametrize(("scenario", "number", "case"), ROWS, ids=[f"{row[0]}-{row[1]}-{row[2]}" for row in ROWS])
async def test_answer_is_the_observed_one(played, scenario, number, case):
    if scenario not in played:
        lab = Lab()
        await SCENARIOS[scenario](lab)
        assert len(lab.rows) == len(OBSERVED[scenario])
        played[scenario] = lab.rows
    assert played[scenario][number] == (case, OBSERVED[scenario][number]["real"])


def test_every_observed_row_is_played_and_no_other():
    assert len(ROWS) == 205
    assert set(SCENARIOS) == set(OBSERVED)
