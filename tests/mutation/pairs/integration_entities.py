"""The integration: entities, messages, setup and channels."""

from scripts.lib.mutation.tables import Pair, PairTable

FOLDER = "custom_components/evconduit"
PLATFORMS = ("tests/component/test_platforms.py", "tests/component/test_sensors.py")
GAP = ("tests/component/test_gap.py", "tests/component/test_webhook.py", "tests/component/test_coordinator.py")

PAIRS = (
    PairTable(
        file=f"{FOLDER}/vehicle_sensors.py",
        tests=(*PLATFORMS, "tests/component/test_vehicle_sensors.py"),
        pairs=(
            Pair("UnitOfPower.KILO_WATT", "UnitOfPower.WATT", "the charge power is in watts"),
            Pair("UnitOfTime.MINUTES", "UnitOfTime.HOURS", "the remaining time is in hours"),
            Pair(
                "SensorStateClass.TOTAL_INCREASING",
                "SensorStateClass.MEASUREMENT",
                "statistics take the odometer for a measurement",
            ),
            Pair(
                "vehicle.charge_state.charge_limit,",
                "vehicle.charge_state.battery_level,",
                "the charge limit shows the battery level",
            ),
            Pair(
                "charge_state.charge_rate if charge_state.is_charging else 0",
                "charge_state.charge_rate",
                "the power of a car that doesn't charge is unknown",
            ),
            Pair(
                "charge_state.charge_rate is None and is_known_not_to_charge(charge_state)",
                "charge_state.charge_rate is None",
                "the power is 0 while it is unknown whether the car charges",
            ),
            Pair("else state.name.lower()", "else state.name", "the charging state is in upper case"),
            Pair("level * capacity / 100", "level * capacity", "the energy in the battery is a hundred times too high"),
            Pair(
                "END_TIME_VARIANCE: Final = timedelta(minutes=5)",
                "END_TIME_VARIANCE: Final = timedelta(minutes=6)",
                "the end of charging moves by five minutes unseen",
            ),
            Pair(
                "updated_at + timedelta(minutes=remaining)",
                "updated_at + timedelta(seconds=remaining)",
                "charging ends after as many seconds as minutes",
            ),
            Pair(
                "        scope=DataScope.LINK,\n", "", "the state of a broken link is unavailable when it matters most"
            ),
        ),
    ),
    PairTable(
        file=f"{FOLDER}/energy_sensors.py",
        tests=("tests/component/test_energy_sensors.py",),
        pairs=(
            Pair("record.energy.home_kwh", "record.energy.lifetime_kwh", "all energy counts as charged at home"),
            Pair(
                "        data_kind=DataKind.DISCHARGED_ENERGY,\n",
                "",
                "each car has a sensor for what it feeds back",
            ),
        ),
    ),
    PairTable(
        file=f"{FOLDER}/session_sensors.py",
        tests=("tests/component/test_session_sensors.py",),
        pairs=(
            Pair(
                "self._period is None or self._period.id != period.id",
                "self._period != period",
                "a session whose start moves is counted twice",
            ),
            Pair(
                "if started_at is not None:\n",
                "if started_at is None:\n",
                "a restart counts the session again",
            ),
        ),
    ),
    PairTable(
        file=f"{FOLDER}/energy_statistics.py",
        tests=("tests/component/test_energy_statistics.py",),
        pairs=(
            Pair(
                "h.cost is not None and h.currency == currency",
                "h.cost is not None",
                "costs of two currencies are added up",
            ),
            Pair(
                "            self._cursors.pop(record.id, None)  #",
                "            pass  #",
                "costs in an earlier currency stay after it changes",
            ),
            Pair("        self._cursors.clear()\n", "", "what a restored relay has lost stays"),
            Pair("hours += page.hours", "pass", "only the first page is imported"),
            Pair("                    self._pending.add(vehicle_id)\n", "", "a failed import isn't repeated"),
        ),
    ),
    PairTable(
        file=f"{FOLDER}/broken_link.py",
        tests=("tests/component/test_broken_link.py",),
        pairs=(
            Pair("timedelta(hours=24)", "timedelta(hours=25)", "a broken link is noticed an hour late"),
            Pair("        self._on_expire()\n", "", "the end of the grace is seen only with the next update"),
        ),
    ),
    PairTable(
        file=f"{FOLDER}/binary_sensor.py",
        tests=(*PLATFORMS,),
        pairs=(
            Pair("BinarySensorDeviceClass.PLUG,", "BinarySensorDeviceClass.POWER,", "the cable is shown as power"),
            Pair(
                "vehicle.charge_state.is_fully_charged",
                "vehicle.charge_state.is_plugged_in",
                "fully charged means plugged in",
            ),
            Pair(
                "supported_fn=lambda _: True",
                "supported_fn=lambda _: False",
                "no vehicle has a sensor for its reachability",
            ),
        ),
    ),
    PairTable(
        file=f"{FOLDER}/switch.py",
        tests=(
            "tests/component/test_switch.py",
            "tests/component/test_coordinator.py",
        ),
        pairs=(
            Pair(
                "start_charging.is_supported or capabilities",
                "start_charging.is_supported and capabilities",
                "a vehicle needs both commands for a switch",
            ),
            Pair(
                "CommandKind.START if is_on else CommandKind.STOP",
                "CommandKind.STOP if is_on else CommandKind.START",
                "turning the switch on stops charging",
            ),
            Pair(
                "return kind is CommandKind.START",
                "return kind is CommandKind.STOP",
                "a requested start is shown as off",
            ),
        ),
    ),
    PairTable(
        file=f"{FOLDER}/device_tracker.py",
        tests=(*PLATFORMS,),
        pairs=(
            Pair("capabilities.location.is_supported", "True", "a vehicle without location has a tracker"),
            Pair(
                "return self.vehicle.location.longitude",
                "return self.vehicle.location.latitude",
                "the longitude is the latitude",
            ),
        ),
    ),
    PairTable(
        file=f"{FOLDER}/diagnostics.py",
        tests=("tests/component/test_diagnostics.py",),
        pairs=(
            Pair('    "vin",\n', "", "diagnostics contain the VIN"),
            Pair('    "pluggedInChargerId",\n', "", "diagnostics contain the charger"),
            Pair("    CONF_WEBHOOK_ID,\n    ", "    ", "diagnostics contain the webhook's id"),
        ),
    ),
    PairTable(
        file=f"{FOLDER}/coordinator.py",
        tests=(*GAP,),
        pairs=(
            Pair(
                " and not (isinstance(message, Snapshot) and message.gap)",
                "",
                "a snapshot with a gap resets the cursor",
            ),
            Pair(
                "self.cursor = cursor or self.cursor",
                "self.cursor = cursor",
                "a message without a cursor deletes the cursor",
            ),
            Pair(
                "        self._async_remove_stale_devices()\n        self._async_update_issues()\n",
                "        self._async_update_issues()\n",
                "devices that are absent from a snapshot stay",
            ),
            Pair(
                "if not (is_old and isinstance(message, VehicleRemoved | Transition)):",
                "if True:",
                "an old removal is applied",
            ),
        ),
    ),
    PairTable(
        file=f"{FOLDER}/record_order.py",
        tests=("tests/component/test_record_order.py",),
        pairs=(
            Pair("revision <= known.revision:", "revision < known.revision:", "a record is applied twice"),
            Pair("return revision >= known.revision", "return True", "a late snapshot replaces a newer record"),
            Pair(
                "return known.received_at <= since", "return True", "a late poll removes a vehicle that was just added"
            ),
            Pair("if since is not None and since < self._epoch_since:", "if False:", "an ended epoch comes back"),
        ),
    ),
    PairTable(
        file=f"{FOLDER}/storage.py",
        tests=("tests/component/test_storage.py",),
        pairs=(
            Pair("SAVE_DELAY_SECONDS = 60", "SAVE_DELAY_SECONDS = 62", "a change is stored too late"),
            Pair("VERSION = 1", "VERSION = 2", "the file has another version"),
            Pair("if snapshot.account.id != account_id:", "if False:", "the state of another account is restored"),
        ),
    ),
    PairTable(
        file=f"{FOLDER}/stream_channel.py",
        tests=(
            "tests/component/test_outage.py",
            "tests/component/test_init.py",
        ),
        pairs=(
            Pair(
                "FIRST_SNAPSHOT_TIMEOUT: Final = timedelta(seconds=10)",
                "FIRST_SNAPSHOT_TIMEOUT: Final = timedelta(seconds=11)",
                "setup waits for too long",
            ),
        ),
    ),
    PairTable(
        file=f"{FOLDER}/webhook_registration.py",
        tests=("tests/component/test_webhook_checks.py",),
        pairs=(
            Pair("timedelta(hours=12)", "timedelta(hours=13)", "the registration is checked too rarely"),
            Pair("timedelta(minutes=5)", "timedelta(minutes=6)", "a failed registration is retried too late"),
            Pair("allow_internal=False", "allow_internal=True", "an internal address is registered"),
            Pair("allow_ip=True", "allow_ip=False", "an external IP address is refused"),
            Pair("is not EndpointState.OFF", "is EndpointState.ON", "a state that was added later counts as off"),
        ),
    ),
    PairTable(
        file=f"{FOLDER}/client/client.py",
        tests=("tests/component/test_client_requests.py",),
        pairs=(
            Pair("sock_read=40", "sock_read=15", "a stream that is silent between heartbeats is closed"),
            Pair("ClientTimeout(total=60,", "ClientTimeout(total=20,", "a call of a slow vendor is given up"),
            Pair(
                '    "Accept-Encoding": "identity",',
                '    "Accept-Encoding": "gzip",',
                "a proxy compresses the stream and delays events",
            ),
        ),
    ),
    PairTable(
        file=f"{FOLDER}/client/sse.py",
        tests=("tests/component/test_sse.py",),
        pairs=(
            Pair(
                "MAX_EVENT_SIZE: Final = 512 * 1024",
                "MAX_EVENT_SIZE: Final = 256 * 1024",
                "the longest event is refused",
            ),
        ),
    ),
    PairTable(
        file=f"{FOLDER}/client/models.py",
        tests=("tests/component/test_message_members.py",),
        pairs=(
            Pair(
                "frozenset({CommandState.SENDING, CommandState.PENDING})",
                "frozenset({CommandState.PENDING})",
                "a command that is being sent isn't open",
            ),
            Pair(
                "CommandState.FAILED, CommandState.CANCELLED",
                "CommandState.FAILED",
                "a cancelled command doesn't count as refused",
            ),
        ),
    ),
)
