"""Samples as a test writes them: minutes after noon, and a few words."""

from datetime import UTC, datetime, timedelta

from hypothesis import strategies as st

from relay.vehicles.charging.derivation import DerivationState, derive_periods
from relay.vehicles.charging.samples import ChargeReading, ChargingSample, VehiclePlace, merge_samples

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
BATTERY = 50.0


def at(minutes):
    return NOON + timedelta(minutes=minutes)


def sample(minutes, charging=None, soc=None, power=None, *, plugged=None, capacity=BATTERY, version=0, place=None):
    plugged = (True if charging else None) if plugged is None else plugged
    return ChargingSample(
        at=at(minutes),
        reading=ChargeReading(
            charging=charging,
            plugged_in=plugged,
            soc=soc,
            power_kw=power if charging else None,
            capacity_kwh=capacity,
        ),
        version=f"{version:04d}",
        place=place or VehiclePlace(),
        place_version=f"{version:04d}",
    )


def charges(minutes, soc=None, power=None, **more):
    return sample(minutes, True, soc, power, **more)


def rests(minutes, soc=None, **more):
    """Plugged in, and not charging."""
    return sample(minutes, False, soc, plugged=True, **more)


def drives(minutes, soc=None, **more):
    return sample(minutes, False, soc, plugged=False, **more)


def as_set(samples):
    """In order, each moment once."""
    kept = {}
    for it in samples:
        kept[it.at] = merge_samples(kept[it.at], it) if it.at in kept else it
    return [kept[moment] for moment in sorted(kept)]


def sessions(*samples):
    return derive_periods(DerivationState(), as_set(samples))[0]


levels = st.none() | st.integers(0, 100).map(float)
places = st.builds(VehiclePlace, latitude=st.sampled_from([None, 52.0, 52.1]), longitude=st.just(5.0))
readings = st.builds(
    sample,
    st.integers(0, 60 * 30),
    st.sampled_from([True, True, False, None]),
    levels,
    st.sampled_from([None, 3.7, 11.0, 150.0]),
    plugged=st.sampled_from([None, True, False]),
    capacity=st.sampled_from([None, BATTERY]),
    version=st.integers(0, 9999),
    place=places,
)
histories = st.lists(readings, max_size=25, unique_by=lambda it: it.version)
