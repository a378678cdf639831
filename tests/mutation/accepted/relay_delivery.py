"""Accepted mutants of relay/delivery, relay/feed, relay/inbox and relay/streams."""

from scripts.lib.mutation.tables import AcceptedRow

ACCEPTED: tuple[AcceptedRow, ...] = (
    AcceptedRow(
        module="relay/inbox/signature.py",
        function="has_valid_signature",
        old='name, _, digest = (signature or "").partition("=")',
        new='name, _, digest = (signature or "").rpartition("=")',
        reason="Neither the name of an algorithm nor a digest contains an equals sign.",
    ),
    AcceptedRow(
        module="relay/inbox/signature.py",
        function="has_valid_signature",
        old='name, _, digest = (signature or "").partition("=")',
        new='name, _, digest = (signature or "XXXX").partition("=")',
        reason="Neither names an algorithm.",
    ),
    AcceptedRow(
        module="relay/inbox/signature.py",
        function="has_valid_signature",
        old='received = digest.lower().encode("utf-8", "replace")',
        new='received = digest.lower().encode("UTF-8", "replace")',
        reason="It is the same codec: their names ignore case.",
    ),
)
