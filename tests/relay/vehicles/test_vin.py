"""VIN normalisation and hashing."""

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
