"""`evconduit doctor`."""

import psycopg
import pytest

from relay import doctor

INSERT_STATE = """
insert into evconduit.enode_health (account_id, state, since) values ('default', %s, '2026-11-25 10:00+00')
"""
WEBHOOK = {"WEBHOOK_URL": "https://relay.example.org/x", "ENODE_WEBHOOK_SECRET": "the-current-secret"}


def test_doctor_fails_while_something_is_missing(new_operator):
    result = new_operator.run("doctor")
    assert result.returncode == 1
    assert "FAIL  Enode" in result.stdout
    assert "FAIL  database: there is no database in" in result.stdout
    assert "skip  deletions: checked once the database works" in result.stdout
    assert result.stdout.count("FAIL") == 2  # once for each cause
    assert "not created yet" in result.stdout
    assert not (new_operator.folder / "data").exists()


def test_doctor_reports_a_missing_database_once_although_enode_posts_to_the_relay(new_operator):
    output = new_operator.run("doctor", **WEBHOOK).stdout
    assert "skip  updates: " in output
    assert output.count("there is no database") == 1


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        ({}, "ok    address: http://127.0.0.1:8300, on this machine only"),
        ({"EVCONDUIT_HOST": "192.168.1.5"}, "ok    address: http://192.168.1.5:8300"),
        ({"EVCONDUIT_HOST": "0.0.0.0"}, "FAIL  address: EVCONDUIT_PUBLIC_URL isn't set"),
        (
            {"EVCONDUIT_HOST": "0.0.0.0", "EVCONDUIT_PUBLIC_URL": "https://r.example/"},
            "ok    address: https://r.example",
        ),
    ],
)
def test_doctor_reports_an_address_that_other_machines_cannot_use(operator, settings, line):
    assert line in operator.run("doctor", **settings).stdout


def test_doctor_reports_a_data_folder_that_others_can_open_and_that_it_cannot_close(operator, monkeypatch):
    (operator.folder / "data").mkdir()
    monkeypatch.setattr(doctor, "is_private", lambda _folder: False)  # it belongs to another user of the machine
    output = operator.run("doctor").stdout
    assert "FAIL  data folder: " in output
    assert "chmod 700" in output


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
