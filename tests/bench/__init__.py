"""How fast, how small: the relay against a floor or a peer in the same run. Started by scripts/bench."""
