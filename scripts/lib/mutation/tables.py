"""The rows of the tables in tests/mutation: what is mutated, which tests judge it, and which survivors are accepted."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class ModuleRow:
    """Pure modules, and the tests that must notice a change of them.

    Both are glob patterns, relative to the root. `functions` names the pure functions (`name` or `Class.name`) of a
    module that also has others. Tests with a database are left out unless `with_database` is set: each mutant that
    such a test judges starts a PostgreSQL, which takes seconds.
    """

    modules: tuple[str, ...]
    tests: tuple[str, ...]
    functions: tuple[str, ...] = ()
    with_database: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class AcceptedRow:
    """A mutant of a function that no test has to notice, and why.

    `old` is the line of the function that the mutant changes, `new` is what it becomes; both without indentation. If a
    mutant changes several lines, they are joined by newlines.
    """

    module: str
    function: str
    old: str
    new: str
    reason: str


@dataclass(frozen=True, slots=True)
class Pair:
    """A mutant by hand: an exact text that occurs once in its file, what it becomes, and what the mutant is about.

    `accepted` is the reason why no test has to notice it.
    """

    old: str
    new: str
    note: str
    accepted: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class PairTable:
    """Pairs of one file, and the tests that judge them: paths of files or folders, those that fail soonest first."""

    file: str
    tests: tuple[str, ...]
    pairs: tuple[Pair, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Mutant:
    """A mutant of a function, and what became of it.

    `function` is `name` or `Class.name`. `status` is killed, survived, timeout, no tests, or a status of mutmut that
    means trouble with the run.
    """

    module: str
    function: str
    name: str
    status: str
    diff: tuple[str, ...] = ()

    @property
    def is_killed(self) -> bool:
        """Whether a test noticed the mutant. One that never ends is noticed, too."""
        return self.status in {"killed", "timeout"}

    @property
    def old(self) -> str:
        """The changed lines, as an `AcceptedRow` names them."""
        return self._join_lines("-")

    @property
    def new(self) -> str:
        """What the changed lines become."""
        return self._join_lines("+")

    def _join_lines(self, sign: str) -> str:
        return "\n".join(line[1:].strip() for line in self.diff if line.startswith(sign))
