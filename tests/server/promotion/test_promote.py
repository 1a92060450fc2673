"""The best verified trial is promoted, whatever is wrong with the others and whenever a promotion is killed."""

import resource
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from itertools import count
from pathlib import Path

import numpy as np
import onnxruntime as ort
import pytest
from atelier_server.models.verification import verify
from atelier_server.promotion.promote import promote_best, run
from atelier_store.audit import audit
from atelier_store.files import sha256_file
from atelier_store.layout import Store
from atelier_store.promotion import NothingToPromote, history, promote
from atelier_store.records import Current, Leaderboard, Manifest, Parity, Report, Tensor, TrialRecord
from sklearn import metrics

from tests.support import ROOT
from tests.support.experiments import add_curve, add_trial, begin, spec
from tests.support.onnx_bundles import configured, image_bundle, rows_bundle

HARNESS = ROOT / "tests" / "support" / "killed_promotion.py"


def two_trials(store: Store, of=None, seeds=(1, 2)) -> str:
    """An experiment whose second trial is the better."""
    of = of or spec()
    name = begin(store, of)
    for seed, metric in zip(seeds, (0.8, 0.9), strict=True):
        add_trial(store, of, image_bundle(seed, metric=metric), f"trial-{seed}")
    return name


@contextmanager
def promoter(experiment: str) -> Iterator[Callable[[int, Store], Callable[[], str]]]:
    """A harness process. The function sends it a store and the step to be killed at (0: never) and gets the outcome."""
    command = [sys.executable, str(HARNESS), experiment, "digits"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:

        def begin(step: int, store: Store) -> Callable[[], str]:
            process.stdin.write(f"{step} {store.root}\n")
            process.stdin.flush()
            return lambda: process.stdout.readline().strip()

        yield begin
        process.stdin.close()


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


WIDTHS = {"name": "stage1_width", "parameterType": "discrete", "feasibleSpace": {"list": ["8", "16"]}}


def report_of(store: Store, version: str) -> Report:
    return Report.read(store.model("digits").versions / version / "report.json")


def test_the_version_tells_what_was_searched_and_how_the_winner_learned(store: Store) -> None:
    of = spec(parameters=[WIDTHS], budget={"params": 12})
    experiment = begin(store, of)
    key = add_trial(store, of, image_bundle(1, metric=0.9), "won", {"stage1_width": "16"})
    add_curve(store, key, "val_accuracy", [0.5, 0.8, 0.9, 0.7])  # it went on after its bundle of epoch 3
    add_trial(store, of, image_bundle(2, metric=0.8), "lost", {"stage1_width": "8"})
    add_trial(store, of, image_bundle(3, metric=0.99), "dear", params=13)
    report = report_of(store, promote_best(store, experiment, "digits").promotion.version)
    assert (report.experiment, report.budget.params, report.max_epochs, report.max_trial_count) == (
        experiment,
        12,
        3,
        9,
    )
    assert (report.parameters, report.chosen) == (of.experiment.parameters, {"stage1_width": "16"})
    assert [(trial.trial, trial.rank, trial.status) for trial in report.trials] == [
        ("won", 1, "succeeded"),
        ("lost", 2, "succeeded"),
        ("dear", None, "over_budget"),
    ]
    assert [(epoch.epoch, epoch.metrics["val_accuracy"]) for epoch in report.curve] == [(1, 0.5), (2, 0.8), (3, 0.9)]


def test_the_curve_of_a_tail_begins_with_its_parents(store: Store) -> None:
    of = spec(parameters=[WIDTHS])
    experiment = begin(store, of)
    parent = add_trial(store, of, image_bundle(1, metric=0.8), "parent", {"stage1_width": "8"})
    add_curve(store, parent, "val_accuracy", [0.6, 0.7, 0.8])
    tail = configured(image_bundle(1, metric=0.9), {"seed": 1}, parent=parent, parent_epochs=2, tail_epochs=3)
    add_curve(store, add_trial(store, of, tail, "tail"), "val_accuracy", [0.85, 0.88, 0.9])
    report = report_of(store, promote_best(store, experiment, "digits").promotion.version)
    assert [(epoch.epoch, epoch.metrics["val_accuracy"]) for epoch in report.curve] == [
        (1, 0.6),
        (2, 0.7),
        (3, 0.85),
        (4, 0.88),
        (5, 0.9),
    ]
    assert report.chosen == {"stage1_width": "8"}


def test_a_version_of_before_reports_were_kept_stays_as_it_is(store: Store) -> None:
    experiment = two_trials(store)
    promotion = promote_best(store, experiment, "digits").promotion
    (store.model("digits").versions / promotion.version / "report.json").unlink()
    assert audit(store).findings == []
    again = promote_best(store, experiment, "digits")
    assert (again.promotion, again.is_new) == (promotion, False)
    assert not (store.model("digits").versions / promotion.version / "report.json").exists()


def test_a_promotion_killed_before_any_step_leaves_the_old_model_or_the_new_and_the_next_one_mends_the_rest(
    tmp_path: Path,
) -> None:
    whole = Store(tmp_path / "whole")
    old = promote_best(whole, two_trials(whole, spec("old"), (3, 4)), "digits").promotion.version
    experiment = two_trials(whole)
    between = []
    with promoter(experiment) as begin_promotion:
        for step in count(1):
            store = Store(tmp_path / str(step))
            shutil.copytree(whole.root, store.root)
            if (came_to := begin_promotion(step, store)()) != "killed":
                break
            between.append(served(store))
            promote_best(store, experiment, "digits")
            assert [line.version for line in history(store.model("digits"))] == [old, served(store)]
            found = audit(store)
            assert found.findings == []
            assert all(path.name.startswith(".tmp-") for path in found.leftovers)
            assert sorted(p.name for p in store.model("digits").versions.glob("[!.]*")) == sorted([old, served(store)])
            shutil.rmtree(store.root)
        new = served(store)
    assert came_to == f"done {step - 1}" and step > 30
    assert new != old and set(between) == {old, new}
    assert sorted(between, key=[old, new].index) == between  # once the pointer is on the new version it stays there


def test_promotions_of_several_experiments_at_once_end_one_after_the_other(store: Store) -> None:
    experiments = [
        two_trials(store, spec(name), seeds) for name, seeds in (("a", (1, 2)), ("b", (3, 4)), ("c", (5, 6)))
    ]
    with ExitStack() as stack:
        harnesses = [stack.enter_context(promoter(experiment)) for experiment in experiments]
        ends = [begin_promotion(0, store) for begin_promotion in harnesses for _ in range(2)]
        assert all(end().startswith("done ") for end in ends)
    lines = history(store.model("digits"))
    assert len({line.version for line in lines}) == 3
    assert lines[0].previous is None
    assert [line.previous for line in lines[1:]] == [line.version for line in lines[:-1]]
    assert lines[-1].version == served(store)
    assert audit(store).findings == []


def test_a_line_of_history_lost_to_a_kill_is_added_by_the_promotion_of_another_experiment(store: Store) -> None:
    first = promote_best(store, two_trials(store, spec("a"), (1, 2)), "digits").promotion
    store.model("digits").history.unlink()
    second = promote_best(store, two_trials(store, spec("b"), (3, 4)), "digits").promotion
    assert [(line.version, line.experiment) for line in history(store.model("digits"))] == [
        (first.version, first.experiment),
        (second.version, second.experiment),
    ]


def test_a_torn_line_of_history_stays_for_audit_and_stops_no_promotion(store: Store) -> None:
    promote_best(store, two_trials(store, spec("a"), (1, 2)), "digits")
    path = store.model("digits").history
    torn = path.read_bytes()[:50]
    path.write_bytes(torn)
    done = promote_best(store, two_trials(store, spec("b"), (3, 4)), "digits")
    assert served(store) == done.promotion.version
    assert path.read_bytes().splitlines()[0] == torn
    assert [finding.problem for finding in audit(store).findings] == ["line 1: not a whole HistoryLine"]


def limited(size: int) -> Callable[[], None]:
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


def command(store: Store, experiment: str) -> list[str]:
    given = ["--store", str(store.root), "--experiment", experiment, "--model", "digits"]
    return [sys.executable, "-m", "atelier_server", "promote", *given]


@pytest.mark.parametrize("size", [100, 1000, 2000, 4500])
def test_a_promotion_that_cannot_write_leaves_the_model_and_ends_with_1_and_one_message(
    store: Store, size: int
) -> None:
    old = promote_best(store, two_trials(store, spec("old"), (3, 4)), "digits").promotion.version
    before = store.model("digits").history.read_bytes()
    done = subprocess.run(command(store, two_trials(store)), capture_output=True, text=True, preexec_fn=limited(size))
    assert (done.returncode, done.stderr.count("not promoted: ")) == (1, 1), done.stderr
    assert "File too large" in done.stderr and "Traceback" not in done.stderr
    assert served(store) == old
    assert store.model("digits").history.read_bytes() == before
    assert audit(store).leftovers == []


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


@pytest.mark.parametrize("file", ["manifest.json", "model.onnx", "reference.npz", "promotion.json", "report.json"])
def test_a_version_that_was_damaged_after_promotion_is_made_again(store: Store, file: str) -> None:
    experiment = two_trials(store)
    version = promote_best(store, experiment, "digits").promotion.version
    (store.model("digits").versions / version / file).write_bytes(b"{")
    assert any(version in str(finding.path) for finding in audit(store).findings)
    promote_best(store, experiment, "digits")
    assert served(store) == version
    assert audit(store).findings == []


def test_a_version_whose_manifest_says_something_else_is_made_again(store: Store) -> None:
    experiment = two_trials(store)
    version = promote_best(store, experiment, "digits").promotion.version
    path = store.model("digits").versions / version / "manifest.json"
    path.write_text(path.read_text().replace('"val_accuracy": 0.9', '"val_accuracy": 0.7'))
    promote_best(store, experiment, "digits")
    assert served(store) == version
    assert audit(store).leftovers == []


@pytest.mark.parametrize(("field", "value"), [("manifest_sha256", "0" * 64), ("model", "other"), ("version", "0" * 12)])
def test_a_pointer_that_says_something_else_is_put_right(store: Store, field: str, value: str) -> None:
    experiment = two_trials(store)
    version = promote_best(store, experiment, "digits").promotion.version
    path = store.model("digits").current
    Current.read(path).model_copy(update={field: value}).write(path)
    assert path in [finding.path for finding in audit(store).findings]
    assert promote_best(store, experiment, "digits").is_new
    assert served(store) == version
    assert audit(store).findings == []


def test_a_bundle_that_is_replaced_after_it_was_verified_is_not_promoted(store: Store) -> None:
    experiment = two_trials(store)
    bundle = store.trial(image_bundle(2, metric=0.9).fields["config"].key).bundle

    def verify_and_replace(folder: Path, manifest: Manifest) -> list[str]:
        found = verify(folder, manifest)
        shutil.rmtree(bundle)
        image_bundle(2, metric=0.1).write(bundle)
        return found

    with pytest.raises(OSError, match="changed while it was copied: manifest"):
        promote(store, experiment, "digits", verify=verify_and_replace, evaluate=lambda *_: None, promoted_by="tests")
    assert not store.model("digits").current.exists()
    assert audit(store).leftovers == []


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"outputs": (Tensor(name="other", datatype="FP32", shape=(-1, 3)),)}, "outputs are said to be other FP32"),
        ({"labels": ("zero", "one")}, "2 labels for 3 outputs"),
        ({"parity": Parity(rows=64, argmax_equal=False, max_abs_difference=1.0)}, "parity"),
    ],
)
def test_a_better_trial_that_says_of_itself_what_is_not_so_gives_way_to_the_next(
    store: Store, change: dict, reason: str
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
    assert reason in shown[1].reason


def test_a_network_with_one_bit_flipped_and_its_digest_put_right_gives_way_to_the_next(store: Store) -> None:
    of = spec()
    begin(store, of)
    liar = image_bundle(5, metric=0.99)
    network = bytearray(liar.network.SerializeToString())
    weights = network.index(liar.network.graph.initializer[0].raw_data)
    liar.reference = _reference(bytes(network), liar.inputs)
    network[weights + 3] ^= 0x40  # the exponent of the first weight
    liar.network = bytes(network)
    add_trial(store, of, liar, "liar")
    add_trial(store, of, image_bundle(6, metric=0.7), "honest")
    done = promote_best(store, of.experiment_name, "digits")
    assert done.promotion.trial == "honest"
    assert "reference.npz: recomputed outputs differ" in done.leaderboard.entries[1].reason


def _reference(network: bytes, inputs: np.ndarray) -> np.ndarray:
    return ort.InferenceSession(network, providers=["CPUExecutionProvider"]).run(None, {"input": inputs})[0]


def test_what_never_verifies_is_on_the_leaderboard_with_its_reason_though_nothing_is_promoted(store: Store) -> None:
    of = spec()
    begin(store, of)
    liar = image_bundle(5)
    liar.reference = np.full((64, 3), 1 / 3, np.float32)
    add_trial(store, of, liar, "liar")
    with pytest.raises(NothingToPromote, match="liar: reference"):
        promote_best(store, of.experiment_name, "digits")
    (shown,) = Leaderboard.read(store.experiment(of.experiment_name).leaderboard).entries
    assert (shown.rank, shown.status) == (None, "rejected") and "reference.npz" in shown.reason


def test_a_spec_that_is_torn_is_named(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    experiment = two_trials(store)
    store.experiment(experiment).spec.write_text("{")
    assert run(store, experiment, "digits") == 1
    assert str(store.experiment(experiment).spec) in caplog.text


def test_a_shared_trial_is_promoted_for_what_each_search_looks_for(store: Store) -> None:
    accuracy, loss = spec("accuracy"), spec("loss")
    looks_for = loss.experiment.objective.model_copy(update={"type": "minimize", "objective_metric_name": "val_loss"})
    loss = loss.model_copy(update={"experiment": loss.experiment.model_copy(update={"objective": looks_for})})
    bundle = image_bundle(1, metric=0.8)
    bundle.fields["metrics"]["val_loss"] = 0.25
    begin(store, accuracy), begin(store, loss)
    key = add_trial(store, accuracy, bundle, "t")
    TrialRecord(trial="u", params={}, key=key).write(store.experiment(loss.experiment_name).trial("u"))
    promotion = promote_best(store, loss.experiment_name, "digits").promotion
    assert (promotion.objective_metric_name, promotion.metric, promotion.trial) == ("val_loss", 0.25, "u")
    assert f"best val_loss of {loss.experiment_name}: 0.25" in history(store.model("digits"))[0].reason


def test_scores_on_the_test_set_are_those_of_scikit_learn_and_computed_once(store: Store) -> None:
    experiment = two_trials(store)
    random = np.random.default_rng(0)
    x, y = random.integers(0, 256, (300, 8, 8), dtype=np.uint8), random.integers(0, 3, 300)
    given = place_test_set(store, x, y)
    promotion = promote_best(store, experiment, "digits").promotion
    probabilities = _reference((store.trial(promotion.key).bundle / "model.onnx").read_bytes(), x).astype(float)
    chosen = probabilities.argmax(1)
    assert promotion.test_rows == 300
    assert promotion.test_metrics == pytest.approx(
        {
            "test_accuracy": metrics.accuracy_score(y, chosen),
            "test_macro_f1": metrics.f1_score(y, chosen, average="macro"),
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
        },
        rel=1e-5,
    )


def place_test_set(store: Store, x: np.ndarray, y: np.ndarray) -> dict[str, Path]:
    """Where its arrays lie. Only those of the test: nothing else may be opened."""
    data = store.data("d" * 64)
    data.folder.mkdir(parents=True)
    np.save(data.array("test_x"), x), np.save(data.array("test_y"), y)
    return {name: data.array(name) for name in ("test_x", "test_y")}


def test_without_a_test_set_a_model_is_promoted_without_test_scores(store: Store) -> None:
    promotion = promote_best(store, two_trials(store), "digits").promotion
    assert (promotion.test_metrics, promotion.test_rows) == (None, 0)


def test_a_torn_test_set_leaves_the_model_and_says_so(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    old = promote_best(store, two_trials(store, spec("old"), (3, 4)), "digits").promotion.version
    place_test_set(store, np.zeros((9, 8, 8), np.uint8), np.zeros(9, np.int64))["test_x"].write_bytes(b"torn")
    assert run(store, two_trials(store), "digits") == 1
    assert sum("not promoted" in message for message in caplog.messages) == 1
    assert served(store) == old
