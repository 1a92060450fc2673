"""Audit names what is damaged, wherever it is, and nothing else."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from atelier_server.promotion.search_record import write as write_search
from atelier_store import history, sealed
from atelier_store.arrays import ARRAYS, data_digest
from atelier_store.audit import audit
from atelier_store.files import sha256_file
from atelier_store.layout import Store
from atelier_store.records import (
    Card,
    Current,
    DataDescription,
    DataSource,
    EarlierSearch,
    EarlierSearches,
    EarlierTrial,
    HistoryLine,
    KeptExperiment,
    Report,
    RungValue,
)

from tests.support.experiments import add_baselines, add_curve, add_trial, begin, promote_best, spec
from tests.support.onnx_bundles import image_bundle
from tests.support.sizes import sizes


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """Two searches, each promoted, with their data."""
    store = Store(tmp_path_factory.mktemp("whole"))
    for name, seed in (("a", 1), ("b", 2)):
        of = spec(name)
        begin(store, of)
        key = add_trial(store, of, image_bundle(seed), "t")
        paths = store.trial(key)
        paths.checkpoint.write_bytes(bytes(range(256)))
        add_curve(store, key, "val_accuracy", [0.5, 0.8, 0.9])
        files = {name: sha256_file(paths.folder / name) for name in ("config.json", "metrics.jsonl", "last.ckpt")}
        card = Card.read(paths.card)
        card.model_copy(update={"files": card.files | files}).write(paths.card)
        RungValue(key=key, value=0.9).write(store.experiment(of.experiment_name).rung(3) / f"{key}.json")
        promote_best(store, of.experiment_name, "digits")
    write_search(store.model("digits"), of.experiment_name, "promoted")
    model, kept = store.model("digits"), KeptExperiment(manifest={"spec": {"maxTrialCount": 12}})
    shutil.copy(model.history, model.next_history)  # as a promotion leaves them that is killed, and a wait
    kept.write(store.experiment(of.experiment_name).kept_experiment)
    learnt_from(store, key, (0.5, 0.8))
    source = DataSource(digest=place_data(store))
    source.write(store.data_sources / f"{'1' * 64}.json")
    add_baselines(store, of, source.digest, mean={"val_rmse": 1.5})
    return store


def learnt_from(store: Store, key: str, values: tuple[float, ...], folder: str | None = None) -> Path:
    """What the last search knows of a trial of an earlier one; the file."""
    trial = EarlierTrial(trial="trial-0000", key=key, params={}, values=values)
    search = EarlierSearch(name="a", store=folder, data_digest="0" * 64, trials=(trial,))
    path = store.experiments()[-1].experience
    EarlierSearches(data_digest="0" * 64, searches=(search,)).write(path)
    return path


def place_data(store: Store) -> str:
    arrays = {name: np.arange(9, dtype=np.float32 if name[-1] == "x" else np.int64) for name in ARRAYS}
    described = {
        "kind": "rows",
        "task": "classification",
        "shape": (1,),
        "labels": ("a",),
        "train_rows": 9,
        "test_rows": 9,
        "source": "tests",
    }
    description = DataDescription(digest="", **described)
    description = DataDescription(digest=data_digest(description, arrays), **described)
    paths = store.data(description.digest)
    description.write(paths.description)
    for name, array in arrays.items():
        np.save(paths.array(name), array)
    return description.digest


@pytest.fixture
def store(whole: Store, tmp_path: Path) -> Store:
    shutil.copytree(whole.root, tmp_path / "store")
    return Store(tmp_path / "store")


def flip(path: Path, bit: int) -> None:
    content = bytearray(path.read_bytes())
    content[bit // 8 % len(content)] ^= 1 << bit % 8
    path.write_bytes(content)


def named(store: Store) -> set[Path]:
    return {finding.path for finding in audit(store).mismatches}


def test_a_whole_store_has_no_findings_and_unfinished_files_are_leftovers(store: Store) -> None:
    unfinished = [
        store.root / "trials/.tmp-x",
        store.model("digits").versions / ".tmp-v",
        store.experiments()[0].trials / ".tmp-t.json-1",
    ]
    for path in unfinished:
        path.write_text("{")
    found = audit(store)
    assert (found.mismatches, found.unprotected) == ([], [])
    assert found.leftovers == sorted(unfinished)
    assert found.checked == {"data sets": 1, "trials": 2, "experiments": 2, "models": 1}


HASHED = (
    *(f"trials/*/{name}" for name in ("config.json", "metrics.jsonl", "last.ckpt")),
    *(
        f"{folder}/{name}"
        for folder in ("trials/*/model", "models/*/versions/*")
        for name in ("model.onnx", "reference.npz", "manifest.json")
    ),
    *(f"data/*/{name}.npy" for name in ARRAYS),
)


RECORDS = (
    "trials/*/card.json",
    "data/*/data.json",
    "data/sources/*.json",
    "baselines/*.json",
    "experiments/*/spec.json",
    "experiments/*/trials/t.json",
    "experiments/*/rungs/3/*.json",
    "experiments/*/leaderboard.json",
    "experiments/*/katib-experiment.json",
    "experiments/*/experience.json",
    "models/*/versions/*/promotion.json",
    "models/*/versions/*/report.json",
    "models/*/versions/*/provenance.json",
    "models/*/current.json",
    "models/*/history.jsonl",
    "models/*/history.next.jsonl",
    "models/*/search.json",
    "models/*/decision.json",
)


def test_every_file_of_a_store_is_listed_here(whole: Store) -> None:
    listed = {path for pattern in (*HASHED, *RECORDS) for path in whole.root.glob(pattern)}
    assert listed == {path for path in whole.root.rglob("*") if path.is_file()}


@pytest.mark.parametrize(("step", "end"), sizes((97, 13), (1, 0)))
@pytest.mark.parametrize("pattern", [*HASHED, *RECORDS])
def test_a_flipped_bit_of_any_byte_is_named(whole: Store, pattern: str, step: int, end: int) -> None:
    """Every step bytes, and each of the last so many; test_sealed.py changes each byte of a digest."""
    path = sorted(whole.root.glob(pattern))[0]
    content = path.read_bytes()
    unseen = []
    try:
        for at in sorted({*range(0, len(content), step), *range(max(0, len(content) - end), len(content))}):
            flip(path, 8 * at + at % 8)
            if not any(path == found or path.is_relative_to(found) for found in named(whole)):
                unseen.append(at)
            path.write_bytes(content)
    finally:
        path.write_bytes(content)
    assert unseen == []
    assert named(whole) == set()


@pytest.mark.parametrize("pattern", RECORDS)
def test_a_record_from_before_there_were_digests_is_read_and_told_of(store: Store, pattern: str) -> None:
    path = sorted(store.root.glob(pattern))[0]
    lines = [line.json.rstrip() for line in sealed.read_lines(path.read_bytes())]
    path.write_bytes(b"\n".join([*lines, b""]) if path.suffix == ".jsonl" else sealed.read_document(path.read_bytes()))
    found = audit(store)
    assert (found.mismatches, found.unprotected) == ([], [path])


def test_a_line_protects_those_before_it(store: Store) -> None:
    path = store.model("digits").history
    first, second = path.read_bytes().splitlines(keepends=True)
    old = next(sealed.read_lines(first)).json + b"\n"
    path.write_bytes(old + sealed.line(next(sealed.read_lines(second)).json.decode(), old))
    assert (audit(store).mismatches, audit(store).unprotected) == ([], [])
    path.write_bytes(path.read_bytes().replace(b'"reason":"best', b'"reason":"Best', 1))
    assert named(store) == {path}


def test_a_line_of_a_curve_that_no_card_has_hashed_yet_is_named(store: Store) -> None:
    paths = store.trials()[0]
    Card.read(paths.card).model_copy(update={"files": {}, "status": "running"}).write(paths.card)
    assert named(store) == set()
    paths.metrics.write_bytes(paths.metrics.read_bytes().replace(b"0.8", b"0.9", 1))
    (mismatch,) = audit(store).mismatches
    assert (mismatch.path, mismatch.problem) == (paths.metrics, "line 2: not epoch 2 as it was written")


@pytest.mark.parametrize("pattern", RECORDS)
def test_a_torn_record_is_named(store: Store, pattern: str) -> None:
    path = sorted(store.root.glob(pattern))[0]
    path.write_bytes(path.read_bytes()[:-9])
    assert named(store) == {path}


@pytest.mark.parametrize("pattern", [*HASHED, "trials/*/card.json", "models/*/current.json", "models/*/history.jsonl"])
def test_a_missing_file_is_named(store: Store, pattern: str) -> None:
    path = sorted(store.root.glob(pattern))[0]
    path.unlink()
    assert any(path == at or path.is_relative_to(at) for at in named(store))


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"version": "0" * 12}, "names version 000000000000, which is not there"),
        ({"manifest_sha256": "0" * 64}, f"manifest_sha256: is {'0' * 64}"),
        ({"model": "other"}, "is the pointer of model other"),
    ],
)
def test_a_pointer_to_what_is_not_there_is_named(store: Store, change: dict[str, str], problem: str) -> None:
    path = store.model("digits").current
    Current.read(path).model_copy(update=change).write(path)
    assert problem in next(finding.problem for finding in audit(store).mismatches if finding.path == path)


def test_the_search_of_another_model_is_named(store: Store) -> None:
    shutil.copytree(store.model("digits").folder, store.model("letters").folder)
    assert store.model("letters").search in named(store)


def test_the_report_of_another_experiment_is_named(store: Store) -> None:
    path = sorted(store.model("digits").versions.glob("*/report.json"))[0]
    Report.read(path).model_copy(update={"experiment": "other"}).write(path)
    assert named(store) == {path}


def lines(store: Store) -> list[HistoryLine]:
    return [line for line in history.parse(store.model("digits").history.read_bytes()) if line is not None]


@pytest.mark.parametrize(
    ("damage", "problem"),
    [
        (lambda first, second: [second], "line 1: goes on from version"),
        (lambda first, second: [first, second, second], "line 3: goes on from version"),
        (lambda first, second: [first], "current.json names"),
        (lambda first, second: [], "holds no line"),
    ],
)
def test_a_history_that_leads_elsewhere_is_named(store: Store, damage: Any, problem: str) -> None:
    path = store.model("digits").history
    path.write_text("".join(f"{line.model_dump_json()}\n" for line in damage(*lines(store))))
    (finding,) = audit(store).mismatches
    assert finding.path == path and problem in finding.problem


def test_what_lies_under_another_name_is_named(store: Store) -> None:
    moved = [
        store.trials()[0].folder,
        sorted(store.model("digits").versions.iterdir())[0],
        store.experiments()[0].folder,
    ]
    for folder in moved:
        shutil.copytree(folder, folder.with_name("0" * 12))
    under = [
        next((folder.with_name("0" * 12) for folder in moved if path.is_relative_to(folder.with_name("0" * 12))), None)
        for path in named(store)
    ]
    assert set(under) == {folder.with_name("0" * 12) for folder in moved}


def test_a_trial_that_was_killed_as_it_began_is_no_finding(store: Store) -> None:
    paths = store.trial("f" * 16)
    paths.folder.mkdir()
    paths.log.write_text("begins")
    paths.lease.write_text("of a process that is gone")
    shutil.copy(store.trials()[0].config, paths.config)
    assert named(store) == set()
    paths.checkpoint.write_bytes(b"trained")
    assert paths.card in named(store)


def test_a_folder_where_a_file_should_be_is_named_and_ends_no_audit(store: Store) -> None:
    path = store.model("digits").history
    path.unlink()
    path.mkdir()
    found = audit(store)
    assert (path, "cannot be read: Is a directory") in [(one.path, one.problem) for one in found.mismatches]


def test_values_that_a_search_learnt_from_and_that_the_curve_contradicts_are_named(store: Store) -> None:
    key = store.trials()[0].key
    path = learnt_from(store, key, (0.5, 0.7))
    (found,) = audit(store).mismatches
    assert (found.path, found.problem) == (path, f"has values of {key} that are not those of its curve")
    for values, folder, of in (((0.5, 0.8, 0.9, 0.9), None, key), ((0.1,), "../other", key), ((0.1,), None, "0" * 16)):
        learnt_from(store, of, values, folder)  # longer than the curve, of another store, of a trial that is gone
        assert audit(store).mismatches == []
