"""What all pytest runs share: the option `--full`, short ids, and less garbage collection.

It imports nothing of the relay: tests/component may load it.
"""

import gc

import pytest

GC_THRESHOLD = 20_000
"""New objects between two collections; Python's default of 2,000 costs a tenth of the tests' time."""
LONGEST_ID = 500


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--full`, which `scripts/test --require-all` sets."""
    parser.addoption(
        "--full", action="store_true", help="run benchmarks and fault tests in full size instead of a small one"
    )


def pytest_collection_finish() -> None:
    """Collect garbage less often.

    Not gc.freeze(): Hypothesis warns when gc.get_referrers(), which skips frozen objects, finds no owner of its
    random number generator.
    """
    gc.set_threshold(GC_THRESHOLD)


def pytest_make_parametrize_id(val: object) -> str | None:
    """Give a long parameter a short id: a command line that names the test could not hold it (`scripts/mutate`)."""
    if isinstance(val, str | bytes) and len(val) > LONGEST_ID:
        return f"{type(val).__name__}-of-{len(val)}"
    return None


@pytest.fixture(scope="session")
def full_run(request: pytest.FixtureRequest) -> bool:
    """Whether this run uses the full sizes. A test makes the same checks with either, or says what it leaves out."""
    return bool(request.config.getoption("--full"))
