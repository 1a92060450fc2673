"""What all tests of the chart share."""

import pytest

from tests.chart import rendering


@pytest.fixture(scope="session", autouse=True)
def renderings(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> None:
    """One folder of renderings for all processes of a run; pytest removes it with the run's other folders."""
    own = tmp_path_factory.getbasetemp()
    rendering.cache = (own if worker_id == "master" else own.parent) / "renderings"
    rendering.cache.mkdir(exist_ok=True)
