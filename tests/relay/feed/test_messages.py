from datetime import UTC, datetime

import pytest

from relay.feed.messages import SnapshotMessage
from relay.kit.timestamps import format_timestamp


def test_snapshot_has_gap_only_where_it_is_true():
    at = datetime(2026, 1, 1, tzinfo=UTC)
    assert "gap" not in SnapshotMessage(at=at, epoch="e", account={}, vehicles=[]).body()
    assert SnapshotMessage(at=at, epoch="e", account={}, vehicles=[], gap=True).body()["gap"] is True


def test_timestamp_without_time_zone_is_refused():
    with pytest.raises(ValueError, match="zone"):
        format_timestamp(datetime(2026, 1, 1))  # noqa: DTZ001 - the mistake under test
