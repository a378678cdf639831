"""Which modules `scripts/mutate` mutates, and which tests judge them.

A module is listed if its functions compute without input or output: what they return depends only on their arguments.
Of use cases, whose files also have routes and SQL, the functions that decide are listed.
"""

from scripts.lib.mutation.tables import ModuleRow

MODULES: tuple[ModuleRow, ...] = (
    ModuleRow(
        modules=(
            "relay/vehicles/capabilities.py",
            "relay/vehicles/changes.py",
            "relay/vehicles/classic_records.py",
            "relay/vehicles/corrections.py",
            "relay/vehicles/display_name.py",
            "relay/vehicles/future_versions.py",
            "relay/vehicles/links.py",
            "relay/vehicles/merge.py",
            "relay/vehicles/models.py",
            "relay/vehicles/object_limits.py",
            "relay/vehicles/places.py",
            "relay/vehicles/records.py",
            "relay/vehicles/transitions.py",
            "relay/vehicles/vin.py",
        ),
        tests=("tests/relay/vehicles/test_*.py",),
    ),
    ModuleRow(
        modules=(
            "relay/vehicles/charging/counters.py",
            "relay/vehicles/charging/counting.py",
            "relay/vehicles/charging/derivation.py",
            "relay/vehicles/charging/energy.py",
            "relay/vehicles/charging/evidence.py",
            "relay/vehicles/charging/fold.py",
            "relay/vehicles/charging/home.py",
            "relay/vehicles/charging/ledger.py",
            "relay/vehicles/charging/owner_corrections.py",
            "relay/vehicles/charging/period_faults.py",
            "relay/vehicles/charging/period_growth.py",
            "relay/vehicles/charging/periods.py",
            "relay/vehicles/charging/rows.py",
            "relay/vehicles/charging/session_records.py",
            "relay/vehicles/charging/sessions.py",
            "relay/vehicles/charging/slices.py",
        ),
        tests=("tests/relay/vehicles/charging",),
    ),
    ModuleRow(
        modules=(
            "relay/vehicles/plausibility/charge_rate.py",
            "relay/vehicles/plausibility/contradictions.py",
            "relay/vehicles/plausibility/false_unplugged.py",
            "relay/vehicles/plausibility/level.py",
            "relay/vehicles/plausibility/level_changes.py",
            "relay/vehicles/plausibility/level_faults.py",
            "relay/vehicles/plausibility/level_points.py",
            "relay/vehicles/plausibility/movement.py",
            "relay/vehicles/plausibility/odometer.py",
            "relay/vehicles/plausibility/ranges.py",
            "relay/vehicles/plausibility/raw_samples.py",
            "relay/vehicles/plausibility/stage.py",
        ),
        tests=("tests/relay/vehicles/plausibility", "tests/relay/vehicles/test_*.py"),
    ),
    ModuleRow(
        modules=("relay/metering/poll_schedule.py", "relay/metering/quota.py"),
        tests=("tests/relay/metering",),
    ),
    ModuleRow(
        modules=(
            "relay/delivery/classic_payload.py",
            "relay/delivery/models.py",
            "relay/delivery/payloads.py",
            "relay/delivery/retry.py",
            "relay/delivery/signing.py",
        ),
        tests=("tests/relay/delivery",),
    ),
    ModuleRow(
        modules=("relay/feed/cursor.py", "relay/feed/messages.py"),
        tests=("tests/relay/feed",),
    ),
    ModuleRow(
        modules=("relay/streams/delivered_cursor.py", "relay/streams/sse.py"),
        tests=("tests/relay/streams",),
    ),
    ModuleRow(
        modules=(
            "relay/kit/client_network.py",
            "relay/kit/http_limits.py",
            "relay/kit/ingress.py",
            "relay/kit/middleware.py",
            "relay/kit/outbound_addresses.py",
            "relay/kit/outbound_rules.py",
            "relay/kit/problem_responses.py",
            "relay/kit/problems.py",
            "relay/kit/public_host.py",
            "relay/kit/public_networks.py",
            "relay/kit/rate_limiter.py",
            "relay/kit/request_address.py",
            "relay/kit/request_metrics.py",
            "relay/kit/sanitize.py",
            "relay/kit/throttle.py",
            "relay/kit/timestamps.py",
            "relay/kit/unread_responses.py",
        ),
        tests=("tests/relay/kit",),
    ),
    ModuleRow(
        modules=("relay/inbox/array_splitter.py", "relay/inbox/parser.py", "relay/inbox/signature.py"),
        tests=("tests/relay/inbox",),
    ),
    ModuleRow(
        modules=(
            "relay/identity/credentials.py",
            "relay/identity/oauth.py",
            "relay/identity/oauth_requests.py",
        ),
        tests=("tests/relay/identity",),
    ),
    ModuleRow(
        modules=(
            "relay/gateways/enode/actions.py",
            "relay/gateways/enode/errors.py",
            "relay/gateways/enode/health.py",
            "relay/gateways/enode/interventions.py",
            "relay/gateways/enode/json_fields.py",
            "relay/gateways/enode/languages.py",
            "relay/gateways/enode/links.py",
            "relay/gateways/enode/pagination.py",
            "relay/gateways/enode/retry.py",
            "relay/gateways/enode/users.py",
            "relay/gateways/enode/vehicles.py",
            "relay/gateways/enode/webhooks.py",
        ),
        tests=("tests/relay/gateways/enode",),
    ),
    ModuleRow(
        modules=("relay/usecases/operations/webhook_health.py",),
        tests=("tests/relay/usecases/operations/test_webhook_health.py",),
    ),
    ModuleRow(
        modules=("relay/plans.py",),
        tests=("tests/relay/test_*.py", "tests/relay/metering"),
    ),
    ModuleRow(
        modules=("relay/usecases/feed/plan_polling.py",),
        functions=("_classify_activity", "get_busiest_activity", "plan_polling"),
        tests=("tests/relay/usecases/feed/test_plan_polling.py",),
        with_database=True,
    ),
    ModuleRow(
        modules=("relay/usecases/linking/link_outcome.py",),
        functions=("LinkPage.get_state", "determine_outcome"),
        tests=("tests/relay/usecases/linking/test_link_vehicle.py",),
        with_database=True,
    ),
    ModuleRow(
        modules=("relay/usecases/commands/update_state.py",),
        functions=(
            "CommandOutcome.failed",
            "CommandOutcome.is_settled",
            "CommandOutcome.unknown",
            "_build_parameters",
            "get_action_outcome",
        ),
        tests=(
            "tests/relay/usecases/commands/test_update_state.py",
            "tests/relay/usecases/commands/test_check_outcome.py",
            "tests/relay/usecases/commands/test_send_command.py",
        ),
        with_database=True,
    ),
    ModuleRow(
        modules=("relay/usecases/events/event_failures.py",),
        tests=("tests/relay/usecases/events/test_event_failures.py",),
        with_database=True,
    ),
    ModuleRow(
        modules=("relay/usecases/calls/authorize.py",),
        functions=("_describe_missing_scope", "_parse_call_row", "_parse_quota_row", "_require_scope"),
        tests=("tests/relay/usecases/calls/test_authorize.py",),
        with_database=True,
    ),
    ModuleRow(
        modules=("relay/usecases/account/usage_report.py",),
        functions=("_count_by_day", "_count_by_installation", "_count_by_route"),
        tests=("tests/relay/usecases/account/test_usage_report.py", "tests/relay/usecases/account/test_usage_sums.py"),
        with_database=True,
    ),
    ModuleRow(
        modules=("relay/openapi/examples.py", "relay/openapi/reference.py"),
        tests=("tests/relay/openapi/test_examples.py", "tests/relay/openapi/test_reference.py"),
    ),
    ModuleRow(
        modules=("relay/pages/chart.py", "relay/pages/translations.py"),
        tests=("tests/relay/pages",),
    ),
    ModuleRow(
        modules=("custom_components/evconduit/client/sse.py",),
        tests=("tests/component/test_sse.py",),
    ),
    ModuleRow(
        modules=("custom_components/evconduit/client/stream.py",),
        tests=("tests/component/test_backoff.py", "tests/component/test_stream.py"),
    ),
    ModuleRow(
        modules=(
            "custom_components/evconduit/client/cursor.py",
            "custom_components/evconduit/client/intervention.py",
            "custom_components/evconduit/client/json_reader.py",
            "custom_components/evconduit/client/models.py",
            "custom_components/evconduit/client/url.py",
            "custom_components/evconduit/client/vehicle.py",
        ),
        tests=(
            "tests/component/test_json_reader.py",
            "tests/component/test_message_members.py",
            "tests/component/test_model_rules.py",
            "tests/component/test_models.py",
            "tests/component/test_relay_url.py",
            "tests/component/test_webhook_signature.py",
        ),
    ),
    ModuleRow(
        modules=(
            "custom_components/evconduit/client/client.py",
            "custom_components/evconduit/client/endpoint.py",
            "custom_components/evconduit/client/errors.py",
            "custom_components/evconduit/client/oauth.py",
            "custom_components/evconduit/client/responses.py",
        ),
        tests=(
            "tests/component/test_authorize_url.py",
            "tests/component/test_client.py",
            "tests/component/test_client_requests.py",
            "tests/component/test_error_messages.py",
            "tests/component/test_oauth.py",
            "tests/component/test_oauth_tokens.py",
            "tests/component/test_responses.py",
        ),
    ),
    ModuleRow(
        modules=("custom_components/evconduit/client/webhook.py",),
        tests=("tests/component/test_webhook_delivery.py", "tests/component/test_webhook_signature.py"),
    ),
    ModuleRow(
        modules=("custom_components/evconduit/availability.py", "custom_components/evconduit/poll_intervals.py"),
        tests=("tests/component/test_availability.py", "tests/component/test_poll_intervals.py"),
    ),
    ModuleRow(
        modules=("custom_components/evconduit/forecast.py", "custom_components/evconduit/statistics_rows.py"),
        tests=("tests/component/test_forecast.py", "tests/component/test_statistics_rows.py"),
    ),
    ModuleRow(
        modules=("custom_components/evconduit/polling.py",),
        tests=(
            "tests/component/test_disabled_polling.py",
            "tests/component/test_outage.py",
            "tests/component/test_polling.py",
        ),
    ),
    ModuleRow(
        modules=("custom_components/evconduit/webhook_handler.py",),
        tests=("tests/component/test_clock.py", "tests/component/test_webhook.py"),
    ),
    ModuleRow(
        modules=("custom_components/evconduit/classic_entities.py", "custom_components/evconduit/classic_vehicles.py"),
        tests=("tests/component/test_classic_entities.py", "tests/component/test_classic_vehicles.py"),
    ),
    ModuleRow(
        modules=(
            "custom_components/evconduit/command_events.py",
            "custom_components/evconduit/logbook.py",
            "custom_components/evconduit/transitions.py",
        ),
        tests=("tests/component/test_transitions.py", "tests/component/test_events.py"),
    ),
    ModuleRow(
        modules=(
            "custom_components/evconduit/action_targets.py",
            "custom_components/evconduit/client/control.py",
            "custom_components/evconduit/session_rows.py",
        ),
        tests=("tests/component/test_actions.py",),
    ),
    ModuleRow(
        modules=(
            "custom_components/evconduit/calendar.py",
            "custom_components/evconduit/client/smart_charging.py",
            "custom_components/evconduit/smart_charging.py",
        ),
        tests=(
            "tests/component/test_calendar.py",
            "tests/component/test_message_members.py",
            "tests/component/test_smart_charging.py",
        ),
    ),
    ModuleRow(
        modules=("relay/usecases/events/poll_smart_charging.py",),
        tests=("tests/relay/usecases/events/test_poll_smart_charging.py",),
    ),
    ModuleRow(
        modules=("relay/vehicles/smart_charging.py",),
        tests=("tests/relay/vehicles/test_smart_charging.py",),
    ),
    ModuleRow(
        modules=("custom_components/evconduit/abrp.py", "custom_components/evconduit/abrp_flow.py"),
        tests=("tests/component/test_abrp.py",),
    ),
    ModuleRow(
        modules=("custom_components/evconduit/record_order.py",),
        tests=("tests/component/test_record_order.py",),
    ),
    ModuleRow(
        modules=("custom_components/evconduit/client/clock.py", "custom_components/evconduit/clock_issue.py"),
        tests=("tests/component/test_clock.py",),
    ),
    ModuleRow(
        modules=("custom_components/evconduit/error_messages.py",),
        tests=("tests/component/test_error_messages.py",),
    ),
    ModuleRow(
        modules=("custom_components/evconduit/vehicle_coordinator.py",),
        tests=(
            "tests/component/test_button.py",
            "tests/component/test_coordinator.py",
            "tests/component/test_switch.py",
        ),
    ),
    ModuleRow(
        modules=("custom_components/evconduit/account_language.py", "custom_components/evconduit/device_registry.py"),
        tests=("tests/component/test_account_language.py", "tests/component/test_coordinator.py"),
    ),
    ModuleRow(
        modules=("custom_components/evconduit/electricity_price.py",),
        tests=("tests/component/test_electricity_price.py",),
    ),
    ModuleRow(
        modules=("custom_components/evconduit/discovery.py",),
        tests=("tests/component/test_discovery.py",),
    ),
    ModuleRow(
        modules=("custom_components/evconduit/account_issues.py",),
        tests=("tests/component/test_account_issues.py",),
    ),
    ModuleRow(
        modules=("custom_components/evconduit/options.py", "custom_components/evconduit/client/location.py"),
        tests=("tests/component/test_options.py",),
    ),
    ModuleRow(
        modules=("custom_components/evconduit/repair_issues.py",),
        tests=("tests/component/test_repair_issues.py", "tests/component/test_repairs.py"),
    ),
)
