"""Read and write external statistics. Imported only where Home Assistant's recorder is set up."""

from collections.abc import Mapping
from datetime import UTC, datetime

from homeassistant.components.recorder import get_instance
from homeassistant.components.recorder.models import StatisticData, StatisticMeanType, StatisticMetaData
from homeassistant.components.recorder.statistics import async_add_external_statistics, statistics_during_period
from homeassistant.const import UnitOfEnergy
from homeassistant.core import HomeAssistant, callback
from homeassistant.util.unit_conversion import EnergyConverter

from .const import DOMAIN
from .statistics_rows import StatisticsRow

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


async def async_get_rows(
    hass: HomeAssistant, statistic_id: str, start: datetime | None
) -> dict[datetime, StatisticsRow]:
    """Return the stored hours from `start` on, or all of them."""
    stored = await get_instance(hass).async_add_executor_job(
        statistics_during_period, hass, start or EPOCH, None, {statistic_id}, "hour", None, {"state", "sum"}
    )
    return {
        datetime.fromtimestamp(row["start"], UTC): StatisticsRow(state=row["state"] or 0.0, sum=row["sum"] or 0.0)
        for row in stored.get(statistic_id, ())
    }


@callback
def async_import_rows(
    hass: HomeAssistant,
    statistic_id: str,
    name: str,
    currency: str | None,
    rows: Mapping[datetime, StatisticsRow],
) -> None:
    """Add or replace hours: of energy in kWh, or of costs in `currency`."""
    metadata = StatisticMetaData(
        mean_type=StatisticMeanType.NONE,
        has_sum=True,
        name=name,
        source=DOMAIN,
        statistic_id=statistic_id,
        unit_class=EnergyConverter.UNIT_CLASS if currency is None else None,
        unit_of_measurement=UnitOfEnergy.KILO_WATT_HOUR if currency is None else currency,
    )
    data = [StatisticData(start=start, state=row.state, sum=row.sum) for start, row in rows.items()]
    async_add_external_statistics(hass, metadata, data)
