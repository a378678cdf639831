"""Accepted mutants of relay/kit, relay/identity and relay/pages."""

from scripts.lib.mutation.tables import AcceptedRow

ACCEPTED: tuple[AcceptedRow, ...] = (
    AcceptedRow(
        module="relay/kit/ingress.py",
        function="IngressMiddleware.__call__",
        old='user = headers.get(b"x-remote-user-id", b"").decode("latin-1")',
        new='user = headers.get(b"x-remote-user-id", b"XXXX").decode("latin-1")',
        reason="Neither is a user id, so both are refused.",
    ),
    AcceptedRow(
        module="relay/kit/ingress.py",
        function="IngressMiddleware.__call__",
        old='prefix = headers.get(b"x-ingress-path", b"").decode("latin-1")',
        new='prefix = headers.get(b"x-ingress-path", b"XXXX").decode("latin-1")',
        reason="Neither is a path, so both are ignored.",
    ),
    AcceptedRow(
        module="relay/kit/ingress.py",
        function="IngressMiddleware.__call__",
        old='user = headers.get(b"x-remote-user-id", b"").decode("latin-1")',
        new='user = headers.get(b"x-remote-user-id", b"").decode("LATIN-1")',
        reason="It is the same codec: their names ignore case.",
    ),
    AcceptedRow(
        module="relay/kit/ingress.py",
        function="IngressMiddleware.__call__",
        old='prefix = headers.get(b"x-ingress-path", b"").decode("latin-1")',
        new='prefix = headers.get(b"x-ingress-path", b"").decode("LATIN-1")',
        reason="It is the same codec: their names ignore case.",
    ),
    AcceptedRow(
        module="relay/kit/outbound_rules.py",
        function="_parse_networks",
        old="return tuple(ip_network(text) for text in texts)",
        new="return tuple(None)",
        reason="It runs at import, when no mutant is active yet. Pairs mutate the networks.",
    ),
    AcceptedRow(
        module="relay/kit/outbound_rules.py",
        function="_parse_networks",
        old="return tuple(ip_network(text) for text in texts)",
        new="return tuple(ip_network(None) for text in texts)",
        reason="It runs at import, when no mutant is active yet. Pairs mutate the networks.",
    ),
    AcceptedRow(
        module="relay/kit/outbound_rules.py",
        function="parse_url",
        old=(
            'if "@" in url.netloc.decode("ascii") or url.userinfo or "@" in text.partition("://")[2].partition("/")[0]:'
        ),
        new=(
            'if "@" in url.netloc.decode("ascii") and url.userinfo or "@" in '
            'text.partition("://")[2].partition("/")[0]:'
        ),
        reason="The last condition finds all that the others find.",
    ),
    AcceptedRow(
        module="relay/kit/outbound_rules.py",
        function="parse_url",
        old=(
            'if "@" in url.netloc.decode("ascii") or url.userinfo or "@" in text.partition("://")[2].partition("/")[0]:'
        ),
        new=(
            'if "XX@XX" in url.netloc.decode("ascii") or url.userinfo or "@" in '
            'text.partition("://")[2].partition("/")[0]:'
        ),
        reason="The last condition finds all that the others find.",
    ),
    AcceptedRow(
        module="relay/kit/outbound_rules.py",
        function="parse_url",
        old='host = url.raw_host.decode("ascii").lower().removesuffix(".")',
        new='host = url.raw_host.decode("ASCII").lower().removesuffix(".")',
        reason="It is the same codec: their names ignore case.",
    ),
    AcceptedRow(
        module="relay/kit/outbound_rules.py",
        function="parse_url",
        old=(
            'if "@" in url.netloc.decode("ascii") or url.userinfo or "@" in text.partition("://")[2].partition("/")[0]:'
        ),
        new=(
            'if "@" in url.netloc.decode("ASCII") or url.userinfo or "@" in text.partition("://")[2].partition("/")[0]:'
        ),
        reason="It is the same codec: their names ignore case.",
    ),
    AcceptedRow(
        module="relay/kit/outbound_rules.py",
        function="parse_url",
        old='if len(text) > MAX_URL_LENGTH or re.search(r"[\\s\\\\\\x00-\\x1f\\x7f]", text):',
        new='if len(text) > MAX_URL_LENGTH or re.search(r"[\\s\\\\\\x00-\\x1F\\x7F]", text):',
        reason="Hexadecimal digits ignore case, so the characters are the same.",
    ),
    AcceptedRow(
        module="relay/kit/sanitize.py",
        function="sanitize_line",
        old=(
            'visible = "".join(" " if c.isspace() else c for c in text if c.isspace() or '
            'unicodedata.category(c)[0] != "C")'
        ),
        new=(
            'visible = "".join(" " if (c.isspace()) and False else c for c in text if c.isspace() or '
            'unicodedata.category(c)[0] != "C")'
        ),
        reason="split() treats all white space like a space.",
    ),
)
