"""One folder of a reader and one trained store, for all tests of the documentation in a run."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from tests.support.once import made_once
from tests.support.pages import shown_commands
from tests.support.reader import Reader, write_files

SMALL = " --set experiment.maxTrialCount=2 --set experiment.maxFailedTrialCount=0 --set trainer.maxEpochs=2"


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files that docs/data.md and docs/networks.md show and name."""
    place = tmp_path_factory.mktemp("reader")
    write_files(place)
    return place


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Reader:
    """A folder with a store that the shown commands filled, and its backup; what tests run leaves it as it is."""
    return Reader(made_once(tmp_path_factory, "trained", train))


def train(folder: Path) -> None:
    """Search both CSV profiles as shown, for two trials of two epochs; then digits; and promote both."""
    write_files(folder)
    reader = Reader(folder)
    shown = [line + SMALL for line in shown_commands() if " search -f flats" in line and "--set" not in line]
    assert len(shown) == 2
    (plain,) = (line for line in shown if " flats.yaml" in line)
    (own,) = (line for line in shown if line != plain)
    with_its_module = reader.start(own)  # which only a process that begins in this folder finds
    for line in (plain, "uv run atelier search -f digits.yaml --store ./store"):
        reader.run(line)
    printed = with_its_module.communicate(timeout=240)[0]
    assert with_its_module.returncode == 0, printed
    for model, profile in (("rent", "flats"), ("digits", "digits")):
        names = [paths.folder.name for paths in reader.store.experiments()]
        (search,) = (name for name in names if re.fullmatch(rf"{profile}-[0-9a-f]{{8}}", name))
        reader.run(f"uv run atelier promote {search} --model {model} --store ./store")
    shutil.copytree(folder / "store", folder / "backup")
