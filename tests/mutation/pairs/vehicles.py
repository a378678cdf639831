"""Vehicles: ids, links, priority, what is shown."""

from scripts.lib.mutation.tables import Pair, PairTable

VEHICLES = ("tests/relay/vehicles/test_repository.py", "tests/relay/usecases/vehicles", "tests/relay/usecases/events")

PAIRS = (
    PairTable(
        file="relay/vehicles/lookup.py",
        tests=(
            "tests/relay/vehicles/test_lookup.py",
            "tests/relay/every_route/test_over_limit_vehicle.py",
            "tests/relay/usecases/vehicles",
            "tests/relay/usecases/charging",
            "tests/relay/usecases/commands",
        ),
        pairs=(
            Pair(
                "v.gone_at is null and v.link_state <> 'over_limit'\"",
                "v.link_state <> 'over_limit'\"",
                "an unlinked vehicle is served",
            ),
            Pair(
                "v.gone_at is null and v.link_state <> 'over_limit'\"",
                'v.gone_at is null"',
                "a vehicle over the limit is served",
            ),
            Pair(
                "where l.vehicle_id = v.id and l.ended_at is null order",
                "where l.vehicle_id = v.id order",
                "an Enode id that ended is used",
            ),
            Pair("order by l.linked_at desc limit 1", "order by l.linked_at limit 1", "the oldest Enode id is used"),
            Pair(
                "v.user_id = %(user_id)s and v.link_state <> 'over_limit' and {MATCHES_ID}",
                "v.user_id = %(user_id)s and {MATCHES_ID}",
                "the history of a vehicle over the limit is shown",
            ),
            Pair(
                "v.user_id = %(user_id)s and v.gone_at is null and {MATCHES_ID}",
                "v.user_id = %(user_id)s and {MATCHES_ID}",
                "an unlinked vehicle is found as linked",
            ),
            Pair(
                "v.user_id = %(user_id)s and v.gone_at is null and {MATCHES_ID}",
                "%(user_id)s::uuid is not null and v.gone_at is null and {MATCHES_ID}",
                "another user's vehicle is found",
            ),
        ),
    ),
    PairTable(
        file="relay/usecases/calls/get_vehicle.py",
        tests=(
            "tests/relay/usecases/vehicles",
            "tests/relay/usecases/commands",
            "tests/relay/every_route",
        ),
        pairs=(
            Pair(
                "where v.user_id = %(user_id)s and {IS_SERVED}",
                "where %(user_id)s::uuid is not null and {IS_SERVED}",
                "another user's vehicle is found",
            ),
            Pair(" and {IS_SERVED} and", " and", "a vehicle over the limit is found"),
        ),
    ),
    PairTable(
        file="relay/vehicles/repository.py",
        tests=(
            "tests/relay/vehicles/test_repository.py",
            *VEHICLES,
        ),
        pairs=(
            Pair(
                "v.vendor = %s and v.gone_at is null order",
                "v.vendor = %s order",
                "vehicles that were unlinked before are unlinked again",
            ),
            Pair(
                "where v.user_id = %s and v.gone_at is null\norder",
                "where v.user_id = %s\norder",
                "unlinked vehicles take room",
            ),
            Pair(
                "order by v.chosen_at is null, v.link_state",
                "order by v.link_state",
                "the user's choice of vehicles is ignored",
            ),
            Pair(
                "v.link_state = 'over_limit', v.created_at, v.id",
                "v.created_at, v.id",
                "vehicles that are served already lose their place",
            ),
            Pair(
                "v.link_state = 'over_limit', v.created_at, v.id",
                "v.link_state = 'over_limit', v.created_at desc, v.id",
                "the newest vehicle comes first",
            ),
            Pair(
                "v.user_id = %s and v.vin_hash = %s",
                "(v.user_id = %s or true) and v.vin_hash = %s",
                "a vehicle of another account is found by its VIN",
            ),
            Pair(
                "v.gone_at is null order by v.id",
                "v.gone_at is null order by v.id desc",
                "the vehicles of a vendor come in the wrong order",
            ),
            Pair(
                "'over_limit', v.created_at, v.id",
                "'over_limit', v.id",
                "vehicles keep the order of their ids instead of the order in which they were linked",
            ),
            Pair(
                "v.created_at, v.id\n",
                "v.created_at, v.id desc\n",
                "of two vehicles linked at the same time, the wrong one comes first",
            ),
            Pair(
                "set vehicle_id = excluded.vehicle_id, seen_at",
                "set seen_at",
                "a link of a merged vehicle keeps pointing to the old vehicle",
            ),
            Pair("seen_at = excluded.seen_at, ended_at", "ended_at", "the time of a link's last event isn't stored"),
            Pair(", ended_at = excluded.ended_at", "", "a link never ends"),
            Pair("to_jsonb(e) - 'base'", "to_jsonb(e)", "the archived state is read with each vehicle"),
            Pair(
                "excluded.gone_reason, now())",
                "excluded.gone_reason, v.updated_at)",
                "a saved vehicle keeps its old time of change",
            ),
        ),
    ),
    PairTable(
        file="relay/usecases/vehicles/list_vehicles.py",
        tests=(
            "tests/relay/usecases/vehicles/test_list_vehicles.py",
            "tests/relay/pages/test_home.py",
            "tests/relay/pages",
            "tests/relay/usecases/vehicles",
        ),
        pairs=(
            Pair(
                "where user_id = %s and gone_at is null order",
                "where user_id = %s order",
                "the page shows unlinked vehicles",
            ),
            Pair(
                "order by link_state = 'over_limit', created_at, id",
                "order by created_at, id",
                "vehicles over the limit don't come last",
            ),
            Pair(
                "order by link_state = 'over_limit', created_at, id",
                "order by link_state = 'over_limit', created_at desc, id",
                "the newest vehicle comes first",
            ),
            Pair(
                "vehicle_cache || corrected as vehicle",
                "vehicle_cache as vehicle",
                "the page shows values without their corrections",
            ),
            Pair(
                "where user_id = %s and gone_at is null",
                "where gone_at is null and %s::uuid is not null",
                "the page shows vehicles of all accounts",
            ),
        ),
    ),
    PairTable(
        file="relay/vehicles/records.py",
        tests=("tests/relay/every_route/test_over_limit_vehicle.py",),
        pairs=(
            Pair(
                "None if over_limit else _render_smart_charging",
                "_render_smart_charging",
                "a vehicle over the limit shows its smart charging",
            ),
            Pair(
                '[] if over_limit else list(row["interventions"]',
                'list(row["interventions"]',
                "a vehicle over the limit shows its interventions",
            ),
            Pair(
                "None if over_limit or command is None",
                "None if command is None",
                "a vehicle over the limit shows its command",
            ),
            Pair(
                "None if over_limit else render_energy_record",
                "render_energy_record",
                "a vehicle over the limit shows its energy",
            ),
            Pair(
                '[] if over_limit else list(row["corrections"])',
                'list(row["corrections"])',
                "a vehicle over the limit shows which values are corrected",
            ),
        ),
    ),
    PairTable(
        file="relay/usecases/classic/account_and_vehicles.py",
        tests=("tests/relay/every_route/test_over_limit_vehicle.py",),
        pairs=(
            Pair("and {IS_SERVED}", "and v.gone_at is null", "a vehicle over the limit counts as online"),
            Pair('if record["link"]["state"] != "over_limit"]', "]", "classic clients get a vehicle over the limit"),
        ),
    ),
)
