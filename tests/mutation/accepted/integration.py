"""Accepted mutants of the integration."""

from scripts.lib.mutation.tables import AcceptedRow

ACCEPTED: tuple[AcceptedRow, ...] = (
    AcceptedRow(
        module="custom_components/evconduit/availability.py",
        function="RelayAvailability.__init__",
        old="self.is_available = False",
        new="self.is_available = None",
        reason="It is read only as a truth value.",
    ),
    AcceptedRow(
        module="custom_components/evconduit/client/cursor.py",
        function="split_cursor",
        old='epoch, _, seq = (cursor or "").rpartition(".")',
        new='epoch, _, seq = (cursor or "XXXX").rpartition(".")',
        reason="Neither text has a dot, so both are unreadable.",
    ),
    AcceptedRow(
        module="custom_components/evconduit/client/cursor.py",
        function="split_cursor",
        old="return None, 0",
        new="return None, 1",
        reason="The number isn't read if there is no epoch.",
    ),
    AcceptedRow(
        module="custom_components/evconduit/client/json_reader.py",
        function="JsonReader.get_datetime",
        old='value = datetime.fromisoformat(self.get_str(key) or "")',
        new='value = datetime.fromisoformat(self.get_str(key) or "XXXX")',
        reason="Neither text is a time.",
    ),
    AcceptedRow(
        module="custom_components/evconduit/client/sse.py",
        function="EventParser.__init__",
        old="self._after_cr = False",
        new="self._after_cr = None",
        reason="It is read only as a truth value.",
    ),
    AcceptedRow(
        module="custom_components/evconduit/client/sse.py",
        function="EventParser.__init__",
        old='self._event = ""',
        new="self._event = None",
        reason="It is read only as a truth value.",
    ),
    AcceptedRow(
        module="custom_components/evconduit/client/sse.py",
        function="EventParser._parse_line",
        old=(
            "case _:\npass  # comments, `retry` (this client has its own backoff), and fields that the standard may add"
        ),
        new="",
        reason="The case does nothing.",
    ),
    AcceptedRow(
        module="custom_components/evconduit/client/sse.py",
        function="EventParser._split_lines",
        old="self._after_cr = False",
        new="self._after_cr = None",
        reason="It is read only as a truth value.",
    ),
    AcceptedRow(
        module="custom_components/evconduit/client/sse.py",
        function="EventParser._split_lines",
        old="self._at_start = False",
        new="self._at_start = None",
        reason="It is read only as a truth value.",
    ),
    AcceptedRow(
        module="custom_components/evconduit/client/stream.py",
        function="RelayStream._get_retry_delay",
        old=(
            "backoff = min(MAX_BACKOFF, INITIAL_BACKOFF * 2.0 ** min(self._failures, 10)) * "
            "random.uniform(0.5, 1)  # noqa: S311 - no secret"
        ),
        new=(
            "backoff = min(MAX_BACKOFF, INITIAL_BACKOFF * 2.0 ** min(self._failures, 11)) * "
            "random.uniform(0.5, 1)  # noqa: S311 - no secret"
        ),
        reason="1 s times 2**10 already exceeds MAX_BACKOFF.",
    ),
    AcceptedRow(
        module="custom_components/evconduit/client/url.py",
        function="parse_relay_url",
        old='return str(normalized).rstrip("/")',
        new="return str(normalized).rstrip(None)",
        reason="The path has lost its slashes already, and a URL has no white space.",
    ),
    AcceptedRow(
        module="custom_components/evconduit/client/url.py",
        function="parse_relay_url",
        old='return str(normalized).rstrip("/")',
        new='return str(normalized).lstrip("/")',
        reason="The path has lost its slashes already, and a URL doesn't begin with one.",
    ),
    AcceptedRow(
        module="custom_components/evconduit/client/webhook.py",
        function="_get_header",
        old='value = headers.get(name, "")',
        new="value = headers.get(name, None)",
        reason="A missing header is refused in both cases.",
    ),
    AcceptedRow(
        module="custom_components/evconduit/client/webhook.py",
        function="_get_header",
        old='value = headers.get(name, "")',
        new="value = headers.get(name, )",
        reason="A missing header is refused in both cases.",
    ),
    AcceptedRow(
        module="custom_components/evconduit/client/webhook.py",
        function="_parse_signature",
        old='version, _, value = signature.partition(",")',
        new='version, _, value = signature.rpartition(",")',
        reason="Base64 has no comma.",
    ),
    AcceptedRow(
        module="custom_components/evconduit/client/webhook.py",
        function="_parse_signature",
        old='return value.encode() if version == _SIGNATURE_VERSION else b""',
        new='return value.encode() if version == _SIGNATURE_VERSION else b"XXXX"',
        reason="Neither is the digest, which has 44 characters.",
    ),
    AcceptedRow(
        module="custom_components/evconduit/client/webhook.py",
        function="verify_signature",
        old='signatures = _get_header(headers, "webhook-signature").split(" ")[:MAX_SIGNATURES]',
        new='signatures = _get_header(headers, "webhook-signature").split(None)[:MAX_SIGNATURES]',
        reason=("The relay separates signatures with one space; one that is separated otherwise must be valid, too."),
    ),
    AcceptedRow(
        module="custom_components/evconduit/poll_intervals.py",
        function="get_retry_interval",
        old="return min(interval, OUTAGE_POLL_INTERVAL * float(2 ** min(failures, 8)))",
        new="return min(interval, OUTAGE_POLL_INTERVAL * float(2 ** min(failures, 9)))",
        reason="15 minutes times 2**8 already exceed the longest interval of 12 hours.",
    ),
    AcceptedRow(
        module="custom_components/evconduit/repair_issues.py",
        function="RepairIssues.async_update",
        old="if self._current.get(id_) != issue:",
        new="if self._current.get(None) != issue:",
        reason="Home Assistant ignores an issue that it has already.",
    ),
)
