"""`python -m demo.enode`: run the simulator."""

import argparse
import asyncio
import logging
import signal
import sys
from pathlib import Path

from demo.enode.engine import MAX_SPEED, Settings
from demo.enode.server import StartError, create_server, open_listener
from demo.enode.simulator import Delays
from demo.enode.state_file import StateFile, StateFileError, load_world
from demo.enode.world import World

EXIT_CANNOT_START = 2
MAX_PORT = 65_535
GIVE_UP_SECONDS, SANDBOX_GIVE_UP_SECONDS = 86_400.0, 300.0  # simulated; Enode documents both
EPILOG = """\
The control API under /_sim/ accepts connections from loopback only and needs no token (see docs/simulator.md):
  GET  /_sim/vehicles, POST /_sim/vehicles/{id}   show and change cars, credentials, interventions; DELETE removes one
  POST /_sim/clock       set speed or advance       POST /_sim/faults     errors, 429 and delays for the next requests
  POST /_sim/mischief    repeated, reordered, malformed, forged and slow deliveries; DELETE ends them
  GET  /_sim/truth       all events as created      GET  /_sim/deliveries delivery attempts
  POST /_sim/heartbeat   DELETE /_sim/tokens   DELETE /_sim/world
"""


def main(arguments: list[str] | None = None) -> int:
    """Run until SIGTERM or Ctrl-C. Return the exit status: 0, or 2 if the simulator can't start."""
    options = _build_parser().parse_args(arguments)
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    try:
        settings = _build_settings(options)
        world = _load_or_create_world(settings)
        listener = open_listener(options.host, options.port)
    except StartError as error:
        sys.stderr.write(f"demo.enode: {error}\n")
        return EXIT_CANNOT_START
    # After shutdown uvicorn raises the signal again; ignore it so that the exit status is 0.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    with listener:
        address = "http://{}:{}".format(*listener.getsockname()[:2])
        sys.stdout.write(f"Enode simulator at {address}, speed {settings.speed:g}\n")
        sys.stdout.flush()
        asyncio.run(create_server(settings, world).serve(sockets=[listener]))
    return 0


def _build_settings(options: argparse.Namespace) -> Settings:
    if not options.client_id or not options.client_secret:
        raise StartError("--client-id and --client-secret must not be empty")
    return Settings(
        client_id=options.client_id,
        client_secret=options.client_secret,
        speed=options.speed,
        seed=options.seed,
        state_file=options.state,
        sandbox=options.sandbox,
        delays=Delays(give_up_after=_get_give_up_seconds(options)),
    )


def _get_give_up_seconds(options: argparse.Namespace) -> float:
    default = SANDBOX_GIVE_UP_SECONDS if options.sandbox else GIVE_UP_SECONDS
    return float(getattr(options, "give_up", default))


def _load_or_create_world(settings: Settings) -> World:
    if settings.state_file is None:
        return World(seed=settings.seed)
    try:
        world = load_world(settings.state_file) or World(seed=settings.seed)
        StateFile(settings.state_file).save(world)
    except StateFileError as error:
        raise StartError(f"--state {error}") from None
    except OSError as error:
        raise StartError(f"--state {settings.state_file} cannot be written: {error.strerror}") from None
    return world


class _HelpFormatter(argparse.ArgumentDefaultsHelpFormatter, argparse.RawDescriptionHelpFormatter):
    """Show default values, and keep the line breaks of the epilog."""


def _build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m demo.enode",
        description="Simulate Enode's API (2024-10-01) with cars that drive and charge by themselves.",
        epilog=EPILOG,
        formatter_class=_HelpFormatter,
    )
    add = parser.add_argument
    add("--host", default="127.0.0.1", help="address to listen on; /_sim/ is always limited to loopback")
    add("--port", type=_parse_port, default=8301, help="port to listen on; 0 chooses a free one and prints it")
    add(
        "--speed",
        type=_parse_speed,
        default=60.0,
        help="time factor of the physics and Enode's delays; 0 stops time",
    )
    add("--client-id", default="enode-simulator", help="accepted OAuth client ID")
    add("--client-secret", default="enode-simulator-secret", help="accepted OAuth client secret")
    add("--seed", type=int, default=1, help="simulators with the same seed create the same ids and VINs")
    add("--state", type=Path, metavar="FILE", help="keep cars, ids and undelivered events in this file")
    sandbox = "as Enode's sandbox: no value changes, no smart charging, webhooks deactivated after 5 failing minutes"
    add("--sandbox", action="store_true", help=sandbox)
    give_up = "simulated seconds a webhook may fail before it is deactivated (86400; 300 in the sandbox)"
    add("--give-up", type=_parse_seconds, metavar="SECONDS", default=argparse.SUPPRESS, help=give_up)
    return parser


def _parse_port(text: str) -> int:
    port = int(text)
    if not 0 <= port <= MAX_PORT:
        raise argparse.ArgumentTypeError(f"must be 0 to {MAX_PORT}")
    return port


def _parse_seconds(text: str) -> float:
    seconds = float(text)
    if not seconds > 0:
        raise argparse.ArgumentTypeError("must be more than 0")
    return seconds


def _parse_speed(text: str) -> float:
    speed = float(text)
    if not 0 <= speed <= MAX_SPEED:
        raise argparse.ArgumentTypeError(f"must be 0 to {MAX_SPEED:g}")
    return speed


if __name__ == "__main__":
    sys.exit(main())
