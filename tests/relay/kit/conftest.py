"""A cluster of the embedded server for tests that start their own servers."""

import pytest

from relay.kit.embedded_postgres import EmbeddedPostgres
from tests.relay.support.memory_folder import open_memory_folder


@pytest.fixture(scope="session")
def stopped_cluster(tmp_path_factory):
    """The data folder of a new cluster, to be copied: creating one takes longer."""
    with open_memory_folder(tmp_path_factory.mktemp("cluster")) as folder:
        with EmbeddedPostgres(folder).lease():
            pass
        yield folder / "data"
