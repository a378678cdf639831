def is_at_or_before(cursor: str | None, position: str | None) -> bool:
    """Return whether `cursor` is not after `position`. False if either is unreadable or their epochs differ."""
    epoch, seq = split_cursor(cursor)
    position_epoch, position_seq = split_cursor(position)
    return epoch is not None and epoch == position_epoch and seq <= position_seq


def split_cursor(cursor: str | None) -> tuple[str | None, int]:
    """Split `<epoch>.<seq>`. The epoch is None if there is no cursor, or it is unreadable."""
    epoch, _, seq = (cursor or "").rpartition(".")
    if not epoch or not (seq.isascii() and seq.isdigit()) or len(seq) > len(str(2**63)):
        return None, 0
    return epoch, int(seq)
