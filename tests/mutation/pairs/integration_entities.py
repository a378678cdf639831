"""The integration: entities, messages, set-up and channels."""

from scripts.lib.mutation.tables import Pair, PairTable

FOLDER = "custom_components/evconduit"
PLATFORMS = ("tests/component/test_platforms.py", "tests/component/test_sensors.py")
GAP = ("tests/component/test_gap.py", "tests/component/test_webhook.py", "tests/component/test_coordinator.py")

PAIRS = (
    PairTable(
        file=f"{FOLDER}/sensor.py",
        tests=(*PLATFORMS,),
        pairs=(
            Pair("UnitOfPower.KILO_WATT", "UnitOfPower.WATT", "the unit of the charge power"),
            Pair("UnitOfTime.MINUTES", "UnitOfTime.HOURS", "the unit of the remaining time"),
            Pair("UnitOfEnergy.KILO_WATT_HOUR", "UnitOfEnergy.WATT_HOUR", "the unit of the capacity"),
            Pair("SensorStateClass.TOTAL_INCREASING", "SensorStateClass.MEASUREMENT", "statistics of the odometer"),
            Pair("SensorDeviceClass.ENERGY_STORAGE", "SensorDeviceClass.ENERGY", "the class of the capacity"),
            Pair("capabilities.odometer.is_supported", "capabilities.charge_state.is_supported", "who has an odometer"),
            Pair("vehicle.charge_state.charge_limit,", "vehicle.charge_state.battery_level,", "the charge limit"),
            Pair("return 0 if vehicle", "return None if vehicle", "power of a car that doesn't charge"),
            Pair("is_charging is False", "is_charging is not True", "power while charging is unknown"),
            Pair("state.name.lower()\n\n\ndef", "state.name\n\n\ndef", "the words of the charging state"),
        ),
    ),
    PairTable(
        file=f"{FOLDER}/binary_sensor.py",
        tests=(*PLATFORMS,),
        pairs=(
            Pair("BinarySensorDeviceClass.PLUG,", "BinarySensorDeviceClass.POWER,", "the class of the cable"),
            Pair("vehicle.charge_state.is_fully_charged", "vehicle.charge_state.is_plugged_in", "fully charged"),
            Pair("supported_fn=lambda _: True", "supported_fn=lambda _: False", "each vehicle has a reachability"),
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
                "one command is enough for a switch",
            ),
            Pair("turn_on_command=CommandKind.START", "turn_on_command=CommandKind.STOP", "the command to start"),
            Pair("turn_off_command=CommandKind.STOP", "turn_off_command=CommandKind.START", "the command to stop"),
        ),
    ),
    PairTable(
        file=f"{FOLDER}/device_tracker.py",
        tests=(*PLATFORMS,),
        pairs=(
            Pair("capabilities.location.is_supported", "True", "a vehicle without location has no tracker"),
            Pair("return self.vehicle.location.longitude", "return self.vehicle.location.latitude", "the longitude"),
        ),
    ),
    PairTable(
        file=f"{FOLDER}/diagnostics.py",
        tests=("tests/component/test_diagnostics.py",),
        pairs=(
            Pair('    "vin",\n', "", "the VIN is redacted"),
            Pair('    "pluggedInChargerId",\n', "", "the charger is redacted"),
            Pair("    CONF_WEBHOOK_ID,\n    ", "    ", "the webhook is redacted"),
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
            Pair("record.revision <= current.revision", "record.revision < current.revision", "the same revision"),
            Pair("self.cursor = cursor or self.cursor", "self.cursor = cursor", "a message without cursor"),
            Pair(
                "        self._async_remove_stale_devices()\n        self._async_update_issues()\n",
                "        self._async_update_issues()\n",
                "devices that are absent from a snapshot",
            ),
            Pair("Transition | VehicleRemoved):\n            self", "Transition):\n            self", "an old removal"),
        ),
    ),
    PairTable(
        file=f"{FOLDER}/storage.py",
        tests=("tests/component/test_storage.py",),
        pairs=(
            Pair("SAVE_DELAY_SECONDS = 60", "SAVE_DELAY_SECONDS = 62", "when a change is stored"),
            Pair("VERSION = 1", "VERSION = 2", "the version of the file"),
            Pair("if snapshot.account.id != account_id:", "if False:", "the state of another account"),
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
                "how long set-up waits",
            ),
        ),
    ),
    PairTable(
        file=f"{FOLDER}/webhook_registration.py",
        tests=("tests/component/test_webhook_checks.py",),
        pairs=(
            Pair("timedelta(hours=12)", "timedelta(hours=13)", "when the registration is checked"),
            Pair("timedelta(minutes=5)", "timedelta(minutes=6)", "when a failure is retried"),
            Pair("allow_internal=False", "allow_internal=True", "an internal address"),
            Pair("allow_ip=True", "allow_ip=False", "an external IP address"),
            Pair("is not EndpointState.OFF", "is EndpointState.ON", "a state that was added later"),
        ),
    ),
    PairTable(
        file=f"{FOLDER}/client/client.py",
        tests=("tests/component/test_client_requests.py",),
        pairs=(
            Pair("sock_read=40", "sock_read=15", "a stream that is silent"),
            Pair("ClientTimeout(total=60,", "ClientTimeout(total=20,", "a vendor that is slow"),
            Pair('    "Accept-Encoding": "identity",', '    "Accept-Encoding": "gzip",', "a proxy that compresses"),
        ),
    ),
    PairTable(
        file=f"{FOLDER}/client/sse.py",
        tests=("tests/component/test_sse.py",),
        pairs=(Pair("MAX_EVENT_SIZE: Final = 512 * 1024", "MAX_EVENT_SIZE: Final = 256 * 1024", "the longest line"),),
    ),
    PairTable(
        file=f"{FOLDER}/client/models.py",
        tests=("tests/component/test_message_members.py",),
        pairs=(
            Pair(
                "frozenset({CommandState.SENDING, CommandState.PENDING})", "frozenset({CommandState.PENDING})", "open"
            ),
            Pair("CommandState.FAILED, CommandState.CANCELLED", "CommandState.FAILED", "refused"),
        ),
    ),
)
