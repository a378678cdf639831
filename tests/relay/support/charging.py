"""Build charging samples in tests: times are minutes after noon, levels percent, powers kW."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

from hypothesis import strategies as st

from relay.vehicles.charging.counters import EnergyCounters
from relay.vehicles.charging.derivation import DerivationState, derive
from relay.vehicles.charging.periods import ChargingPeriod
from relay.vehicles.charging.samples import ChargeReading, ChargingSample, VehiclePlace
from relay.vehicles.charging.sessions import ChargingSession
from relay.vehicles.charging.slices import NO_SLICES
from relay.vehicles.plausibility.raw_samples import ChargeMembers, RawSample

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
NOW = datetime.now(UTC).replace(microsecond=0)
BATTERY_KWH = 50.0
PLACE = VehiclePlace(latitude=52.0, longitude=5.0, odometer_km=100.0)
COUNTERS = EnergyCounters(
    counted_kwh=1.0, counted_home_kwh=2.0, lifetime_kwh=3.0, home_kwh=4.0, counted_discharged_kwh=5.0,
    discharged_kwh=6.0,
)  # fmt: skip


def at(minutes):
    return NOON + timedelta(minutes=minutes)


def make_sample(
    minutes, charging=None, soc=None, power=None, *, plugged=None, capacity=BATTERY_KWH, version=0, place=None
):
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


def merge_samples(one, other):
    """Merge two samples of one moment as raw samples are: the newer reading, the older place."""
    newer = max(one, other, key=lambda sample: sample.version)
    older = min(one, other, key=lambda sample: sample.place_version)
    return replace(newer, place=older.place, place_version=older.place_version)


def make_raw(sample):
    """The raw sample from which the plausibility stage makes `sample`, if nothing is corrected in it."""
    reading = sample.reading
    return RawSample(
        at=sample.at,
        version=sample.version,
        charge=ChargeMembers(
            plugged_in=reading.plugged_in,
            charging=reading.charging,
            level=reading.soc,
            rate=reading.power_kw,
            capacity=reading.capacity_kwh,
        ),
        place=sample.place,
        place_version=sample.place_version,
    )


def charging(minutes, soc=None, power=None, **more):
    return make_sample(minutes, True, soc, power, **more)


def stopped(minutes, soc=None, **more):
    """Plugged in, but not charging."""
    return make_sample(minutes, False, soc, plugged=True, **more)


def unplugged(minutes, soc=None, **more):
    return make_sample(minutes, False, soc, plugged=False, **more)


def with_step(step, *samples):
    """The samples of a vehicle whose level is known to rise by this step."""
    return [replace(sample, reading=replace(sample.reading, step=step)) for sample in samples]


def make_session(start, end, number=1, *, open_=False, **members):
    period = ChargingPeriod(
        started_at=at(start), ended_at=at(end), open=open_, soc_start=40.0, soc_end=50.0, power_kwh=5.0, peak_kw=11.0,
        place=PLACE, slices=NO_SLICES.add(at(start), at(end), 5.0),
    )  # fmt: skip
    return ChargingSession(id=UUID(int=number), period=period, **{"at_home": True} | members)


async def age_sessions(fetch):
    """Make all sessions look as if they had changed a day ago."""
    await fetch("update charging_sessions set changed_at = now() - interval '1 day' returning id")


def merge_by_time(samples):
    """The samples in order of time, those of one moment merged."""
    merged = {}
    for sample in samples:
        merged[sample.at] = merge_samples(merged[sample.at], sample) if sample.at in merged else sample
    return [merged[moment] for moment in sorted(merged)]


def derive_periods(
    start: DerivationState, samples: Sequence[ChargingSample]
) -> tuple[list[ChargingPeriod], DerivationState]:
    """The proven periods from the newest one of `start` on, in order, and the state after the last of `samples`."""
    derivation = derive(start, samples, keep=timedelta())
    return list(derivation.periods), derivation.state


def derive_sessions(*samples):
    """The proven periods that follow from `samples`, in whatever order they are."""
    return derive_periods(DerivationState(), merge_by_time(samples))[0]


levels = st.none() | st.integers(0, 100).map(float)
places = st.builds(VehiclePlace, latitude=st.sampled_from([None, 52.0, 52.1]), longitude=st.just(5.0))
random_samples = st.builds(
    make_sample,
    st.integers(0, 60 * 30),
    st.sampled_from([True, True, False, None]),
    levels,
    st.sampled_from([None, 3.7, 11.0, 150.0]),
    plugged=st.sampled_from([None, True, False]),
    capacity=st.sampled_from([None, BATTERY_KWH]),
    version=st.integers(0, 9999),
    place=places,
)
histories = st.lists(random_samples, max_size=25, unique_by=lambda sample: sample.version)
