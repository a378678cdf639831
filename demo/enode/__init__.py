"""A simulator that speaks Enode's published protocol, version 2024-10-01, with cars that drive and charge.

    python -m demo.enode --port 8301 --speed 60

A `Car` is the simulated physical car; a `Vehicle` is Enode's record of it.

The simulator follows everything that Enode has published. Two things differ from Enode:

* Where Enode has published nothing, the choice made here is marked `SIM` in the code. Clients must not rely on it.
* Deviations: webhook URLs may be `http://` if their host is loopback; values change by themselves (in Enode's own
  sandbox they don't); the control API under `/_sim/` does not exist at Enode.

`--speed` scales the physics and Enode's delays. All timestamps in responses and events are real UTC, and power,
remaining time and distances are those of the real clock.
"""
