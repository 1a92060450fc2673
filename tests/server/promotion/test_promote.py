"""The promote command: the best trial that verifies is promoted and tested; whatever goes wrong, the model stays."""

import base64
import gzip
import os
import re
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from atelier_board import report
from atelier_server.models.verification import verify
from atelier_server.promotion.promote import choose, run
from atelier_store.audit import audit
from atelier_store.files import sha256_file
from atelier_store.layout import Store
from atelier_store.records import Current, Decision, Leaderboard, Manifest, Parity, Policy, Search, Tensor
from atelier_store.winners import NothingToPromote
from sklearn import metrics

from tests.support.current import applied_last
from tests.support.experiments import add_trial, begin, history_of, promote_best, spec, two_trials
from tests.support.onnx_bundles import configured, image_bundle, rows_bundle


def served(store: Store) -> str:
    """The version that the pointer names, after everything about it has been checked."""
    paths = store.model("digits")
    current = Current.read(paths.current)
    version = paths.version(current.version)
    assert sha256_file(version.manifest) == current.manifest_sha256
    assert verify(version, Manifest.read(version.manifest)) == []
    return current.version


def limited(size: int) -> Callable[[], None]:
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


def command(store: Store, experiment: str) -> list[str]:
    given = ["--store", str(store.root), "--experiment", experiment, "--model", "digits"]
    return [sys.executable, "-m", "atelier_server", "promote", *given]


@pytest.mark.process
@pytest.mark.parametrize("size", [100, 1000, 2000, 4500])
def test_a_promotion_that_cannot_write_leaves_the_model_and_ends_with_1_and_one_message(
    store: Store, size: int
) -> None:
    old = promote_best(store, two_trials(store, spec("old"), (3, 4)), "digits").promotion.version
    before = store.model("digits").history.read_bytes()
    whole = os.environ | {"PYTHONDONTWRITEBYTECODE": "1"}  # Python would keep bytecode that was cut off
    done = subprocess.run(
        command(store, two_trials(store)), capture_output=True, text=True, preexec_fn=limited(size), env=whole
    )
    assert (done.returncode, done.stderr.count("not promoted: ")) == (1, 1), done.stderr
    assert "File too large" in done.stderr and "Traceback" not in done.stderr
    assert served(store) == old
    assert store.model("digits").history.read_bytes() == before
    assert audit(store).leftovers == []


@pytest.mark.process
@pytest.mark.parametrize(
    ("mount", "message"),
    [
        ("mount --bind {0} {0} && mount -o remount,ro,bind {0}", "Read-only"),
        (
            "mount --bind {0} {0}.copy && mount -t tmpfs -o size=200k tmpfs {0} && cp -a {0}.copy/. {0}; "
            "cat /dev/zero > {0}/filler",
            "No space left",
        ),
    ],
)
def test_on_a_full_or_read_only_disk_the_model_stays(store: Store, mount: str, message: str) -> None:
    if subprocess.run(["unshare", "-rm", "mount", "-t", "tmpfs", "tmpfs", "/mnt"], capture_output=True).returncode:
        pytest.skip("this machine lets nobody mount")
    promote_best(store, two_trials(store, spec("old"), (3, 4)), "digits")
    experiment = two_trials(store)
    Path(f"{store.root}.copy").mkdir()
    pointer = store.model("digits").current
    script = f'{mount.format(store.root)}; "$@"; code=$?; cat {pointer}; exit $code'
    done = subprocess.run(
        ["unshare", "-rm", "sh", "-c", script, "sh", *command(store, experiment)], capture_output=True, text=True
    )
    assert done.returncode == 1, done.stderr
    assert done.stderr.count("not promoted: ") == 1 and message in done.stderr and "Traceback" not in done.stderr
    assert done.stdout == pointer.read_text()


def test_what_does_not_verify_is_rejected_with_its_reason_and_the_next_is_promoted(store: Store) -> None:
    of = spec()
    begin(store, of)
    liar = image_bundle(5, metric=0.99)
    liar.reference = np.full((64, 3), 1 / 3, np.float32)
    add_trial(store, of, liar, "liar")
    add_trial(store, of, image_bundle(6, metric=0.7), "honest")
    done = promote_best(store, of.experiment_name, "digits")
    assert done.promotion.trial == "honest"
    assert done.leaderboard
    (rejected,) = [entry for entry in done.leaderboard.entries if entry.rank is None]
    assert (rejected.trial, rejected.status) == ("liar", "rejected")
    assert "reference.npz" in (rejected.reason or "")


def test_nothing_to_promote_names_each_trial_and_its_reason(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    of = spec(budget={"params": 5})
    experiment = begin(store, of)
    add_trial(store, of, image_bundle(1), "dear")
    key = add_trial(store, of, image_bundle(2), "broken", params=3)
    store.trial(key).bundle.network.write_bytes(b"torn")
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


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"outputs": (Tensor(name="other", datatype="FP32", shape=(-1, 3)),)}, "outputs are said to be other FP32"),
        ({"labels": ("zero", "one")}, "2 labels for 3 outputs"),
        ({"parity": Parity(rows=64, argmax_equal=False, max_abs_difference=1.0)}, "parity"),
    ],
)
def test_a_better_trial_that_says_of_itself_what_is_not_so_gives_way_to_the_next(
    store: Store, change: dict[str, Any], reason: str
) -> None:
    of = spec()
    begin(store, of)
    liar = image_bundle(5, metric=0.99)
    liar.fields |= change
    add_trial(store, of, liar, "liar")
    add_trial(store, of, image_bundle(6, metric=0.7), "honest")
    assert promote_best(store, of.experiment_name, "digits").promotion.trial == "honest"
    shown = Leaderboard.read(store.experiment(of.experiment_name).leaderboard).entries
    assert [(e.trial, e.rank) for e in shown] == [("honest", 1), ("liar", None)]
    assert reason in (shown[1].reason or "")


def test_a_network_with_one_bit_flipped_and_its_digest_put_right_gives_way_to_the_next(store: Store) -> None:
    of = spec()
    begin(store, of)
    liar = image_bundle(5, metric=0.99)
    assert isinstance(liar.network, onnx.ModelProto)
    network = bytearray(liar.network.SerializeToString())
    weights = network.index(liar.network.graph.initializer[0].raw_data)
    liar.reference = _reference(bytes(network), liar.inputs)
    network[weights + 3] ^= 0x40  # the exponent of the first weight
    liar.network = bytes(network)
    add_trial(store, of, liar, "liar")
    add_trial(store, of, image_bundle(6, metric=0.7), "honest")
    done = promote_best(store, of.experiment_name, "digits")
    assert done.promotion.trial == "honest"
    assert done.leaderboard
    assert "reference.npz: recomputed outputs differ" in (done.leaderboard.entries[1].reason or "")


def _reference(network: bytes, inputs: np.ndarray) -> np.ndarray:
    outputs: np.ndarray = ort.InferenceSession(network, providers=["CPUExecutionProvider"]).run(
        None, {"input": inputs}
    )[0]
    return outputs


def test_what_never_verifies_is_on_the_leaderboard_with_its_reason_though_nothing_is_promoted(store: Store) -> None:
    of = spec()
    begin(store, of)
    liar = image_bundle(5)
    liar.reference = np.full((64, 3), 1 / 3, np.float32)
    add_trial(store, of, liar, "liar")
    with pytest.raises(NothingToPromote, match="liar: reference"):
        promote_best(store, of.experiment_name, "digits")
    (shown,) = Leaderboard.read(store.experiment(of.experiment_name).leaderboard).entries
    assert (shown.rank, shown.status) == (None, "rejected") and "reference.npz" in (shown.reason or "")


def test_a_spec_that_is_torn_is_named(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    experiment = two_trials(store)
    store.experiment(experiment).spec.write_text("{")
    assert run(store, experiment, "digits") == 1
    assert str(store.experiment(experiment).spec) in caplog.text


def test_scores_on_the_test_set_are_those_of_scikit_learn_and_computed_once(store: Store) -> None:
    experiment = two_trials(store)
    random = np.random.default_rng(0)
    x, y = random.integers(0, 256, (300, 8, 8), dtype=np.uint8), random.integers(0, 3, 300)
    given = place_test_set(store, x, y)
    promotion = promote_best(store, experiment, "digits").promotion
    probabilities = _reference(store.trial(promotion.key).bundle.network.read_bytes(), x).astype(float)
    chosen = probabilities.argmax(1)
    assert promotion.test_rows == 300
    assert promotion.test_metrics == pytest.approx(
        {
            "test_accuracy": metrics.accuracy_score(y, chosen),
            "test_macro_f1": metrics.f1_score(y, chosen, average="macro"),
            "test_balanced_accuracy": metrics.balanced_accuracy_score(y, chosen),
            "test_mcc": metrics.matthews_corrcoef(y, chosen),
            "test_auc": metrics.roc_auc_score(np.eye(3)[y], probabilities),
            "test_average_precision": metrics.average_precision_score(y, probabilities),
            "test_ece": (promotion.test_metrics or {})["test_ece"],  # scikit-learn has none
            "test_loss": metrics.log_loss(y, probabilities / probabilities.sum(1, keepdims=True), labels=[0, 1, 2]),
        },
        rel=1e-6,
    )
    given["test_x"].write_bytes(b"never read again")
    assert promote_best(store, experiment, "digits").promotion == promotion


def test_scores_of_a_regression_are_those_of_scikit_learn(store: Store) -> None:
    of = spec()
    of = of.model_copy(
        update={
            "experiment": of.experiment.model_copy(
                update={
                    "objective": of.experiment.objective.model_copy(
                        update={"type": "minimize", "objective_metric_name": "val_rmse"}
                    )
                }
            )
        }
    )
    begin(store, of)
    add_trial(store, of, rows_bundle(), "t")
    random = np.random.default_rng(0)
    x = random.normal(size=(300, 3)).astype(np.float32)
    y = (x @ np.array([1, 2, 2.5]) + random.normal(size=300)).astype(np.float32)
    place_test_set(store, x, y)
    promotion = promote_best(store, of.experiment_name, "house").promotion
    predicted = x @ np.array([1, 2, 3.0])
    assert promotion.test_metrics == pytest.approx(
        {
            "test_rmse": metrics.root_mean_squared_error(y, predicted),
            "test_mae": metrics.mean_absolute_error(y, predicted),
            "test_r2": metrics.r2_score(y, predicted),
            "test_loss": 1 - metrics.r2_score(y, predicted),
            "test_mape": metrics.mean_absolute_percentage_error(y, predicted),
        },
        rel=1e-5,
    )


def place_test_set(store: Store, x: np.ndarray, y: np.ndarray) -> dict[str, Path]:
    """Where its arrays lie. Only those of the test: nothing else may be opened."""
    data = store.data("d" * 64)
    data.folder.mkdir(parents=True)
    np.save(data.array("test_x"), x)
    np.save(data.array("test_y"), y)
    return {name: data.array(name) for name in ("test_x", "test_y")}


def test_a_torn_test_set_leaves_the_model_and_says_so(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    old = promote_best(store, two_trials(store, spec("old"), (3, 4)), "digits").promotion.version
    place_test_set(store, np.zeros((9, 8, 8), np.uint8), np.zeros(9, np.int64))["test_x"].write_bytes(b"torn")
    assert run(store, two_trials(store), "digits") == 1
    assert sum("not promoted" in message for message in caplog.messages) == 1
    assert served(store) == old


def search(store: Store) -> Search:
    return Search.read(store.model("digits").search)


def one_trial(store: Store, name: str, number: int, metric: float) -> str:
    """A search of one trial, on the same data, split and seed as every other; the result is its name."""
    of = spec(name)
    begin(store, of)
    add_trial(store, of, configured(image_bundle(number, metric=metric), {"number": number}, seed=0), name)
    return of.experiment_name


def test_a_promoted_network_that_was_not_trained_to_its_end_is_told_of(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    of = spec(maxEpochs=9)
    add_trial(store, of, image_bundle(1), "paused", status="paused")
    assert run(store, begin(store, of), "digits") == 0
    told = search(store)
    assert told.state == "promoted"
    assert told.reason == (
        "not trained to its end: it stopped after epoch 3 of 9, and no search has trained it on since"
    )
    assert any(message.endswith(told.reason) for message in caplog.messages)


def test_a_refusal_is_no_failure_and_is_told_with_both_scores_and_how_to_approve(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    assert run(store, one_trial(store, "a", 1, 0.9), "digits") == 0
    first = served(store)
    assert (search(store).state, search(store).reason) == ("promoted", None)
    second = one_trial(store, "b", 2, 0.8)
    assert run(store, second, "digits") == 0
    assert served(store) == first
    decision = Decision.read(store.model("digits").decision)
    told = search(store)
    assert (told.state, told.experiment) == ("refused", second)
    assert told.reason == (
        f"digits version {decision.version} (trial b) is refused: it is worse: val_accuracy 0.8, served 0.9, on the "
        f"same validation rows; version {first} stays; to serve it: promotion.version={decision.version}, or atelier "
        f"promote --model digits --version {decision.version}"
    )
    assert told.reason in caplog.messages


@pytest.mark.parametrize(
    ("policy", "state"), [("candidate", "waiting"), ("none", "not_promoted"), ("always", "promoted")]
)
def test_the_record_of_the_search_says_what_the_policy_did(store: Store, policy: Policy, state: str) -> None:
    assert run(store, one_trial(store, "a", 1, 0.9), "digits", policy) == 0
    assert search(store).state == state
    assert policy == "always" or f"promotion.policy is {policy}; no version is served" in (search(store).reason or "")


def test_a_version_that_is_named_is_served_and_the_winner_waits(store: Store) -> None:
    run(store, one_trial(store, "a", 1, 0.8), "digits")
    first = served(store)
    second = one_trial(store, "b", 2, 0.9)
    run(store, second, "digits")
    assert served(store) != first
    assert choose(store, "digits", first, "promotion.version of release digits") == 0
    assert history_of(store, "digits")[-1].reason.startswith(f"version {first} was chosen: promotion.version of")
    assert served(store) == first
    assert run(store, second, "digits", held=first) == 0
    assert search(store).state == "waiting"
    assert f"a person has chosen version {first} since" in (search(store).reason or "")
    assert run(store, second, "digits") == 0
    assert served(store) == first, "the policy decides on the next search only"
    third = one_trial(store, "c", 3, 0.95)
    assert run(store, third, "digits", held=first) == 0
    assert (search(store).state, served(store)) == ("waiting", first)
    assert f"version {first} is held" in (search(store).reason or "")


def test_a_version_that_is_not_there_fails_and_is_told(store: Store) -> None:
    run(store, one_trial(store, "a", 1, 0.8), "digits")
    first = served(store)
    assert choose(store, "digits", "0" * 12) == 1
    assert (search(store).state, served(store)) == ("failed", first)
    assert search(store).reason == f"version: digits has no version '000000000000'; it has: {first}"


def test_a_version_that_an_empty_store_lacks_is_told_of_the_present_search(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    applied_last("a-89abcdef", tmp_path, monkeypatch)
    store.root.mkdir(parents=True, exist_ok=True)
    assert choose(store, "digits", "0" * 12) == 1
    told = search(store)
    assert (told.experiment, told.state) == ("a-89abcdef", "failed")
    assert told.reason == "version: digits has no version '000000000000'; it has: none"


def test_the_served_version_is_tested_again_where_only_the_test_rows_are_the_same(store: Store) -> None:
    random = np.random.default_rng(0)
    place_test_set(store, random.integers(0, 256, (300, 8, 8), dtype=np.uint8), random.integers(0, 3, 300))
    first = promote_best(store, two_trials(store, spec("old"), (3, 4)), "digits").promotion
    assert run(store, two_trials(store), "digits") == 0
    decision = Decision.read(store.model("digits").decision)
    assert decision.comparison and first.test_metrics
    assert (decision.comparison.rows, decision.comparison.metric_name) == ("test", "test_accuracy")
    assert decision.comparison.served == first.test_metrics["test_accuracy"]
    assert decision.test_looks == 1


@pytest.mark.process
@pytest.mark.parametrize("given", [[], ["--experiment", "x", "--version", "0" * 12]], ids=["neither", "both"])
def test_an_experiment_and_a_version_are_two_things(store: Store, given: list[str]) -> None:
    done = subprocess.run([*command(store, "x")[:-4], "--model", "digits", *given], capture_output=True, text=True)
    assert done.returncode == 2
    assert "promote needs --experiment or --version, and not both" in done.stderr


def test_the_winner_of_a_search_that_another_one_has_replaced_is_not_promoted(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    experiment, present = one_trial(store, "a", 1, 0.8), applied_last("b-89abcdef", tmp_path, monkeypatch)
    assert run(store, experiment, "digits") == 0
    assert not store.model("digits").folder.exists()
    present.write_text(experiment)
    assert run(store, experiment, "digits") == 0
    assert served(store)


# the report beside the leaderboard


def test_the_end_of_a_search_leaves_its_report_as_the_command_writes_it(store: Store) -> None:
    experiment = two_trials(store)
    assert run(store, experiment, "digits") == 0
    assert store.experiment(experiment).report.read_text() == report.of_search(store, experiment)


def test_a_search_of_which_nothing_can_be_promoted_leaves_its_report_too(store: Store) -> None:
    of = spec()
    add_trial(store, of, image_bundle(3), "sick", status="failed", reason="diverged: epoch 2", params=3)
    assert run(store, begin(store, of), "digits") == 1
    assert "diverged: epoch 2" in answers_of(store.experiment(of.experiment_name).report)
    assert run(store, "nobody", "digits") == 1
    assert not store.experiment("nobody").folder.exists()


def answers_of(file: Path) -> str:
    """What a report holds for its script."""
    (packed,) = re.findall(r'type="application/gzip">(.*?)</script>', file.read_text())
    return gzip.decompress(base64.b64decode(packed)).decode()


def test_a_report_that_cannot_be_left_is_a_warning_and_the_promotion_stands(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    experiment = two_trials(store)
    in_its_place = store.experiment(experiment).report
    in_its_place.mkdir()
    assert run(store, experiment, "digits") == 0
    assert served(store) and search(store).state == "promoted"
    assert any("no report.html is left: IsADirectoryError" in message for message in caplog.messages)
    assert list(in_its_place.iterdir()) == [] and audit(store).leftovers == []
