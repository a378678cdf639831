"""Run the tests against hand-written mutants: pairs of an exact text and what it becomes."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue

from scripts.lib.child_processes import GRACE_SECONDS, ROOT
from scripts.lib.mutation import pytest_server
from scripts.lib.mutation.pytest_options import COMPONENT, RELAY, PytestGroup
from scripts.lib.mutation.tables import PairTable
from scripts.lib.mutation.workspace import build_environment, copy_tree, map_in_threads

TIMEOUT_SECONDS = 900.0
FAILED = 1  # pytest's exit status if tests failed


class PairError(Exception):
    """A pair can't be tried: its old text isn't in the file exactly once, or pytest's process has ended."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PairMutant:
    """One pair with its file and tests."""

    file: str
    old: str
    new: str
    note: str
    tests: tuple[str, ...]
    accepted: str | None = None

    @property
    def group(self) -> PytestGroup:
        """The invocation of pytest that its tests belong to."""
        return COMPONENT if self.file.startswith("custom_components/") else RELAY

    @property
    def title(self) -> str:
        """A name for progress lines and reports."""
        return f"{self.file}: {self.note}"


@dataclass(frozen=True, kw_only=True, slots=True)
class PairOutcome:
    """What became of a pair: killed, survived, timeout, invalid, or unproven.

    invalid: the mutant could not even run, so it proves nothing. unproven: the test that failed also fails without the
    mutant. `detail` names the test, or the fault.
    """

    pair: PairMutant
    status: str
    detail: str = ""

    @property
    def is_killed(self) -> bool:
        """Whether a test noticed the mutant."""
        return self.status in {"killed", "timeout"}


def list_pairs(tables: Iterable[PairTable]) -> list[PairMutant]:
    """List all pairs of these tables."""
    return [
        PairMutant(
            file=table.file, old=pair.old, new=pair.new, note=pair.note, tests=table.tests, accepted=pair.accepted
        )
        for table in tables
        for pair in table.pairs
    ]


def mutate_text(text: str, pair: PairMutant) -> str:
    """Return the file's text with the pair applied. Raises PairError."""
    found = text.count(pair.old)
    if found != 1:
        raise PairError(f"{pair.file}: the old text occurs {found} times instead of once: {pair.old!r}")
    if pair.old == pair.new:
        raise PairError(f"{pair.file}: the pair changes nothing: {pair.old!r}")
    return text.replace(pair.old, pair.new)


class PytestServer:
    """A copy of the tree, and a process that runs pytest in it."""

    def __init__(self, folder: Path, group: PytestGroup) -> None:
        self._folder = folder
        self._group = group
        self._mutations = 0
        self._process = subprocess.Popen(  # noqa: S603 - our own program
            [sys.executable, "-P", pytest_server.__file__, *group.preloaded],
            cwd=folder,
            env=build_environment(folder.parent, {**group.environment, "PYTHONPATH": str(folder)}),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def judge(self, pair: PairMutant) -> PairOutcome:
        """Apply a pair, run its tests until one fails, and undo the pair."""
        with self._apply(pair):
            answer = self.run_tests(pair.tests, "-x")
        if answer["status"] is None:
            return PairOutcome(pair=pair, status="timeout")
        if answer["invalid"]:
            return PairOutcome(pair=pair, status="invalid", detail=answer["invalid"])
        if answer["status"] == FAILED:
            return PairOutcome(pair=pair, status="killed", detail=answer["failed"][0] if answer["failed"] else "")
        if answer["status"] == 0:
            return PairOutcome(pair=pair, status="survived")
        return PairOutcome(pair=pair, status="invalid", detail=f"pytest ended with status {answer['status']}")

    def run_tests(self, tests: Sequence[str], *options: str) -> pytest_server.Answer:
        """Run tests on the tree as it is."""
        request: pytest_server.Request = {
            "arguments": [*self._group.options, "-q", "-p", "no:cacheprovider", *options, *tests],
            "log": str(self._folder.with_suffix(".log")),
            "timeout": TIMEOUT_SECONDS,
        }
        assert self._process.stdin is not None  # noqa: S101 - pipes, as requested above
        assert self._process.stdout is not None  # noqa: S101 - the same
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise PairError(f"the process that runs pytest has ended; its log is {request['log']}")
        answer: pytest_server.Answer = json.loads(line)
        return answer

    @contextmanager
    def _apply(self, pair: PairMutant) -> Iterator[None]:
        path = self._folder / pair.file
        original, times = path.read_text(encoding="utf-8"), path.stat()
        path.write_text(mutate_text(original, pair), encoding="utf-8")
        # Python recognises a changed file by its size and its time in whole seconds.
        self._mutations += 1
        os.utime(path, (times.st_atime, times.st_mtime + self._mutations))
        try:
            yield
        finally:
            path.write_text(original, encoding="utf-8")
            os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))

    def terminate(self) -> None:
        """Ask the process to stop."""
        self._process.terminate()

    def close(self) -> None:
        """Stop the process and wait for its end."""
        self.terminate()
        try:
            self._process.wait(GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def run_pairs(
    pairs: Sequence[PairMutant], folder: Path, *, workers: int, on_progress: Callable[[str], None]
) -> list[PairOutcome]:
    """Judge pairs, `workers` at a time. Raises PairError before anything runs."""
    for pair in pairs:
        mutate_text((ROOT / pair.file).read_text(encoding="utf-8"), pair)
    outcomes: list[PairOutcome] = []
    for group in (RELAY, COMPONENT):
        in_group = [pair for pair in pairs if pair.group is group]
        if in_group:
            outcomes += _run_group(in_group, group, folder, workers=min(workers, len(in_group)), report=on_progress)
    return outcomes


def _run_group(
    pairs: Sequence[PairMutant], group: PytestGroup, folder: Path, *, workers: int, report: Callable[[str], None]
) -> list[PairOutcome]:
    idle: SimpleQueue[PytestServer] = SimpleQueue()
    servers: list[PytestServer] = []

    def judge(pair: PairMutant) -> PairOutcome:
        server = idle.get()
        try:
            outcome = server.judge(pair)
        finally:
            idle.put(server)
        report(f"pair {pair.title}: {outcome.status} {outcome.detail}".rstrip())
        return outcome

    def close_servers() -> None:
        for server in servers:
            server.terminate()  # all at the same time
        for server in servers:
            server.close()

    try:
        for number in range(workers):
            copy = folder / f"{group.name}-{number}"
            copy.mkdir()
            copy_tree(copy)
            servers.append(PytestServer(copy, group))
            idle.put(servers[-1])
        outcomes = map_in_threads(judge, pairs, workers, stop=close_servers)
        return _check_killers(outcomes, servers[0])
    finally:
        close_servers()


def _check_killers(outcomes: Sequence[PairOutcome], server: PytestServer) -> list[PairOutcome]:
    """Run the tests that killed pairs without a pair: a test that fails then, too, has proved nothing."""
    killers = sorted({outcome.detail for outcome in outcomes if outcome.status == "killed" and outcome.detail})
    if not killers:
        return list(outcomes)
    answer = server.run_tests(killers)
    if answer["status"] == 0:
        return list(outcomes)
    failed = set(answer["failed"]) if answer["status"] == FAILED else set(killers)
    return [
        PairOutcome(pair=outcome.pair, status="unproven", detail=outcome.detail)
        if outcome.status == "killed" and outcome.detail in failed
        else outcome
        for outcome in outcomes
    ]
