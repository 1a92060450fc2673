"""Every byte of what a real search and its promotions leave: damage to what a decision is made from is named."""

from __future__ import annotations

import shutil
from contextlib import chdir
from pathlib import Path

import pytest
from atelier_store.audit import audit
from atelier_store.layout import Store

from tests.support.searches import atelier

pytestmark = [pytest.mark.process, pytest.mark.training]

PROFILE = """
experiment:
  name: sweep
  maxTrialCount: 3
  parallelTrialCount: 1
  algorithm: {algorithmName: random}
  earlyStopping: {algorithmName: halving}
  parameters:
    - {name: stage1_width, parameterType: discrete, feasibleSpace: {list: [1, 2, 3]}}
trainer:
  data: {source: csv, target: kind, files: {train: {path: rows.csv}}}
  maxEpochs: 4
  tailEpochs: 1
"""
ROWS = "a,kind\n" + "".join(f"{row % 7 / 7},{'even' if row % 2 else 'odd'}\n" for row in range(24))
FOR_PEOPLE = ("*.log", "lease")
"""Nothing is decided from what they hold."""


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """A search, its winner promoted, then each of its trials."""
    folder = tmp_path_factory.mktemp("searched")
    (folder / "rows.csv").write_text(ROWS)
    (folder / "sweep.yaml").write_text(PROFILE)
    promote = ("promote", "--model", "sweep")
    with chdir(folder):
        for command in (
            ("search", "-f", "sweep.yaml"),
            promote,
            *((*promote, "--trial", f"trial-{number:04}") for number in range(3)),
        ):
            done = atelier(*command, "--store", "store")
            assert done.returncode == 0, done.stderr
    return Store(folder / "store")


def decides(path: Path) -> bool:
    return path.is_file() and not any(path.match(pattern) for pattern in FOR_PEOPLE)


def flip(path: Path, at: int) -> None:
    """One bit of a byte: another one from byte to byte."""
    with path.open("r+b") as file:
        file.seek(at)
        (byte,) = file.read(1)
        file.seek(at)
        file.write(bytes([byte ^ 1 << at % 8]))


def unseen(store: Store, path: Path) -> list[int]:
    """Bytes of a file that may be changed without its being named."""
    missed = []
    for at in range(path.stat().st_size):
        flip(path, at)
        if not any(path.is_relative_to(found.path) for found in audit(store).mismatches):
            missed.append(at)
        flip(path, at)
    return missed


@pytest.mark.soak
def test_each_byte_of_each_file_that_decides_is_named_if_it_changes(searched: Store, tmp_path: Path) -> None:
    """Each data set, trial, search and model in a store of its own, which is audited once for every byte."""
    assert audit(searched).mismatches == []
    missed: dict[str, list[int]] = {}
    for part in sorted(searched.root.glob("*/*")):
        alone = Store(tmp_path / part.name)
        shutil.copytree(part, alone.root / part.relative_to(searched.root))
        assert audit(alone).mismatches == []
        for path in filter(decides, sorted(alone.root.rglob("*"))):
            missed[path.relative_to(alone.root).as_posix()] = unseen(alone, path)
    assert len(missed) > 30
    assert {name: places for name, places in missed.items() if places} == {}
