from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from atelier_store.layout import Store

from tests.support.onnx_bundles import image_bundle, publish, rows_bundle
from tests.support.server_process import Server, serving
from tests.support.table_bundles import table_bundle


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server of an 8 x 8 picture classifier, for tests that only ask."""
    store = Store(tmp_path_factory.mktemp("images"))
    publish(store, image_bundle())
    with serving(store) as server:
        yield server


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server of a regressor with named features, for tests that only ask."""
    store = Store(tmp_path_factory.mktemp("rows"))
    publish(store, rows_bundle(), "house")
    with serving(store, "house") as server:
        yield server


@pytest.fixture(scope="module")
def passengers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server of a classifier of a table with numbers, words and dates, for tests that only ask."""
    store = Store(tmp_path_factory.mktemp("passengers"))
    publish(store, table_bundle(), "passenger")
    with serving(store, "passenger") as server:
        yield server


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """A line for everything that a test measured."""
    reports = [report for outcome in ("passed", "failed") for report in terminalreporter.stats.get(outcome, [])]
    measured = [
        (report.nodeid, value) for report in reports for name, value in report.user_properties if name == "measured"
    ]
    if measured:
        terminalreporter.section("measured")
        for test, value in measured:
            terminalreporter.write_line(f"{test.partition('::')[2]}: {value}")
