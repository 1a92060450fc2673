"""The audit of a search says what was asked, tried, promoted, read and checked; and nothing of it is taken on trust."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from atelier_cli.export.audit import AuditReport
from atelier_store.files import sha256_file
from atelier_store.layout import Store
from atelier_store.records import DataDescription, Replay
from atelier_store.spec import Spec

from tests.cli.export.conftest import ORDER, SUGGESTED
from tests.support.experiments import add_trial, begin, promote_best, spec
from tests.support.onnx_bundles import ENVIRONMENT, image_bundle
from tests.support.searches import Completed, atelier


def audit(store: Store, file: Path, *experiment: str) -> Completed:
    return atelier("audit", *experiment, "--store", str(store.root), "--report", str(file))


def report(store: Store, searched: Spec, tmp_path: Path) -> AuditReport:
    audit(store, tmp_path / "audit.json", searched.experiment_name)
    return AuditReport.read(tmp_path / "audit.json")


def test_everything_that_was_asked_and_tried_is_in_it(store: Store, searched: Spec, tmp_path: Path) -> None:
    found = report(store, searched, tmp_path)
    assert (found.experiment, found.spec) == (searched.experiment_name, searched)
    assert found.spec_sha256 == sha256_file(store.experiment(searched.experiment_name).spec)
    assert [trial.entry.trial for trial in found.trials] == ORDER
    trials = {trial.entry.trial: trial for trial in found.trials}
    best, failed = trials["succeeded"], trials["failed"]
    assert best.config and best.entry.key == best.config.key and best.config.seed == 0
    assert best.entry.parameters == SUGGESTED
    assert (failed.entry.status, failed.entry.reason) == ("failed", "Diverged: =1+1\nat epoch 3")
    assert best.trained_by == "tests-12345678", "another search than this one"
    assert trials["refused"].files == {} and trials["refused"].entry.reason == "lr: 9 is too much"


def test_the_digests_are_those_of_the_files_as_they_are_now(store: Store, searched: Spec, tmp_path: Path) -> None:
    found = report(store, searched, tmp_path)
    for trial in found.trials:
        if trial.entry.key and trial.card:
            assert len(trial.files) == 5 + (trial.entry.trial != "over"), "which has no curve"
        for name, digest in trial.files.items():
            assert hashlib.sha256((store.root / name).read_bytes()).hexdigest() == digest


def test_the_winner_is_named_with_its_rule_and_its_margin(store: Store, searched: Spec, tmp_path: Path) -> None:
    winner = report(store, searched, tmp_path).winner
    assert winner and (winner.trial, winner.value, winner.runner_up, winner.runner_up_value) == (
        "tail", 0.95, "succeeded", 0.9,
    )  # fmt: skip
    assert winner.margin == pytest.approx(0.05)
    assert winner.rule.startswith("highest val_accuracy of the last epoch's weights; of equal ones fewer parameters")


def with_test_rows(store: Store, digest: str = "d" * 64) -> None:
    """Prepared data whose test rows a promotion can read."""
    paths = store.data(digest)
    paths.folder.mkdir(parents=True)
    for part, rows in (("train", 8), ("test", 4)):
        np.save(paths.array(f"{part}_x"), np.zeros((rows, 8, 8), np.uint8))
        np.save(paths.array(f"{part}_y"), np.zeros(rows, np.int64))
    described: dict[str, Any] = {"kind": "images", "task": "classification", "shape": (8, 8), "source": "test"}
    DataDescription(
        digest=digest, labels=("zero", "one", "two"), train_rows=8, test_rows=4, **described
    ).write(paths.description)  # fmt: skip


def test_readings_of_the_test_rows_and_moves_of_the_pointer_are_told(store: Store, tmp_path: Path) -> None:
    with_test_rows(store)
    first, second = spec("first"), spec("second")
    for one, seed in ((first, 1), (second, 2)):
        begin(store, one)
        add_trial(store, one, image_bundle(seed, metric=0.8 + seed / 100), f"trial-{seed}")
    of_first = promote_best(store, first.experiment_name, "digits")
    promote_best(store, second.experiment_name, "digits")
    found = report(store, first, tmp_path)
    (model,) = found.models
    assert [version.version for version in model.versions] == [of_first.promotion.version]
    assert [line.experiment for line in model.history] == [first.experiment_name, second.experiment_name]
    assert model.current and model.current.version != of_first.promotion.version
    (reading,) = found.test_readings
    assert (reading.purpose, reading.version, reading.rows) == ("score", of_first.promotion.version, 4)
    assert reading.read_at == of_first.promotion.promoted_at
    assert [data.digest for data in found.data] == ["d" * 64]


def test_what_does_not_match_is_in_it_and_is_the_exit_code(store: Store, searched: Spec, tmp_path: Path) -> None:
    key = report(store, searched, tmp_path).trials[0].entry.key
    assert key
    network = store.trial(key).bundle.network
    network.write_bytes(network.read_bytes() + b"x")
    done = audit(store, tmp_path / "audit.json")
    found = AuditReport.read(tmp_path / "audit.json")
    assert done.returncode == 1
    place = network.relative_to(store.root).as_posix()
    assert place in {mismatch.path for mismatch in found.verification.mismatches}
    assert found.winner and found.winner.trial == "tail", "the changed one is not ranked"
    assert found.verification.checked["trials"] == 6


def test_a_replay_is_told_with_its_trial(store: Store, searched: Spec, tmp_path: Path) -> None:
    key = report(store, searched, tmp_path).trials[0].entry.key
    assert key
    replayed = Replay(
        key=key, epochs=2, tensors=3, different=("w",), environment=ENVIRONMENT, replayed_at="2026-01-01T00:00:00.000Z"
    )
    path = store.trial(key).replay(replayed.replayed_at)
    replayed.write(path)
    assert path.name == "2026-01-01T000000.000Z.json"
    found = report(store, searched, tmp_path)
    assert found.trials[0].replays == (replayed,)
    path.write_text(path.read_text().replace('"tensors": 3', '"tensors": 4'))
    found = report(store, searched, tmp_path)
    assert found.trials[0].replays == ()
    assert path.relative_to(store.root).as_posix() in {one.path for one in found.verification.mismatches}


def test_a_change_of_the_report_is_noticed(store: Store, searched: Spec, tmp_path: Path) -> None:
    report(store, searched, tmp_path)
    file = tmp_path / "audit.json"
    assert json.loads(file.read_text())["winner"]["margin"]
    file.write_text(file.read_text().replace('"trial": "tail"', '"trial": "over"', 1))
    with pytest.raises(ValueError, match="its sha256 is not that of its content"):
        AuditReport.read(file)


def test_a_search_without_a_file_for_its_audit_is_refused(store: Store, searched: Spec, tmp_path: Path) -> None:
    refused = atelier("audit", searched.experiment_name, "--store", str(store.root))
    assert refused.returncode == 2 and "name one with --report FILE" in refused.stderr
    refused = audit(store, tmp_path / "audit.json", "other")
    assert (refused.returncode, (tmp_path / "audit.json").exists()) == (2, False)
    assert refused.stderr == f"{store.root} has no experiment 'other'; it has: {searched.experiment_name}\n"
