"""The command line of the demo."""

import argparse
import os
from pathlib import Path

from demo.world.ports import PREFERRED_PORTS

MAX_SPEED = 3600.0
MAX_PORT = 65_535
DESCRIPTION = """\
A simulated electric car charges inside a real Home Assistant, through the relay.

Starts Enode's simulator with its cars, the relay on an embedded PostgreSQL, and Home Assistant with the integration
set up through its config flow and a dashboard. Everything listens on 127.0.0.1. Ctrl-C stops it; what it knows stays
in the state folder, so that the next start is quick.
"""
EPILOG = """\
The cars lead a life of their own: they drive, park, plug in and charge. To take one over while the demo runs (the
address of the simulator is printed; the id of a car is in the list):

  curl -s http://127.0.0.1:18400/_sim/vehicles
  curl -s http://127.0.0.1:18400/_sim/vehicles/ID -d '{"activity": "drive"}'
      drive, park, plug_in, unplug, charge, stop; auto: its own life again
  curl -s http://127.0.0.1:18400/_sim/vehicles/ID -d '{"battery_level": 20, "charge_limit": 90}'
  curl -s http://127.0.0.1:18400/_sim/vehicles/ID -d '{"reachable": false}'
  curl -s http://127.0.0.1:18400/_sim/clock -d '{"speed": 120}'

Exit status: 0 after Ctrl-C or a good check, 1 when something failed, 2 for something that you can mend.
"""


def parse_options(arguments: list[str] | None) -> argparse.Namespace:
    """The options. A mistake in them ends the program with status 2."""
    parser = argparse.ArgumentParser(
        prog="scripts/demo",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--check", action="store_true", help="prove the whole way from car to Home Assistant and back, then stop")
    add(
        "--speed",
        type=_parse_speed,
        default=30.0,
        metavar="N",
        help="let cars live N times as fast as in life (default 30)",
    )
    add(
        "--state",
        type=Path,
        metavar="DIR",
        help=f"state folder (default {get_default_state_folder()}; with --check a new one)",
    )
    add("--fresh", action="store_true", help="wipe the state folder first")
    add("--screenshot", type=Path, metavar="FILE", help="with --check: where to write a picture of the dashboard")
    for name in PREFERRED_PORTS:
        add(f"--{name}-port", type=_parse_port, metavar="PORT", help=f"port of the {name} (default: a free one)")
    options = parser.parse_args(arguments)
    if options.screenshot is not None and not options.check:
        parser.error("--screenshot goes with --check")
    return options


def get_default_state_folder() -> Path:
    """Where the demo keeps its things."""
    base = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(base) / "evconduit-demo"


def _parse_speed(text: str) -> float:
    speed = float(text)
    if not 1 <= speed <= MAX_SPEED:
        raise argparse.ArgumentTypeError(f"must be 1 to {MAX_SPEED:g}")
    return speed


def _parse_port(text: str) -> int:
    port = int(text)
    if not 1 <= port <= MAX_PORT:
        raise argparse.ArgumentTypeError(f"must be 1 to {MAX_PORT}")
    return port
