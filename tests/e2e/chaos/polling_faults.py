"""Enode's webhooks stay away, as for a relay without a public address: it polls."""

import httpx

from tests.e2e.chaos.scenario import Run
from tests.e2e.processes import wait_until

COUNT_EVENTS = """
select count(*) filter (where source = 'webhook'), count(*) filter (where source = 'poll')
from evconduit.webhook_logs where user_id is not null
"""
CHANGES_BETWEEN_POLLS = 20


def stop_webhooks(run: Run) -> None:
    """Delete the subscription at Enode, restart the relay without an address for webhooks, and kill its workers once.

    The leader polls every two minutes while a car charges. A new leader polls at once.
    """
    delete_subscriptions(run)
    run.cluster.environment.pop("WEBHOOK_URL")
    with run.cluster.connect() as connection:

        def count_events() -> tuple[int, int]:
            return connection.execute(COUNT_EVENTS).fetchone()

        from_webhook, polled = count_events()
        run.cluster.restart_all()
        wait_until(lambda: count_events()[1] > polled, missing="events that the relay polled at its start")
        run.wait_for_changes(CHANGES_BETWEEN_POLLS)
        _, polled = count_events()
        for name in ("work 0", "work 1"):
            run.kill(name)
        wait_until(lambda: count_events()[1] > polled, missing="events that a new leader polled")
        assert count_events()[0] == from_webhook


def delete_subscriptions(run: Run) -> None:
    """Delete the relay's webhook at Enode."""
    for webhook in list_subscriptions(run):
        url = f"{run.enode.url}/webhooks/{webhook['id']}"
        httpx.delete(url, headers=get_enode_headers(run)).raise_for_status()


def list_subscriptions(run: Run) -> list[dict]:
    return run.enode.http.get("/webhooks", headers=get_enode_headers(run)).json()["data"]


def get_enode_headers(run: Run) -> dict[str, str]:
    """Return the headers of a client of Enode's API."""
    form = {"grant_type": "client_credentials"}
    response = run.enode.http.post("/oauth2/token", auth=("client", "client-secret"), data=form)
    return {"Authorization": f"Bearer {response.json()['access_token']}"}


def request_poll(run: Run) -> None:
    """Make the relay poll once more, as a user does who wants an update."""
    account = run.accounts[0]

    def refresh() -> bool:
        url = f"{run.cluster.urls[0]}/api/ha/v2/vehicles/{min(account.stream.vehicles)}/refresh"
        return httpx.post(url, headers=account.headers, timeout=10).status_code == 202

    wait_until(refresh, missing="202 to the request for an update")
