"""`evconduit doctor`."""

import psycopg
import pytest

INSERT_STATE = """
insert into evconduit.enode_health (account_id, state, since) values ('default', %s, '2026-11-25 10:00+00')
"""
WEBHOOK = {"WEBHOOK_URL": "https://relay.example.org/x", "ENODE_WEBHOOK_SECRET": "the-current-secret"}


def test_doctor_fails_while_something_is_missing(new_operator):
    result = new_operator.run("doctor")
    assert result.returncode == 1
    assert "FAIL  Enode" in result.stdout
    assert "ok    database: embedded" in result.stdout


@pytest.mark.parametrize(
    ("state", "result"), [("ok", "ok  "), ("starting", "ok  "), ("silent", "FAIL"), ("signature_failures", "FAIL")]
)
def test_doctor_reports_the_state_of_enodes_webhook(operator, database_url, state, result):
    with psycopg.connect(database_url) as connection:
        connection.execute(INSERT_STATE, [state])
    output = operator.run("doctor", **WEBHOOK).stdout
    (line,) = [line for line in output.splitlines() if "updates:" in line]
    assert line.startswith(result)
    assert f"{state} since 2026-11-25 10:00 UTC" in line
