"""VIN normalisation and hashing."""

import hmac

import pytest

from relay.vehicles.vin import hash_vin, normalize_vin

VIN = "5YJ3E7EB1KF000001"


def test_hash_ignores_case_spaces_and_hyphens():
    assert hash_vin(b"key", VIN) == hash_vin(b"key", " 5yj3e7eb1kf-000001 ")
    assert len(hash_vin(b"key", VIN)) == 32


def test_hash_depends_on_key_and_vin():
    assert hash_vin(b"key", VIN) != hash_vin(b"other", VIN)
    assert hash_vin(b"key", VIN) != hash_vin(b"key", VIN[:-1] + "2")


@pytest.mark.parametrize("text", [None, "", "UNKNOWN", "N/A", "0" * 17, "X" * 17, VIN[:-1], VIN + "1", "é" * 17])
def test_placeholders_and_malformed_vins_have_no_hash(text):
    assert normalize_vin(text) is None
    assert hash_vin(b"key", text) is None


@pytest.mark.parametrize(
    ("vin", "valid"),
    [
        pytest.param("1" * 14 + "ABC", True, id="four distinct characters"),
        pytest.param("1" * 15 + "AB", False, id="three distinct characters"),
        pytest.param("ABCDEFGHJKLMNPRST", True, id="letters only"),
        pytest.param("ABCDEFGHJKLMNPRS", False, id="sixteen characters"),
        pytest.param("ABCDEFGHJKLMNPRSTU", False, id="eighteen characters"),
        pytest.param("ABCDEFGHJKLMNPRS_", False, id="an underscore"),
        pytest.param("ABCDEFGHJKLMNPRSÄ", False, id="a letter outside ASCII"),
        pytest.param("ABCDEFGHJKLMNPRS٣", False, id="a digit outside ASCII"),
        pytest.param("ABCDEFGHJKLMNPRST.", False, id="a character after it"),
    ],
)
def test_vin_is_17_ascii_letters_and_digits_of_at_least_four_kinds(vin, valid):
    assert normalize_vin(vin) == (vin if valid else None)
    assert (hash_vin(b"key", vin) is None) is not valid


def test_normalized_vin_is_in_capitals_without_spaces_and_hyphens():
    assert normalize_vin("\t5yj-3e7 eb1kf\u2003000-001\n") == VIN


def test_hash_is_the_documented_hmac_because_stored_hashes_must_still_match():
    assert hash_vin(b"key", VIN) == hmac.digest(b"key", b"vin:" + VIN.encode(), "sha256")
