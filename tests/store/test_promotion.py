"""The best trial is promoted, whatever is wrong with the others and wherever a promotion is killed."""

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from itertools import count
from pathlib import Path

import numpy as np
import pytest
from atelier_store import bundle
from atelier_store.answers import Answer, Answered
from atelier_store.audit import audit
from atelier_store.files import sha256_file
from atelier_store.layout import BundlePaths, Store
from atelier_store.promotion import Promoted, Promoter
from atelier_store.provenance import Statement
from atelier_store.records import Current, Manifest, Part, Report, TornRecord, TrialRecord
from atelier_store.signing.keys import read_public
from atelier_store.signing.models import Signer, signed_by
from atelier_store.spec import Spec
from atelier_store.winners import NothingToPromote, Verify
from cryptography.hazmat.primitives.asymmetric import ec

from tests.support import ROOT
from tests.support.experiments import add_curve, add_trial, begin, history_of, spec, two_trials
from tests.support.onnx_bundles import Bundle, configured, image_bundle
from tests.support.private_keys import write_key

HARNESS = ROOT / "tests" / "support" / "killed_promotion.py"


def promoter_of(
    store: Store, verify: Verify = bundle.problems, answer: Answer = lambda *_: None, by: str = "tests"
) -> Promoter:
    """With the digests alone for a verification, and no test set, unless they are given."""
    return Promoter(store.model("digits"), verify, answer, by)


def promoted(store: Store, experiment: str) -> Promoted:
    """Whatever is served."""
    return promoter_of(store).best(experiment, "always")


@contextmanager
def promoter(
    what: str, how: str = "always", key: Path | None = None
) -> Iterator[Callable[[int, Store], Callable[[], str]]]:
    """A harness process. The function sends it a store and the step to be killed at (0: never)."""
    command = [sys.executable, str(HARNESS), "digits", how, what, *([str(key)] if key else [])]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        requests, answers = process.stdin, process.stdout
        assert requests and answers

        def begin(step: int, store: Store) -> Callable[[], str]:
            requests.write(f"{step} {store.root}\n")
            requests.flush()
            return lambda: answers.readline().strip()

        yield begin
        requests.close()


def served(store: Store) -> str:
    """The version that the pointer names, after its manifest and files have been checked."""
    paths = store.model("digits")
    current = Current.read(paths.current)
    version = paths.version(current.version)
    assert sha256_file(version.manifest) == current.manifest_sha256
    assert bundle.check_digests(version) == []
    return current.version


def test_the_best_is_promoted_once_and_history_says_why(store: Store) -> None:
    experiment = two_trials(store)
    first, second = (promoted(store, experiment) for _ in range(2))
    assert first.promotion.trial == "trial-2"
    assert (first.is_new, second.is_new) == (True, False)
    assert second.promotion == first.promotion
    assert served(store) == first.promotion.version
    (line,) = history_of(store, "digits")
    assert (line.version, line.previous, line.key) == (first.promotion.version, None, first.promotion.key)
    assert "val_accuracy" in line.reason
    assert audit(store).mismatches == []


WIDTHS = {"name": "stage1_width", "parameterType": "discrete", "feasibleSpace": {"list": ["8", "16"]}}


def report_of(store: Store, version: str) -> Report:
    return Report.read(store.model("digits").version(version).report)


def test_the_version_tells_what_was_searched_and_how_the_winner_learned(store: Store) -> None:
    of = spec(parameters=[WIDTHS], budget={"params": 12})
    experiment = begin(store, of)
    key = add_trial(store, of, image_bundle(1, metric=0.9), "won", {"stage1_width": "16"})
    add_curve(store, key, "val_accuracy", [0.5, 0.8, 0.9, 0.7])  # it went on after its bundle of epoch 3
    add_trial(store, of, image_bundle(2, metric=0.8), "lost", {"stage1_width": "8"})
    add_trial(store, of, image_bundle(3, metric=0.99), "dear", params=13)
    report = report_of(store, promoted(store, experiment).promotion.version)
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


def told_apart(*shares: float) -> Callable[[BundlePaths, Manifest, Part], Answered]:
    """Answers to four rows, of which the last two are of the second class, with these probabilities of it."""
    probabilities = np.array(shares)
    answered = Answered(np.stack([1 - probabilities, probabilities], 1), np.array([0, 0, 1, 1]))
    return lambda *_: answered


def two_classes(number: int, metric: float) -> Bundle:
    made = image_bundle(number, metric=metric)
    made.fields["labels"] = ("well", "sick")
    return made


def test_a_threshold_is_chosen_for_the_version_and_leaves_the_trial_as_it_is(store: Store) -> None:
    plain, asked = spec("plain"), spec("asked", threshold="recall>=1")
    for of in (plain, asked):
        begin(store, of)
    key = add_trial(store, plain, two_classes(1, 0.9), "only")
    TrialRecord(trial="only", params={}, key=key).write(store.experiment(asked.experiment_name).trial("only"))
    before = store.trial(key).bundle.manifest.read_bytes()
    promoter = promoter_of(store, answer=told_apart(0.1, 0.4, 0.3, 0.6))
    first = promoter.best(plain.experiment_name, "always").promotion
    done = promoter.best(asked.experiment_name, "always")
    assert done.promotion.version != first.version and done.is_served
    (threshold,) = Manifest.read(store.model("digits").version(served(store)).manifest).thresholds or ()
    assert (threshold.label, threshold.value, threshold.metrics["recall"]) == ("sick", 0.2, 1.0)
    assert done.promotion.test_thresholds == (threshold,)
    assert (first.test_thresholds, done.promotion.test_metrics) == (None, first.test_metrics)
    assert report_of(store, served(store)).thresholds == (threshold,)
    assert store.trial(key).bundle.manifest.read_bytes() == before
    assert audit(store).mismatches == []
    assert not promoter.best(asked.experiment_name, "always").is_new


def test_each_label_of_several_has_a_threshold_of_its_own(store: Store) -> None:
    made = image_bundle(1)
    made.fields |= {"task": "multilabel", "labels": ("old", "sick")}
    of = spec(threshold="f1", data={"source": "npz", "task": "multilabel"})
    add_trial(store, of, made, "only")
    answered = Answered(
        np.array([[0.9, 0.1], [0.8, 0.2], [0.7, 0.04], [0.1, 0.02]]),
        np.array([[1, 1], [1, 1], [0, 0], [0, 0]], np.float32),
    )
    done = promoter_of(store, answer=lambda *_: answered).best(begin(store, of), "always")
    chosen = Manifest.read(store.model("digits").version(served(store)).manifest).thresholds or ()
    assert [(one.label, one.value, one.metrics["f1"]) for one in chosen] == [("old", 0.75, 1.0), ("sick", 0.07, 1.0)]
    assert done.promotion.test_thresholds == chosen
    assert done.promotion.test_metrics and done.promotion.test_metrics["test_accuracy"] == 0.25


def test_metrics_of_ones_own_score_the_test_rows(store: Store) -> None:
    of = spec(metrics={"sick": "prices:sick"})
    add_trial(store, of, two_classes(1, 0.9), "only")
    promoter = replace(
        promoter_of(store, answer=told_apart(0.1, 0.4, 0.3, 0.6)),
        metrics=lambda spec, _: {name: lambda truth, answers: truth.sum() for name in spec.trainer.metrics or {}},
    )
    promotion = promoter.best(begin(store, of), "always").promotion
    assert promotion.test_metrics and promotion.test_metrics["test_sick"] == 2


def test_a_trial_that_no_threshold_makes_good_enough_is_passed_over_with_the_reason(store: Store) -> None:
    of = spec(threshold="precision>=0.9")
    experiment = begin(store, of)
    add_trial(store, of, two_classes(1, 0.9), "best")
    add_trial(store, of, two_classes(2, 0.8), "second")

    def answer(files: BundlePaths, manifest: Manifest, part: Part) -> Answered:
        shares = (0.8, 0.9, 0.3, 0.6) if manifest.metrics["val_accuracy"] == 0.9 else (0.1, 0.2, 0.3, 0.6)
        return told_apart(*shares)(files, manifest, part)

    done = promoter_of(store, answer=answer).best(experiment, "always")
    assert done.promotion.trial == "second" and done.leaderboard
    (lost,) = [entry for entry in done.leaderboard.entries if entry.trial == "best"]
    assert lost.reason == (
        "trainer.threshold: precision>=0.9: the highest precision of class 'sick' on the validation rows is 0.5"
    )


def test_without_its_data_no_threshold_is_chosen_and_nothing_is_promoted(store: Store) -> None:
    of = spec(threshold="f1")
    experiment = begin(store, of)
    add_trial(store, of, two_classes(1, 0.9), "only")
    with pytest.raises(NothingToPromote, match="does not have the data"):
        promoted(store, experiment)


def with_folds(store: Store, of: Spec, folds: int) -> None:
    made = two_classes(1, 0.9)
    made.fields["config"] = made.fields["config"].model_copy(update={"folds": folds})
    add_trial(store, of, made, "only")


def test_with_folds_the_report_says_whose_answers_thresholds_and_mistakes_are_of(store: Store) -> None:
    of = spec(threshold="f1")
    experiment = begin(store, of)
    with_folds(store, of, 5)
    promoter_of(store, answer=told_apart(0.1, 0.4, 0.3, 0.6)).best(experiment, "always")
    report = report_of(store, served(store))
    assert report.folds == 5 and report.thresholds and report.quality["validation"].rows == 4


def test_without_the_answers_of_the_folds_no_threshold_is_chosen(store: Store) -> None:
    of = spec(threshold="f1")
    experiment = begin(store, of)
    with_folds(store, of, 5)
    with pytest.raises(NothingToPromote, match=r"trainer.threshold: f1: the store lacks .* \(out_of_fold.npz\), which"):
        promoted(store, experiment)


def test_the_curve_of_a_tail_begins_with_its_parents(store: Store) -> None:
    of = spec(parameters=[WIDTHS])
    experiment = begin(store, of)
    parent = add_trial(store, of, image_bundle(1, metric=0.8), "parent", {"stage1_width": "8"})
    add_curve(store, parent, "val_accuracy", [0.6, 0.7, 0.8])
    tail = configured(image_bundle(1, metric=0.9), {"seed": 1}, parent=parent, parent_epochs=2, tail_epochs=3)
    add_curve(store, add_trial(store, of, tail, "tail"), "val_accuracy", [0.85, 0.88, 0.9])
    report = report_of(store, promoted(store, experiment).promotion.version)
    assert [(epoch.epoch, epoch.metrics["val_accuracy"]) for epoch in report.curve] == [
        (1, 0.6),
        (2, 0.7),
        (3, 0.85),
        (4, 0.88),
        (5, 0.9),
    ]
    assert report.chosen == {"stage1_width": "8"}


@pytest.mark.parametrize(("most", "said"), [(3, None), (4, "it stopped after epoch 3 of 4")])
def test_a_version_says_that_its_network_was_not_trained_to_its_end(store: Store, most: int, said: str | None) -> None:
    of = spec(maxEpochs=most)
    add_trial(store, of, image_bundle(1), "paused", status="paused")
    report = report_of(store, promoted(store, begin(store, of)).promotion.version)
    assert said in (report.shortfall or "") if said else report.shortfall is None
    assert ("shortfall" in report.model_dump()) == (said is not None)


def test_a_version_from_before_there_were_reports_stays_as_it_is(store: Store) -> None:
    experiment = two_trials(store)
    promotion = promoted(store, experiment).promotion
    store.model("digits").version(promotion.version).report.unlink()
    assert audit(store).mismatches == []
    again = promoted(store, experiment)
    assert (again.promotion, again.is_new) == (promotion, False)
    assert not store.model("digits").version(promotion.version).report.exists()


def test_a_version_says_where_it_comes_from_and_is_signed_if_there_is_a_key(store: Store, tmp_path: Path) -> None:
    experiment, model = two_trials(store), store.model("digits")
    version = model.version(promoted(store, experiment).promotion.version)
    said = Statement.read(version.provenance)
    assert said.predicate["buildDefinition"]["externalParameters"]["experiment"] == experiment
    assert {one.name for one in said.subject} == {"manifest.json", "model.onnx", "reference.npz"}
    private = ec.generate_private_key(ec.SECP256R1())
    signs = replace(promoter_of(store), signer=Signer(model, private))
    assert not model.signature(version.version).exists()
    before = version.provenance.read_bytes()
    signs.best(experiment, "always")  # one from before there was a key
    first = model.signature(version.version).read_bytes()
    assert signed_by(version, model.signature(version.version), [private.public_key()])
    signs.version(version.version)
    assert model.signature(version.version).read_bytes() == first  # it is signed already
    assert version.provenance.read_bytes() == before
    model.signature(version.version).unlink()
    signs.version(version.version)
    assert signed_by(version, model.signature(version.version), [private.public_key()])


@pytest.mark.process
def test_a_version_is_signed_before_it_is_there_wherever_its_promotion_is_killed(memory: Path) -> None:
    key = write_key(memory / "key.pem", ec.generate_private_key(ec.SECP256R1()))
    whole = Store(memory / "whole")
    experiment = two_trials(whole)
    with promoter(experiment, key=key) as begin_promotion:
        for step in count(1):
            store = Store(memory / str(step))
            shutil.copytree(whole.root, store.root)
            came_to, model = begin_promotion(step, store)(), store.model("digits")
            for folder in model.versions.glob("[!.]*"):
                assert signed_by(
                    model.version(folder.name), model.signature(folder.name), read_public(key.with_suffix(".pub"))
                )
            if came_to != "killed":
                break
            shutil.rmtree(store.root)
    assert came_to == f"done {step - 1}" and step > 30


@pytest.mark.process
def test_a_promotion_killed_before_any_step_leaves_the_old_model_or_the_new_and_the_next_one_completes_it(
    memory: Path,
) -> None:
    whole = Store(memory / "whole")
    old = promoted(whole, two_trials(whole, spec("old"), (3, 4))).promotion.version
    experiment = two_trials(whole)
    between = []
    with promoter(experiment) as begin_promotion:
        for step in count(1):
            store = Store(memory / str(step))
            shutil.copytree(whole.root, store.root)
            if (came_to := begin_promotion(step, store)()) != "killed":
                break
            between.append(served(store))
            promoted(store, experiment)
            assert [line.version for line in history_of(store, "digits")] == [old, served(store)]
            found = audit(store)
            assert found.mismatches == []
            assert all(path.name.startswith(".tmp-") for path in found.leftovers)
            assert sorted(p.name for p in store.model("digits").versions.glob("[!.]*")) == sorted([old, served(store)])
            shutil.rmtree(store.root)
        new = served(store)
    assert came_to == f"done {step - 1}" and step > 30
    assert new != old and set(between) == {old, new}
    assert sorted(between, key=[old, new].index) == between  # once the pointer is on the new version it stays there


@pytest.mark.process
def test_promotions_of_several_experiments_at_once_end_one_after_the_other(store: Store) -> None:
    experiments = [
        two_trials(store, spec(name), seeds) for name, seeds in (("a", (1, 2)), ("b", (3, 4)), ("c", (5, 6)))
    ]
    with ExitStack() as stack:
        harnesses = [stack.enter_context(promoter(experiment)) for experiment in experiments]
        ends = [begin_promotion(0, store) for begin_promotion in harnesses for _ in range(2)]
        assert all(end().startswith("done ") for end in ends)
    lines = history_of(store, "digits")
    assert len({line.version for line in lines}) == 3
    assert lines[0].previous is None
    assert [line.previous for line in lines[1:]] == [line.version for line in lines[:-1]]
    assert lines[-1].version == served(store)
    assert audit(store).mismatches == []


def test_a_line_of_history_lost_to_a_kill_is_added_by_the_promotion_of_another_experiment(store: Store) -> None:
    first = promoted(store, two_trials(store, spec("a"), (1, 2))).promotion
    store.model("digits").history.unlink()
    second = promoted(store, two_trials(store, spec("b"), (3, 4))).promotion
    assert [(line.version, line.experiment) for line in history_of(store, "digits")] == [
        (first.version, first.experiment),
        (second.version, second.experiment),
    ]


def test_a_torn_line_of_history_stays_for_audit_and_stops_no_promotion(store: Store) -> None:
    promoted(store, two_trials(store, spec("a"), (1, 2)))
    path = store.model("digits").history
    torn = path.read_bytes()[:50]
    path.write_bytes(torn)
    done = promoted(store, two_trials(store, spec("b"), (3, 4)))
    assert served(store) == done.promotion.version
    assert path.read_bytes().splitlines()[0] == torn
    assert [finding.problem for finding in audit(store).mismatches] == ["line 1: not a whole HistoryLine"]


def test_a_pointer_that_was_changed_is_named_and_not_taken_for_none(store: Store) -> None:
    promoted(store, two_trials(store, spec("a"), (1, 2)))
    path = store.model("digits").current
    changed = path.read_bytes().replace(b'"promoted_at": "2', b'"promoted_at": "1')
    path.write_bytes(changed)
    with pytest.raises(TornRecord, match=r"current\.json: its sha256 is not that of its content"):
        promoted(store, two_trials(store, spec("b"), (3, 4)))
    assert path.read_bytes() == changed


def test_an_experiment_that_is_not_there_is_named_with_those_that_are(store: Store) -> None:
    two_trials(store)
    with pytest.raises(NothingToPromote, match=rf"no experiment 'other'; it has: {spec().experiment_name}"):
        promoted(store, "other")


@pytest.mark.parametrize("file", ["manifest.json", "model.onnx", "reference.npz", "promotion.json", "report.json"])
def test_a_version_that_was_damaged_after_promotion_is_made_again(store: Store, file: str) -> None:
    experiment = two_trials(store)
    version = promoted(store, experiment).promotion.version
    (store.model("digits").version(version).folder / file).write_bytes(b"{")
    assert any(version in str(finding.path) for finding in audit(store).mismatches)
    promoted(store, experiment)
    assert served(store) == version
    assert audit(store).mismatches == []


def test_a_version_whose_manifest_says_something_else_is_made_again(store: Store) -> None:
    experiment = two_trials(store)
    version = promoted(store, experiment).promotion.version
    path = store.model("digits").version(version).manifest
    path.write_text(path.read_text().replace('"val_accuracy": 0.9', '"val_accuracy": 0.7'))
    promoted(store, experiment)
    assert served(store) == version
    assert audit(store).leftovers == []


@pytest.mark.parametrize(("field", "value"), [("manifest_sha256", "0" * 64), ("model", "other"), ("version", "0" * 12)])
def test_a_pointer_that_says_something_else_is_put_right(store: Store, field: str, value: str) -> None:
    experiment = two_trials(store)
    version = promoted(store, experiment).promotion.version
    path = store.model("digits").current
    Current.read(path).model_copy(update={field: value}).write(path)
    assert path in [finding.path for finding in audit(store).mismatches]
    assert promoted(store, experiment).is_new
    assert served(store) == version
    assert audit(store).mismatches == []


def test_a_bundle_that_is_replaced_after_it_was_verified_is_not_promoted(store: Store) -> None:
    experiment = two_trials(store)
    folder = store.trial(image_bundle(2, metric=0.9).fields["config"].key).bundle.folder

    def verify_and_replace(files: BundlePaths, manifest: Manifest) -> list[str]:
        problems = bundle.problems(files, manifest)
        shutil.rmtree(folder)
        image_bundle(3, metric=0.1).write(folder)
        return problems

    with pytest.raises(OSError, match="changed while it was copied: model"):
        promoter_of(store, verify_and_replace).best(experiment)
    assert not store.model("digits").current.exists()
    assert audit(store).leftovers == []


def test_a_shared_trial_is_promoted_for_what_each_search_looks_for(store: Store) -> None:
    accuracy, loss = spec("accuracy"), spec("loss")
    looks_for = loss.experiment.objective.model_copy(update={"type": "minimize", "objective_metric_name": "val_loss"})
    loss = loss.model_copy(update={"experiment": loss.experiment.model_copy(update={"objective": looks_for})})
    bundle = image_bundle(1, metric=0.8)
    bundle.fields["metrics"]["val_loss"] = 0.25
    begin(store, accuracy), begin(store, loss)
    key = add_trial(store, accuracy, bundle, "t")
    TrialRecord(trial="u", params={}, key=key).write(store.experiment(loss.experiment_name).trial("u"))
    promotion = promoted(store, loss.experiment_name).promotion
    assert (promotion.objective_metric_name, promotion.metric, promotion.trial) == ("val_loss", 0.25, "u")
    assert f"best val_loss of {loss.experiment_name}: 0.25" in history_of(store, "digits")[0].reason


def test_without_a_test_set_a_model_is_promoted_without_test_scores(store: Store) -> None:
    promotion = promoted(store, two_trials(store)).promotion
    assert (promotion.test_metrics, promotion.test_rows) == (None, 0)


def test_a_bundle_is_hashed_once_however_many_better_ones_are_rejected(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    of = spec()
    experiment = begin(store, of)
    trials = [add_trial(store, of, image_bundle(seed, metric=seed / 10), f"trial-{seed}") for seed in range(1, 6)]
    hashed: list[Path] = []

    def counted(path: Path) -> str:
        hashed.append(path)
        return sha256_file(path)

    monkeypatch.setattr(bundle, "sha256_file", counted)

    def only_the_worst(files: BundlePaths, manifest: Manifest) -> list[str]:
        return [] if manifest.config.key == trials[0] else ["not this one"]

    done = promoter_of(store, only_the_worst).best(experiment)
    assert done.promotion.key == trials[0]
    assert done.leaderboard
    assert [entry.reason for entry in done.leaderboard.entries[1:]] == ["not this one"] * 4
    stored = [path for path in hashed if path.is_relative_to(store.root / "trials")]
    assert len(stored) == len(set(stored)) == 10
