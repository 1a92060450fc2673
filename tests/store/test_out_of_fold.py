"""Answers of the folds' networks are kept by row, and read beside the bundle that they belong to alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from atelier_store.out_of_fold import OutOfFold, read, write


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    rows = [np.array([1, 4]), np.array([0, 3])]
    answers = [np.array([[0.1], [0.4]], np.float32), np.array([[0.0], [0.3]], np.float32)]
    path = tmp_path / "out_of_fold.npz"
    write(path, OutOfFold.of(rows, answers), "ab")
    return path


def test_answers_of_several_folds_are_in_the_order_of_their_rows(kept: Path) -> None:
    found = read(kept, "ab")
    assert found is not None
    assert found.rows.tolist() == [0, 1, 3, 4]
    np.testing.assert_array_equal(found.answers, np.array([[0.0], [0.1], [0.3], [0.4]], np.float32))


def test_answers_beside_another_bundle_are_none(kept: Path) -> None:
    assert read(kept, "cd") is None


@pytest.mark.parametrize("size", [0, 1, 100, 300])
def test_answers_that_are_cut_off_are_none(kept: Path, size: int) -> None:
    kept.write_bytes(kept.read_bytes()[:size])
    assert read(kept, "ab") is None


def test_no_file_is_none(tmp_path: Path) -> None:
    assert read(tmp_path / "out_of_fold.npz", "ab") is None
