"""The best verified trial is promoted, whatever is wrong with the others and whenever a promotion is killed."""

import shutil
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from atelier_server.promoting import promote_best, run
from atelier_server.verification import verify
from atelier_store.audit import audit
from atelier_store.files import sha256_file
from atelier_store.layout import Store
from atelier_store.promotion import NothingToPromote, history
from atelier_store.ranking import rank
from atelier_store.records import Current, Manifest
from experiments import add_trial, begin, spec
from onnx_bundles import image_bundle

HARNESS = Path(__file__).with_name("killed_promotion.py")


def two_trials(store: Store, of=None, seeds=(1, 2)) -> str:
    """An experiment whose second trial is the better."""
    of = of or spec()
    name = begin(store, of)
    for seed, metric in zip(seeds, (0.8, 0.9), strict=True):
        add_trial(store, of, image_bundle(seed, metric=metric), f"trial-{seed}")
    return name


def promote_in_child(store: Store, experiment: str, last: int) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(HARNESS), str(store.root), experiment, "digits", str(last)]
    return subprocess.run(command, capture_output=True, text=True)


def served(store: Store) -> str:
    """The version that the pointer names, after everything about it has been checked."""
    paths = store.model("digits")
    current = Current.read(paths.current)
    folder = paths.versions / current.version
    assert sha256_file(folder / "manifest.json") == current.manifest_sha256
    assert verify(folder, Manifest.read(folder / "manifest.json")) == []
    return current.version


def test_the_best_is_promoted_once_and_history_says_why(store: Store) -> None:
    experiment = two_trials(store)
    first, second = (promote_best(store, experiment, "digits") for _ in range(2))
    assert first.promotion.trial == "trial-2"
    assert (first.is_new, second.is_new) == (True, False)
    assert second.promotion == first.promotion
    assert served(store) == first.promotion.version
    (line,) = history(store.model("digits"))
    assert (line.version, line.previous, line.key) == (first.promotion.version, None, first.promotion.key)
    assert "val_accuracy" in line.reason
    assert audit(store).findings == []


def test_a_promotion_killed_before_any_step_leaves_the_old_model_or_the_new_and_the_next_one_mends_the_rest(tmp_path: Path) -> None:
    whole = Store(tmp_path / "whole")
    old = promote_best(whole, two_trials(whole, spec("old"), (3, 4)), "digits").promotion.version
    experiment = two_trials(whole)
    counting = Store(tmp_path / "counting")
    shutil.copytree(whole.root, counting.root)
    steps = int(promote_in_child(counting, experiment, 0).stdout)
    new = served(counting)
    assert new != old and steps > 20

    def killed_at(step: int) -> tuple[str, str]:
        store = Store(tmp_path / str(step))
        shutil.copytree(whole.root, store.root)
        assert promote_in_child(store, experiment, step).returncode == -signal.SIGKILL
        between = served(store)
        promote_best(store, experiment, "digits")
        lines = [line.version for line in history(store.model("digits"))]
        assert (served(store), lines) == (new, [old, new])
        shutil.rmtree(store.root)
        return between, lines[-1]

    with ThreadPoolExecutor(2) as pool:
        between = [found for found, _ in pool.map(killed_at, range(1, steps + 1))]
    assert set(between) == {old, new}
    assert sorted(between, key=[old, new].index) == between  # once the pointer is on the new version it stays there


def test_two_promotions_at_once_end_with_one_winner(store: Store) -> None:
    experiment = two_trials(store)
    with ThreadPoolExecutor(4) as pool:
        done = list(pool.map(lambda _: promote_in_child(store, experiment, 0), range(4)))
    assert [process.returncode for process in done] == [0] * 4, done
    assert len(history(store.model("digits"))) == 1
    assert served(store) == rank_first(store)


def rank_first(store: Store) -> str:
    entry = rank(store, spec()).entries[0]
    return sha256_file(store.trial(entry.key).bundle / "manifest.json")[:12]


def test_what_does_not_verify_is_rejected_with_its_reason_and_the_next_is_promoted(store: Store) -> None:
    of = spec()
    begin(store, of)
    liar = image_bundle(5, metric=0.99)
    liar.reference = np.full((64, 3), 1 / 3, np.float32)
    add_trial(store, of, liar, "liar")
    add_trial(store, of, image_bundle(6, metric=0.7), "honest")
    done = promote_best(store, of.experiment_name, "digits")
    assert done.promotion.trial == "honest"
    (rejected,) = [entry for entry in done.leaderboard.entries if entry.rank is None]
    assert (rejected.trial, rejected.status) == ("liar", "rejected")
    assert "reference.npz" in (rejected.reason or "")


def test_nothing_to_promote_names_each_trial_and_its_reason(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    of = spec(budget={"params": 5})
    experiment = begin(store, of)
    add_trial(store, of, image_bundle(1), "dear")
    key = add_trial(store, of, image_bundle(2), "broken", params=3)
    (store.trial(key).bundle / "model.onnx").write_bytes(b"torn")
    add_trial(store, of, image_bundle(3), "sick", status="failed", reason="diverged: epoch 2", params=3)
    with pytest.raises(NothingToPromote) as error:
        promote_best(store, experiment, "digits")
    reasons = dict(reason.split(": ", 1) for reason in error.value.reasons)
    assert set(reasons) == {"dear", "broken", "sick"}
    assert "params 10 > 5" in reasons["dear"]
    assert "model.onnx: its sha256" in reasons["broken"]
    assert reasons["sick"].startswith("diverged")
    assert run(store, experiment, "digits") == 1
    assert sum("not promoted" in message for message in caplog.messages) == 3
    assert not store.model("digits").current.exists()


def test_an_experiment_that_is_not_there_is_named_with_those_that_are(store: Store) -> None:
    two_trials(store)
    with pytest.raises(NothingToPromote, match=rf"no experiment 'other'; it has: {spec().experiment_name}"):
        promote_best(store, "other", "digits")


def test_equal_scores_rank_by_fewer_parameters_then_by_loss(store: Store) -> None:
    of = spec()
    begin(store, of)
    for seed, params, loss in ((1, 30, 0.1), (2, 20, 0.3), (3, 20, 0.2)):
        bundle = image_bundle(seed, metric=0.9)
        bundle.fields |= {"params": params, "metrics": {"val_accuracy": 0.9, "val_loss": loss}}
        add_trial(store, of, bundle, f"trial-{seed}")
    assert [entry.trial for entry in rank(store, of).entries] == ["trial-3", "trial-2", "trial-1"]


def test_a_trial_ranks_by_the_weights_in_its_bundle_and_not_by_its_best_epoch(store: Store) -> None:
    of = spec()
    begin(store, of)
    add_trial(store, of, image_bundle(1, metric=0.8), "steady")
    key = add_trial(store, of, image_bundle(2, metric=0.7), "fallen", status="paused")
    card = store.trial(key).card
    card.write_text(card.read_text().replace('"metric": 0.7', '"metric": 0.95'))
    assert [(e.trial, e.metric) for e in rank(store, of).entries] == [("steady", 0.8), ("fallen", 0.7)]


@pytest.mark.parametrize("file", ["manifest.json", "model.onnx", "reference.npz", "promotion.json"])
def test_a_version_that_was_damaged_after_promotion_is_made_again(store: Store, file: str) -> None:
    experiment = two_trials(store)
    version = promote_best(store, experiment, "digits").promotion.version
    (store.model("digits").versions / version / file).write_bytes(b"{")
    assert any(version in str(finding.path) for finding in audit(store).findings)
    promote_best(store, experiment, "digits")
    assert served(store) == version
