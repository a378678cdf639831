"""A relay that Enode can't reach, from a simulated vehicle to the list of vehicles."""

from tests.e2e.processes import wait_until


def test_relay_without_a_public_address_polls(start_relay, enode):
    relay = start_relay(webhook=False)
    redirect = enode.link(relay.run("vehicle", "link", "--user", relay.user), "TESLA")
    relay.http.get(redirect).raise_for_status()  # opening the redirect makes the relay poll
    record = wait_until(relay.list_vehicles)[0]
    assert record["vehicle"]["id"] in enode.get_vehicles()
