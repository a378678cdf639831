"""Benchmarks of speed and memory, compared with a floor or a peer in the same run. Started by scripts/bench."""
