"""The trial program as a process: what it prints, how it ends, and that whatever stops it costs nothing."""

from __future__ import annotations

import math
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from atelier_store.bundle import check_digests
from atelier_store.curve import append_epoch, read_curve, truncate
from atelier_store.ranking import rank
from atelier_store.records import Baselines, Card, DataDescription, Manifest, TrialConfig, TrialRecord
from atelier_store.spec import Task
from atelier_trial.data import load, parts

from tests.support.server_process import eventually
from tests.support.workplace import NETWORK, Ended, Workplace, ended, profile

pytestmark = pytest.mark.process

Finished = tuple[Workplace, Ended]

KATIBS_SCRIPT = """{trial} 1>katib/metrics.log 2>&1 || if test -f katib/$$.pid && \
[ $(head -n 1 katib/$$.pid) = early-stopped ]; then echo Training Container was Early Stopped; \
else echo Training Container was failed; exit 1; fi && echo completed > katib/$$.pid"""
"""What Katib's webhook makes of a trial's command when an Experiment has medianstop."""

LINE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z (\w+)=(\S+)")


def values(out: str) -> list[tuple[str, float]]:
    """What standard output says, every line of which must be a finite metric."""
    found = []
    for line in out.splitlines():
        match = LINE.fullmatch(line)
        assert match, out
        found.append((match[1], float(match[2])))
    assert all(math.isfinite(value) for _, value in found)
    return found


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """A trial that was never interrupted, and what it printed."""
    work = Workplace(tmp_path_factory.mktemp("finished"))
    return work, ended(work.start(profile(4), *NETWORK))


def copy_of(finished: Finished, work: Workplace) -> None:
    shutil.copytree(finished[0].store.root, work.store.root)


def test_a_trial_prints_its_curve_and_nothing_else(finished: Finished) -> None:
    work, end = finished
    assert end.code == 0, end.err
    assert values(end.out) == [
        ("val_accuracy", float(f"{e.metrics['val_accuracy']:.6g}")) for e in read_curve(work.trial.metrics)
    ]
    stamps = [line.split()[0] for line in end.out.splitlines()]
    assert len(stamps) == 4
    assert stamps == sorted(set(stamps))
    card = work.card
    assert (card.status, card.epochs, card.key) == ("succeeded", 4, work.trial.key)
    assert 50e6 < (card.peak_memory_bytes or 0) < 5e9
    last = read_curve(work.trial.metrics)[-1].metrics["val_accuracy"]
    manifest = Manifest.read(work.trial.bundle.manifest)
    assert card.metric == card.value == last == manifest.metrics["val_accuracy"]
    assert check_digests(work.trial.bundle) == []
    assert TrialRecord.read(work.store.experiments()[0].trial("t")).key == card.key


def test_a_finished_trial_prints_its_curve_again_without_importing_torch(
    finished: Finished, work: Workplace, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy_of(finished, work)
    before = work.trial.card.read_bytes()
    monkeypatch.setenv("PYTHONPROFILEIMPORTTIME", "1")
    end = ended(work.start(profile(4), *NETWORK, name="another"))
    assert end.code == 0
    assert values(end.out) == values(finished[1].out)
    imported = {line.rpartition("|")[2].strip() for line in end.err.splitlines() if line.startswith("import time:")}
    assert "atelier_trainer.trial" in imported
    assert not imported & {"torch", "sklearn", "onnxruntime", "scipy", "pandas"}
    assert work.trial.card.read_bytes() == before


def test_more_epochs_go_on_where_the_finished_trial_ended(finished: Finished, work: Workplace) -> None:
    copy_of(finished, work)
    end = work.run(profile(5), *NETWORK)
    assert "resuming after epoch 4" in end.err
    assert values(end.out)[:4] == values(finished[1].out)
    assert len(values(end.out)) == 5


def test_the_first_trial_of_rows_trains_what_the_search_has_to_beat_unless_it_is_there(work: Workplace) -> None:
    data = {"source": "sklearn", "name": "wine"}
    assert work.run(profile(1, data), *NETWORK).code == 0
    (path,) = work.store.baselines.iterdir()
    before = path.read_bytes()
    names = [baseline.name for baseline in Baselines.read(path).baselines]
    assert names == ["majority", "logistic_regression", "hist_gradient_boosting"]
    end = work.run(profile(1, data), "stem_width=5", name="another")
    assert end.code == 0
    assert "training a baseline" not in end.err
    assert path.read_bytes() == before


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_trial_struck_after_an_epoch_ends_with_the_same_weights(
    finished: Finished, work: Workplace, number: signal.Signals
) -> None:
    process = work.start(profile(4), *NETWORK)
    assert process.stdout and process.stdout.readline()
    process.send_signal(number)
    struck = ended(process)
    if number == signal.SIGTERM:
        assert (struck.code, work.card.status) in ((143, "stopped"), (0, "succeeded")), struck.err
    else:
        assert struck.code in (-number, 0)
    end = work.run(profile(4), *NETWORK)
    assert end.code == 0, end.err
    assert values(end.out) == values(finished[1].out)
    assert work.card.weights_sha256 == finished[0].card.weights_sha256
    assert work.card.files["model/model.onnx"] == finished[0].card.files["model/model.onnx"]


@pytest.mark.parametrize(("word", "code", "mark"), [("early-stopped", 0, "completed"), (None, 1, None)])
def test_a_trial_asked_to_stop_says_so_in_its_card_and_is_finished_for_katibs_shell_only_if_medianstop_asked(
    work: Workplace, word: str | None, code: int, mark: str | None
) -> None:
    """The shell is that of Katib's webhook; its metrics collector writes the word and stops the shell's only child."""
    (work.folder / "katib").mkdir()
    shell = work.start(profile(100_000), *NETWORK, script=KATIBS_SCRIPT)
    log = work.folder / "katib" / "metrics.log"
    eventually(lambda: log.exists() and "val_accuracy=" in log.read_text())
    asked = work.folder / "katib" / f"{shell.pid}.pid"
    if word is not None:
        asked.write_text(word)
    (trial,) = Path(f"/proc/{shell.pid}/task/{shell.pid}/children").read_text().split()
    os.kill(int(trial), signal.SIGTERM)
    assert ended(shell).code == code
    assert (asked.read_text().strip() if asked.exists() else None) == mark
    assert (work.card.status, work.card.weights_sha256) == ("stopped", None)
    assert work.card.epochs >= 1


def test_a_torn_checkpoint_starts_over_to_the_same_weights(finished: Finished, work: Workplace) -> None:
    copy_of(finished, work)
    shutil.rmtree(work.trial.bundle.folder)
    work.trial.card.write_text('{"key": "')
    content = work.trial.checkpoint.read_bytes()
    work.trial.checkpoint.write_bytes(content[: len(content) // 2])
    end = work.run(profile(4), *NETWORK)
    assert end.code == 0, end.err
    assert "the checkpoint is torn" in end.err
    assert work.card.weights_sha256 == finished[0].card.weights_sha256
    assert values(end.out) == values(finished[1].out)


def test_a_torn_card_costs_an_export_and_no_training(finished: Finished, work: Workplace) -> None:
    copy_of(finished, work)
    work.trial.card.write_text('{"key": "')
    end = work.run(profile(4), *NETWORK)
    assert end.code == 0, end.err
    assert "resuming after epoch 4, batch 0" in end.err
    assert work.card.weights_sha256 == finished[0].card.weights_sha256


def test_a_trial_of_a_release_that_did_not_know_the_objective_trains_again_to_the_same_weights(
    finished: Finished, work: Workplace
) -> None:
    copy_of(finished, work)
    curve = read_curve(work.trial.metrics)
    truncate(work.trial.metrics, 0)
    for epoch in curve:
        known = {name: value for name, value in epoch.metrics.items() if name != "val_mcc"}
        append_epoch(work.trial.metrics, epoch.model_copy(update={"metrics": known}))
    end = work.run(profile(4, None, {"objective": {"objectiveMetricName": "val_mcc"}}), *NETWORK)
    assert end.code == 0, end.err
    assert "trained without val_mcc; starting over" in end.err
    assert [name for name, _ in values(end.out)] == ["val_mcc"] * 4
    assert [epoch.metrics for epoch in read_curve(work.trial.metrics)] == [epoch.metrics for epoch in curve]
    assert work.card.weights_sha256 == finished[0].card.weights_sha256


def test_a_trial_whose_objective_its_validation_rows_do_not_have_fails_and_names_those_they_have(
    work: Workplace,
) -> None:
    x = np.linspace(-9, 9, 100, dtype=np.float32).reshape(50, 2)
    np.savez(work.folder / "train.npz", x=x, y=x[:, 0])
    data = {"source": "npz", "kind": "rows", "task": "regression", "files": {"train": {"path": "train.npz"}}}
    objective = {"type": "minimize", "objectiveMetricName": "val_rmsle"}
    end = work.run(profile(1, data, {"objective": objective}), "stem_width=4", "stage1_width=4", "batch=16")
    assert (end.code, end.out, work.card.status) == (3, "", "failed")
    assert "objectiveMetricName: val_rmsle is defined for targets above -1, which the validation" in (
        work.card.reason or ""
    )
    assert "allowed: val_rmse, val_mae, val_r2, val_loss, val_mape, train_loss" in (work.card.reason or "")
    assert read_curve(work.trial.metrics) == []


def test_balanced_class_weights_make_another_trial_whose_config_says_so(finished: Finished, work: Workplace) -> None:
    copy_of(finished, work)
    end = work.run(profile(1, class_weights="balanced"), *NETWORK, name="balanced")
    assert end.code == 0, end.err
    configs = [TrialConfig.read(paths.config) for paths in work.store.trials()]
    assert sorted(str(config.class_weights) for config in configs) == ["balanced", "none"]
    assert ["class_weights" in paths.config.read_text() for paths in work.store.trials()].count(True) == 1
    losses = {
        str(config.class_weights): read_curve(work.store.trial(config.key).metrics)[0].metrics["train_loss"]
        for config in configs
    }
    assert losses["balanced"] != losses["none"]


LOSSES = """
from torch.nn import functional
def halved(scores, y):
    return functional.cross_entropy(scores, y) / 2
def of_each_row(scores, y):
    return functional.cross_entropy(scores, y, reduction="none")
"""


def test_a_loss_of_ones_own_trains_another_trial_and_an_edit_of_it_another_one(
    finished: Finished, work: Workplace
) -> None:
    copy_of(finished, work)
    losses = work.folder / "losses.py"
    for name, text in (("halved", LOSSES), ("edited", LOSSES.replace("/ 2", "/ 4"))):
        losses.write_text(text)
        end = work.run(profile(1, loss="losses:halved"), *NETWORK, name=name)
        assert end.code == 0, end.err
    configs = {TrialConfig.read(paths.config).loss_digest: paths for paths in work.store.trials()}
    assert len(configs) == 3
    first = {digest: read_curve(paths.metrics)[0].metrics["train_loss"] for digest, paths in configs.items()}
    own = [loss for digest, loss in first.items() if digest is not None]
    assert max(own) < 0.6 * first[None]
    assert "loss_digest" not in configs[None].config.read_text()


def test_a_loss_that_is_no_scalar_fails_the_trial_and_says_what_is_allowed(work: Workplace) -> None:
    (work.folder / "losses.py").write_text(LOSSES)
    end = work.run(profile(1, loss="losses:of_each_row"), *NETWORK)
    assert (end.code, end.out) == (3, "")
    assert "trainer.loss returned a tensor of shape (64,); allowed: a scalar tensor" in (work.card.reason or "")


def test_a_loss_that_is_not_there_is_refused_by_name(work: Workplace) -> None:
    end = work.run(profile(1, loss="absent:loss"), *NETWORK)
    assert end.code == 2
    assert "trainer.loss: module 'absent' not found" in end.err
    (record,) = work.store.root.glob("experiments/*/trials/*.json")
    assert "trainer.loss: module 'absent' not found" in record.read_text()


METRICS = """
def right(truth, answers):
    return (answers.argmax(1) == truth).mean()
def later(truth, answers):
    raise RuntimeError("no price for this")
"""


def test_a_metric_of_ones_own_can_be_the_objective(work: Workplace) -> None:
    (work.folder / "prices.py").write_text(METRICS)
    objective = {"objective": {"type": "maximize", "objectiveMetricName": "val_right"}}
    end = work.run(profile(2, experiment=objective, metrics={"right": "prices:right"}), *NETWORK)
    assert end.code == 0, end.err
    curve = read_curve(work.trial.metrics)
    assert [name for name, _ in values(end.out)] == ["val_right"] * 2
    assert all(epoch.metrics["val_right"] == epoch.metrics["val_accuracy"] for epoch in curve)
    assert Manifest.read(work.trial.bundle.manifest).metrics["val_right"] == work.card.metric


def test_what_a_metric_of_ones_own_raises_fails_the_trial_with_its_traceback(work: Workplace) -> None:
    (work.folder / "prices.py").write_text(METRICS)
    end = work.run(profile(1, metrics={"later": "prices:later"}), *NETWORK)
    assert (end.code, end.out) == (3, "")
    assert work.card.reason == "RuntimeError: no price for this (prices.py:5, in later)"
    assert 'raise RuntimeError("no price for this")' in work.trial.log.read_text()


def test_a_network_over_budget_is_not_trained_and_does_not_fail(work: Workplace) -> None:
    end = work.run(profile(4, budget={"params": 10}), *NETWORK)
    assert end.code == 0, end.err
    assert values(end.out) == [("val_accuracy", 0.0)]
    assert work.card.status == "over_budget"
    assert re.fullmatch(r"over budget: params [\d,]+ > 10", work.card.reason or "")
    assert not work.trial.metrics.exists()


NETS = """
import torch
from torch import nn
class Poisoned(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        self.body = nn.Linear(inputs, outputs)
    def forward(self, x):
        return self.body(x.flatten(1)) * float("nan")
def poisoned(input_shape, outputs):
    return Poisoned(input_shape[0] * input_shape[1] * input_shape[2], outputs)
def own(input_shape, outputs, hidden=8):
    size = input_shape[0] * input_shape[1] * input_shape[2]
    return nn.Sequential(nn.Flatten(), nn.Linear(size, hidden), nn.ReLU(), nn.Linear(hidden, outputs))
def raising(input_shape, outputs):
    return 1 / 0
def broken(input_shape, outputs):
    return nn.Linear(3, outputs)
"""


def test_a_diverged_trial_fails_with_its_reason_and_prints_nothing(work: Workplace) -> None:
    (work.folder / "nets.py").write_text(NETS)
    end = work.run(profile(network="nets:poisoned"), "batch=64")
    assert end.code == 3
    assert end.out == ""
    assert "the trial failed: diverged: epoch 1" in end.err
    assert work.card.status == "failed"
    assert (work.card.reason or "").startswith("diverged: epoch 1")
    again = work.run(profile(network="nets:poisoned"), "batch=64")
    assert (again.code, again.out) == (3, "")


def test_a_network_that_raises_fails_alone_with_its_reason(work: Workplace) -> None:
    (work.folder / "nets.py").write_text(NETS)
    end = work.run(profile(network="nets:broken"), "batch=64")
    assert (end.code, end.out) == (3, "")
    assert (work.card.reason or "").startswith("RuntimeError: ")


def test_the_reason_of_a_failure_names_the_line_of_the_users_file(work: Workplace) -> None:
    (work.folder / "nets.py").write_text(NETS)
    end = work.run(profile(network="nets:raising"), "batch=64")
    assert (end.code, end.out) == (3, "")
    line = NETS.splitlines().index("    return 1 / 0") + 1
    assert work.card.reason == f"ZeroDivisionError: division by zero (nets.py:{line}, in raising)"
    assert "Traceback" in work.trial.log.read_text()


def test_a_users_own_network_is_trained_with_its_own_parameters(work: Workplace) -> None:
    (work.folder / "nets.py").write_text(NETS)
    end = work.run(profile(network="nets:own"), "batch=64", "hidden=5")
    assert end.code == 0, end.err
    manifest = Manifest.read(work.trial.bundle.manifest)
    assert manifest.config.params["hidden"] == 5
    assert manifest.params == 64 * 5 + 5 + 5 * 10 + 10
    assert manifest.parity.argmax_equal is True


def test_a_trial_below_its_bar_pauses_with_a_bundle_and_goes_on_when_asked(finished: Finished, work: Workplace) -> None:
    end = work.run(profile(4), "--bar", "3=never", *NETWORK)
    assert end.code == 0, end.err
    assert values(end.out) == values(finished[1].out)[:3]
    assert (work.card.status, work.card.epochs) == ("paused", 3)
    assert check_digests(work.trial.bundle) == []
    on = work.run(profile(4), "--bar", "3=0", *NETWORK)
    assert values(on.out) == values(finished[1].out)
    assert work.card.weights_sha256 == finished[0].card.weights_sha256


def messages(err: str) -> list[str]:
    """The lines of standard error that are not of the log."""
    return [line for line in err.splitlines() if not re.match(r"\d{4}-\d\d-\d\d ", line)]


def test_everything_wrong_with_the_parameters_is_said_at_once(work: Workplace) -> None:
    end = work.run(profile(), "lr=fast", "stem_widht=4", "batch=0")
    assert (end.code, end.out) == (2, "")
    assert [line.split(":")[0] for line in messages(end.err)] == ["stem_widht", "lr", "batch"]
    assert (TrialRecord.read(work.store.experiments()[0].trial("t")).error or "").count(";") >= 2


def test_everything_wrong_with_the_command_line_is_said_at_once(work: Workplace) -> None:
    end = work.run(profile(), "--bar", "x=1", "lr", "batch=1", "batch=2", "--threads", "0")
    assert (end.code, end.out) == (2, "")
    for part in ("'lr'", "batch is given twice", "--bar: x=1", "--threads: 0"):
        assert part in end.err


def test_two_processes_with_one_key_train_once_and_print_the_same_curve(finished: Finished, work: Workplace) -> None:
    first = work.start(profile(4), *NETWORK, name="first")
    second = work.start(profile(4), *NETWORK, name="second")
    ends = [ended(process) for process in (first, second)]
    assert [end.code for end in ends] == [0, 0]
    assert [values(end.out) for end in ends] == [values(finished[1].out)] * 2
    assert sum("first training step done" in end.err for end in ends) == 1
    assert work.card.weights_sha256 == finished[0].card.weights_sha256


def test_a_tail_ends_with_its_own_key_and_leaves_its_parent_alone(finished: Finished, work: Workplace) -> None:
    copy_of(finished, work)
    parent = work.card
    end = work.run(profile(4, tailEpochs=2), "--tail-of", parent.key, name="tail")
    assert end.code == 0, end.err
    assert len(values(end.out)) == 2
    (tail,) = [paths for paths in work.store.trials() if paths.key != parent.key]
    assert Card.read(tail.card).status == "succeeded"
    assert Manifest.read(tail.bundle.manifest).provenance.parents == (parent.key,)
    assert Card.read(work.store.trial(parent.key).card) == parent


def test_the_tail_of_the_best_is_of_the_same_trial_though_the_tail_itself_ranks_first(
    finished: Finished, work: Workplace
) -> None:
    copy_of(finished, work)
    best = work.card
    poor = work.run(profile(4), "--bar", "3=never", *NETWORK, "lr=0.00001", name="poor")
    assert poor.code == 0, poor.err
    first = work.run(profile(4, tailEpochs=2), "--tail-of", "best", name="tail")
    assert first.code == 0, first.err
    record = TrialRecord.read(work.store.experiments()[0].trial("tail"))
    assert record.key
    manifest = Manifest.read(work.store.trial(record.key).bundle.manifest)
    assert manifest.provenance.parents == (best.key,)
    assert rank(work.store, profile(4)).entries[0].trial == "tail"
    again = work.run(profile(4, tailEpochs=2), "--tail-of", "best", name="tail")
    assert again.code == 0, again.err
    assert "already trained for 2 epochs: nothing to do" in again.err
    assert values(again.out) == values(first.out)
    assert TrialRecord.read(work.store.experiments()[0].trial("tail")) == record


def test_without_a_trial_to_go_on_from_there_is_no_tail(work: Workplace) -> None:
    end = work.run(profile(4, tailEpochs=2), "--tail-of", "best", name="tail")
    assert (end.code, end.out) == (2, "")
    name = profile(4).experiment_name
    assert messages(end.err) == [
        f"--tail-of: best: no trial of {name} that is paused or succeeded can be promoted, so none has a tail"
    ]
    assert work.store.trials() == []


@pytest.mark.parametrize("tail_of", ["best", "0123456789abcdef"])
def test_a_profile_without_tail_epochs_has_no_tail(work: Workplace, tail_of: str) -> None:
    end = work.run(profile(4), "--tail-of", tail_of)
    assert (end.code, end.out) == (2, "")
    assert end.err == "--tail-of: trainer.tailEpochs is 0, so there is no tail to train; allowed: 1 or more\n"
    assert not work.store.root.exists()


@pytest.fixture
def read_only(finished: Finished, work: Workplace) -> Iterator[Workplace]:
    """A copy of the finished store, on a mount that nobody may write to."""
    copy_of(finished, work)
    root = str(work.store.root)
    mounted = subprocess.run(["mount", "--bind", root, root], capture_output=True, check=False).returncode == 0
    if (
        not mounted
        or subprocess.run(["mount", "-o", "remount,ro,bind", root], capture_output=True, check=False).returncode
    ):
        pytest.skip("this user may not mount")
    yield work
    subprocess.run(["umount", root], check=True)


def test_a_read_only_store_is_said_in_one_line_and_stays_as_it_is(read_only: Workplace) -> None:
    end = read_only.run(profile(4), *NETWORK, "lr=0.01")
    assert (end.code, end.out) == (3, "")
    assert "Traceback" not in end.err
    (message,) = messages(end.err)
    assert re.fullmatch(r"the trial failed: .*Read-only file system.*", message)
    assert check_digests(read_only.trial.bundle) == []


@pytest.fixture
def full(finished: Finished, work: Workplace) -> Iterator[Workplace]:
    """A copy of the finished store on a file system with no room left."""
    root = work.store.root
    root.mkdir()
    if subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(root)], capture_output=True, check=False
    ).returncode:
        pytest.skip("this user may not mount")
    shutil.copytree(finished[0].store.root, root, dirs_exist_ok=True)
    with suppress(OSError), (root / "ballast").open("wb", buffering=0) as file:
        while file.write(b"\0" * 4096):
            pass
    yield work
    subprocess.run(["umount", "-l", str(root)], check=True)


def test_a_full_store_fails_the_trial_alone_with_one_message(finished: Finished, full: Workplace) -> None:
    end = full.run(profile(4), *NETWORK, "lr=0.01", name="b")
    assert (end.code, end.out) == (3, "")
    assert "Traceback" not in end.err
    assert end.err.splitlines()[-1].startswith("the trial failed: ")
    assert "No space left on device" in end.err
    key = finished[0].trial.key
    assert check_digests(full.store.trial(key).bundle) == []
    assert Card.read(full.store.trial(key).card) == finished[0].card


CASES: dict[str, tuple[Callable[[int], np.ndarray], Task]] = {
    "images-classification": (
        lambda n: np.random.default_rng(0).integers(0, 256, (n, 8, 8, 3), dtype=np.uint8),
        "classification",
    ),
    "signals-classification": (lambda n: np.random.default_rng(0).normal(2, 3, (n, 20)), "classification"),
    "rows-classification": (lambda n: np.random.default_rng(0).normal(2, 3, (n, 5)), "classification"),
    "images-regression": (lambda n: np.random.default_rng(0).integers(0, 256, (n, 8, 8), dtype=np.uint8), "regression"),
    "signals-regression": (lambda n: np.random.default_rng(0).normal(2, 3, (n, 20, 2)), "regression"),
    "rows-regression": (lambda n: np.random.default_rng(0).normal(2, 3, (n, 5)), "regression"),
}


def train(work: Workplace, case: str) -> tuple[Manifest, np.ndarray]:
    """A trial of one epoch on 100 rows, and those rows."""
    make, task = CASES[case]
    x = make(100)
    flat = x.reshape(len(x), -1).astype(float)
    np.savez(
        work.folder / "train.npz",
        x=x,
        y=flat[:, :2].sum(1) if task == "regression" else (flat.mean(1) > np.median(flat.mean(1))) * 1,
    )
    objective = {"type": "minimize", "objectiveMetricName": "val_rmse"} if task == "regression" else {}
    data = {"source": "npz", "kind": case.split("-")[0], "task": task, "files": {"train": {"path": "train.npz"}}}
    end = work.run(profile(1, data, {"objective": objective}), "stem_width=4", "stage1_width=4", "batch=16")
    assert end.code == 0, end.err
    assert len(values(end.out)) == 1
    return Manifest.read(work.trial.bundle.manifest), x


@pytest.mark.parametrize("case", CASES)
def test_onnx_and_torch_agree_on_every_validation_row(work: Workplace, case: str) -> None:
    manifest, x = train(work, case)
    kind, task = case.split("-")
    assert manifest.kind == kind
    assert manifest.parity.rows == 16
    assert manifest.parity.argmax_equal is (True if task == "classification" else None)
    scale = 1 if task == "classification" else float(np.abs(x).max())
    assert manifest.parity.max_abs_difference < 1e-4 * scale


@pytest.mark.parametrize("case", ["images-classification", "signals-classification", "rows-regression"])
def test_a_bundle_carries_the_statistics_of_its_training_rows(work: Workplace, case: str) -> None:
    manifest, _ = train(work, case)
    config = manifest.config
    description = DataDescription.read(work.store.data(config.data_digest).description)
    arrays = load(work.store, description)
    x, training = arrays.train_x, parts(arrays, description, config.validation_fraction, None, config.seed).training
    values = x[training].reshape(-1, {"images": 3, "signals": 1, "rows": 5}[manifest.kind]).astype(np.float64)
    found = manifest.input_statistics
    assert found
    assert len(training) < len(x)
    assert found.mean == pytest.approx(values.mean(0).tolist(), rel=1e-12)
    assert found.std == pytest.approx(values.std(0).tolist(), rel=1e-12)
    assert found.count == len(values)


def test_environment_and_provenance_are_recorded(finished: Finished) -> None:
    work, _ = finished
    provenance = Manifest.read(work.trial.bundle.manifest).provenance
    assert provenance.environment == work.card.environment
    assert (provenance.environment.threads, provenance.trial, provenance.epochs) == (1, "t", 4)
    assert provenance.spec_digest == profile(4).search_digest
