"""Link sessions, the link page, unlinking and relinking."""

import pytest

from tests.demo.enode.running_simulator import ALL_SCOPES, RunningSimulator
from tests.demo.enode.webhook_receiver import WebhookReceiver

LINK_BODY = {"scopes": ALL_SCOPES, "language": "en-US", "redirectUri": "https://app.example/done"}


def test_link_session_creates_the_user_and_a_page(enode: RunningSimulator):
    enode.json("GET", "/users/ann", status=404)
    session = enode.json("POST", "/users/ann/link", LINK_BODY)
    assert session["linkUrl"] == f"{enode.url}/link/{session['linkToken']}"
    assert enode.json("GET", "/users/ann") == {"id": "ann", "linkedVendors": []}


def test_link_page_goes_through_brand_consent_and_sign_in_to_the_client(enode: RunningSimulator):
    page = enode.create_link_page()
    assert "Volkswagen" in enode.http.get(page).text
    assert enode.http.post(page, data={"step": "brand", "vendor": "TESLA"}).headers["location"].endswith(page)
    assert "Start and stop charging" in enode.http.get(page).text
    enode.http.post(page, data={"step": "consent"})
    assert "Blue car" in enode.http.get(page).text
    answer = enode.http.post(page, data={"step": "sign_in", "car": ["tesla-model-3", "tesla-model-y"]})
    assert (answer.status_code, answer.headers["location"]) == (303, "https://app.example/done?state=7")
    assert enode.json("GET", "/users/u1")["linkedVendors"] == [
        {"vendor": "TESLA", "vendorType": "vehicle", "isValid": True}
    ]
    models = [row["information"]["model"] for row in enode.json("GET", "/users/u1/vehicles")["data"]]
    assert models == ["Model 3", "Model Y"]


def test_session_with_a_vendor_starts_at_consent_and_can_go_back_to_brands(enode: RunningSimulator):
    page = enode.create_link_page(vendor="XPENG")
    assert "Allow access to your XPENG" in enode.http.get(page).text
    enode.http.post(page, data={"step": "back"})
    assert "Nissan" in enode.http.get(page).text


def test_cancelling_redirects_with_an_error_and_keeps_the_clients_query(enode: RunningSimulator):
    page = enode.create_link_page()
    there = enode.http.post(page, data={"step": "cancel"}).headers["location"]
    assert there.startswith("https://app.example/done?state=7&error=cancelledByUser&error_message=")
    assert enode.http.get(page).status_code == 410


def test_link_session_is_single_use(enode: RunningSimulator):
    page = enode.create_link_page(vendor="TESLA")
    enode.http.post(page, data={"step": "consent"})
    form = {"step": "sign_in", "car": ["tesla-model-3"]}
    assert enode.http.post(page, data=form).status_code == 303
    assert enode.http.post(page, data=form).status_code == 410
    assert enode.http.get("/link/made-up").status_code == 410


@pytest.mark.parametrize(
    "form",
    [
        {"step": "sign_in", "car": ["tesla-model-3"]},  # before consent
        {"step": "brand", "vendor": "NOBODY"},
        {"step": "fly"},
        {},
    ],
)
def test_unavailable_step_shows_an_error_and_links_nothing(enode: RunningSimulator, form: dict):
    page = enode.create_link_page(vendor="TESLA")
    answer = enode.http.post(page, data=form)
    assert (answer.status_code, "available now" in answer.text) == (422, True)
    assert enode.json("GET", "/vehicles")["data"] == []


def test_sign_in_without_a_car_or_with_another_vendors_car_returns_422(enode: RunningSimulator):
    page = enode.create_link_page(vendor="TESLA")
    enode.http.post(page, data={"step": "consent"})
    assert enode.http.post(page, data={"step": "sign_in"}).status_code == 422
    assert enode.http.post(page, data={"step": "sign_in", "car": ["xpeng-g6"]}).status_code == 422


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"scopes": []}, "scopes"),
        ({"scopes": ["vehicle:read:location"]}, "vehicle:read:data"),
        ({"scopes": ["everything"]}, "scopes"),
        ({"language": "tlh"}, "language"),
        ({"redirectUri": "about:blank"}, "redirectUri"),
        ({"redirectUri": "x" * 501}, "redirectUri"),
        ({"vendor": "ACME"}, "vendor"),
        ({"surprise": 1}, "surprise"),
    ],
)
def test_invalid_link_request_names_what_is_wrong(enode: RunningSimulator, change: dict, where: str):
    problem = enode.json("POST", "/users/u1/link", {**LINK_BODY, **change}, status=400)
    assert problem["type"] == "https://developers.enode.com/api/problems/bad-request"
    assert where in problem["detail"]
    assert problem["issues"]


def test_invalid_json_returns_the_observed_message(enode: RunningSimulator):
    answer = enode.http.post("/users/u1/link", content=b"{not json")
    assert answer.status_code == 400
    assert answer.json()["detail"] == "Invalid request payload JSON format"


def test_relinked_car_has_a_new_id_and_the_same_vin(enode: RunningSimulator, receiver: WebhookReceiver):
    enode.create_subscription(receiver.url)
    first = enode.get_vehicle(enode.link_car())
    enode.json("DELETE", "/users/u1/vendors/TESLA", status=204)
    enode.json("GET", f"/vehicles/{first['id']}", status=404)
    assert receiver.wait_for_events("user:vehicle:deleted")[0]["vehicle"] == first
    second = enode.get_vehicle(enode.link_car())
    assert second["id"] != first["id"]
    assert second["information"]["vin"] == first["information"]["vin"]
    assert second["odometer"]["distance"] >= first["odometer"]["distance"]


def test_each_user_has_a_separate_car(enode: RunningSimulator):
    one, other = (enode.get_vehicle(enode.link_car(user=user)) for user in ("u1", "u2"))
    assert one["information"]["vin"] != other["information"]["vin"]
    assert [row["id"] for row in enode.json("GET", "/users/u2/vehicles")["data"]] == [other["id"]]


def test_linking_an_account_again_keeps_ids_and_updates_scopes(enode: RunningSimulator):
    car = enode.link_car()
    enode.complete_link("TESLA", "tesla-model-3", "tesla-model-y", scopes=["vehicle:read:data"])
    enode.advance_time(10)
    cars = enode.json("GET", "/users/u1/vehicles")["data"]
    assert [car["scopes"] for car in cars] == [["vehicle:read:data"]] * 2
    assert cars[0]["id"] == car


def test_deleting_a_user_deletes_all_of_the_users_data(enode: RunningSimulator):
    car = enode.link_car()
    page = enode.create_link_page()
    enode.json("DELETE", "/users/u1", status=204)
    enode.json("GET", "/users/u1", status=404)
    enode.json("GET", f"/vehicles/{car}", status=404)
    assert enode.json("GET", "/users/u1/vehicles")["data"] == []
    assert enode.http.get(page).status_code == 410
    enode.json("DELETE", "/users/u1", status=404)


def test_deauthorized_user_keeps_data_and_gets_no_events(enode: RunningSimulator, receiver: WebhookReceiver):
    car = enode.link_car()
    enode.create_subscription(receiver.url)
    enode.json("DELETE", "/users/u1/authorization", status=204)
    enode.change_car(car, battery_level=11)
    assert enode.collect_events(receiver, "user:vehicle:updated") == []
    assert enode.get_vehicle(car)["chargeState"]["batteryLevel"] != 11
    assert enode.json("GET", "/users/u1")["linkedVendors"][0]["isValid"] is False


def test_invalidated_sign_in_publishes_an_event_and_relinking_restores_it(
    enode: RunningSimulator, receiver: WebhookReceiver
):
    car = enode.link_car()
    enode.create_subscription(receiver.url)
    body = {"language": "en-US", "redirectUri": "https://app.example/again"}
    enode.json("POST", f"/assets/{car}/relink", body, status=400)
    enode.change_car(car, credentials_valid=False)
    assert receiver.wait_for_events("user:credentials:invalidated")[0]["vendor"] == "TESLA"
    broken = enode.get_vehicle(car)
    assert enode.json("GET", "/users/u1")["linkedVendors"][0]["isValid"] is False
    intervention = broken["capabilities"]["startCharging"]["interventionIds"][0]
    assert enode.json("GET", f"/interventions/{intervention}")["resolution"]["action"] == "Link"
    page = f"/link/{enode.json('POST', f'/assets/{car}/relink', body)['linkToken']}"
    assert "Sign in again" in enode.http.get(page).text
    answer = enode.http.post(page, data={"step": "sign_in"})
    assert answer.headers["location"] == "https://app.example/again"
    enode.advance_time(1)
    assert enode.json("GET", "/users/u1")["linkedVendors"][0]["isValid"] is True
    assert enode.get_vehicle(car)["capabilities"]["startCharging"] == {"isCapable": True, "interventionIds": []}


def test_unlinking_an_unlinked_vendor_returns_404(enode: RunningSimulator):
    enode.link_car()
    for path in ("XPENG", "TESLA/charger"):
        enode.json("DELETE", f"/users/u1/vendors/{path}", status=404)
    enode.json("DELETE", "/users/u1/vendors/TESLA/vehicle", status=204)
    assert enode.json("GET", "/vehicles")["data"] == []
