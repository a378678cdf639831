"""A simulator that speaks Enode's published protocol, version 2024-10-01, with cars that drive and charge.

    python -m demo.enode --port 8301 --speed 60

What is public about Enode is followed to the letter. Two things are not Enode's:

* Where nothing public is known, the choice made here is marked `SIM` in the code. A client must not lean on it.
* Named deviations: webhook URLs may be `http://` when their host is loopback; values move by themselves (Enode's own
  sandbox stands still); everything under `/_sim/`, the control surface, does not exist at Enode.

The clock factor (`--speed`) scales physics and Enode's delays. Every timestamp that is sent is real UTC.
"""
