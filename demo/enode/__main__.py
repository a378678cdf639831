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
GIVE_UP_SECONDS, SANDBOX_GIVE_UP_SECONDS = 86_400.0, 300.0  # simulated seconds; Enode documents both
EPILOG = """\
The control surface under /_sim/ answers loopback only and needs no token (docs/simulator.md has all of it):
  GET  /_sim/vehicles, POST /_sim/vehicles/{id}   see and move cars, credentials, interventions; DELETE loses one
  POST /_sim/clock       speed, or a jump           POST /_sim/faults     errors, 429, delays for the next calls
  POST /_sim/mischief    repeats, reorders, broken and forged bodies, slow posting; DELETE ends it
  GET  /_sim/truth       what really happened       GET  /_sim/deliveries what was delivered
  POST /_sim/heartbeat   DELETE /_sim/tokens   DELETE /_sim/world
"""


def main(arguments: list[str] | None = None) -> int:
    """Run until SIGTERM or Ctrl-C. The exit code: 0, or 2 when it could not start."""
    options = _build_parser().parse_args(arguments)
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    try:
        settings = _build_settings(options)
        world = _load_or_create_world(settings)
        listener = open_listener(options.host, options.port)
    except StartError as error:
        sys.stderr.write(f"demo.enode: {error}\n")
        return EXIT_CANNOT_START
    # uvicorn raises the signal that stopped it once more when it is done; an orderly stop is no death by signal.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    with listener:
        address = "http://{}:{}".format(*listener.getsockname()[:2])
        sys.stdout.write(f"Enode simulator at {address}, {settings.speed:g} times as fast as life\n")
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
    usual = SANDBOX_GIVE_UP_SECONDS if options.sandbox else GIVE_UP_SECONDS
    return float(getattr(options, "give_up", usual))


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
    """Defaults beside the options, and the epilogue as it is written."""


def _build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m demo.enode",
        description="A simulator of Enode's API (2024-10-01) with cars that drive and charge by themselves.",
        epilog=EPILOG,
        formatter_class=_HelpFormatter,
    )
    add = parser.add_argument
    add("--host", default="127.0.0.1", help="address to listen on; /_sim/ answers loopback only, wherever this is")
    add("--port", type=_parse_port, default=8301, help="port to listen on; 0 takes a free one and prints it")
    add(
        "--speed",
        type=_parse_speed,
        default=60.0,
        help="how much faster than life physics and Enode's delays run; 0: stand",
    )
    add("--client-id", default="enode-simulator", help="OAuth client id that is accepted")
    add("--client-secret", default="enode-simulator-secret", help="OAuth client secret that is accepted")
    add("--seed", type=int, default=1, help="worlds of one seed give out the same ids and VINs")
    add("--state", type=Path, metavar="FILE", help="keep cars, ids and undelivered events in this file over restarts")
    sandbox = "as Enode's sandbox: values stand still, no smart charging, webhooks off after 5 minutes of failures"
    add("--sandbox", action="store_true", help=sandbox)
    patience = "simulated seconds that a webhook may fail before it is switched off (86400; 300 in the sandbox)"
    add("--give-up", type=_parse_seconds, metavar="SECONDS", default=argparse.SUPPRESS, help=patience)
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
