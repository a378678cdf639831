"""Command-line options of the demo."""

import argparse
import os
from pathlib import Path

from demo.world.ports import PREFERRED_PORTS

MAX_SPEED = 3600.0
MAX_PORT = 65_535
SERVER_NAMES = {"home-assistant": "Home Assistant", "relay": "the relay", "simulator": "the simulator"}
DESCRIPTION = """\
A simulated electric car charges inside a real Home Assistant, through the relay.

Starts the Enode simulator, the relay with an embedded PostgreSQL, and Home Assistant with the integration and a
dashboard. Everything listens on 127.0.0.1. Press Ctrl-C to stop. Data stays in the state folder, which makes the next
start faster.
"""
EPILOG = """\
The cars follow a daily routine: they drive, park, plug in and charge. To control a car while the demo runs (the demo
prints the simulator's address; the list contains the ids of the cars):

  curl -s http://127.0.0.1:18400/_sim/vehicles
  curl -s http://127.0.0.1:18400/_sim/vehicles/ID -d '{"activity": "drive"}'
      drive, park, plug_in, unplug, charge, stop; auto resumes the daily routine
  curl -s http://127.0.0.1:18400/_sim/vehicles/ID -d '{"charge_limit": 90}'
  curl -s http://127.0.0.1:18400/_sim/vehicles/ID -d '{"reachable": false}'
  curl -s http://127.0.0.1:18400/_sim/clock -d '{"speed": 5}'

Exit status: 0 after Ctrl-C or a successful check, 1 after a failure, 2 after an error that you can fix.
"""


def parse_options(arguments: list[str] | None) -> argparse.Namespace:
    """Parse the options. Invalid options exit the program with status 2."""
    parser = argparse.ArgumentParser(
        prog="scripts/demo",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add(
        "command",
        nargs="?",
        choices=("start", "login"),
        default="start",
        help="login: print a new link that signs in on the running demo's relay",
    )
    add("--check", action="store_true", help="check everything from the car to Home Assistant and back, then stop")
    add(
        "--speed",
        type=_parse_speed,
        default=20.0,
        metavar="N",
        help="time factor of the simulation (default 20); above 25, cars change faster than the relay accepts",
    )
    add(
        "--state",
        type=Path,
        metavar="DIR",
        help=f"state folder (default {get_default_state_folder()}; a new one with --check)",
    )
    add("--fresh", action="store_true", help="wipe the state folder first")
    add("--screenshot", type=Path, metavar="FILE", help="with --check: where to write a screenshot of the dashboard")
    for name in PREFERRED_PORTS:
        add(
            f"--{name}-port",
            type=_parse_port,
            metavar="PORT",
            help=f"port of {SERVER_NAMES[name]} (default: a free one)",
        )
    options = parser.parse_args(arguments)
    if options.screenshot is not None and not options.check:
        parser.error("--screenshot requires --check")
    return options


def get_default_state_folder() -> Path:
    """Return the default state folder."""
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
