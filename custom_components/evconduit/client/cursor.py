def is_told(cursor: str | None, known: str | None) -> bool:
    """Whether who stands at `known` has been told what stands at `cursor`. Unreadable or of another epoch: no."""
    epoch, seq = _parts(cursor)
    known_epoch, known_seq = _parts(known)
    return epoch is not None and epoch == known_epoch and seq <= known_seq


def _parts(cursor: str | None) -> tuple[str | None, int]:
    """`<epoch>.<seq>`."""
    epoch, _, seq = (cursor or "").rpartition(".")
    if not epoch or not (seq.isascii() and seq.isdigit()) or len(seq) > len(str(2**63)):
        return None, 0
    return epoch, int(seq)
