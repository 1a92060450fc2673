"""What a policy makes of a search's winner, and what a person does about it; every change is a line of history."""

import json
from pathlib import Path

import numpy as np
import pytest
from atelier_store import bundle, pointer
from atelier_store.answers import Answer, Answered
from atelier_store.audit import audit
from atelier_store.errors import InvalidInput
from atelier_store.layout import BundlePaths, Store
from atelier_store.promotion import Promoter
from atelier_store.records import Current, Decision, Manifest, Part, Policy, TornRecord, TrialRecord
from atelier_store.winners import NothingToPromote

from tests.support.experiments import add_trial, begin, history_of, spec
from tests.support.onnx_bundles import Bundle, configured, image_bundle

DATA, OTHER_DATA = "d" * 64, "e" * 64


def bundle_of(number: int, metric: float, seed: int = 0, data: str = DATA) -> Bundle:
    """A trial of its own, of the same data, split and seed as others unless they are given."""
    made = configured(image_bundle(number, metric=metric), {"number": number}, seed=seed, data_digest=data)
    made.fields["provenance"] = made.fields["provenance"].model_copy(update={"data_digest": data})
    return made


def searched(store: Store, name: str, *bundles: Bundle) -> str:
    """An experiment with these trials; the result is its name."""
    of = spec(name)
    experiment = begin(store, of)
    for number, made in enumerate(bundles):
        add_trial(store, of, made, f"{name}-{number}")
    return experiment


def promoter(store: Store, answer: Answer = lambda *_: None, by: str = "tests") -> Promoter:
    return Promoter(store.model("digits"), bundle.problems, answer, by)


def served(store: Store) -> str | None:
    found = pointer.served(store.model("digits"))
    return found.name if found else None


def place_test_rows(store: Store, data: str, rows: int, weight: float | None = None) -> None:
    folder = store.data(data)
    folder.folder.mkdir(parents=True)
    np.save(folder.array("test_x"), np.zeros((rows, 8, 8), np.uint8))
    np.save(folder.array("test_y"), np.zeros(rows))
    if weight is not None:
        np.save(folder.array("test_weight"), np.full(rows, weight))


def scored_by(accuracies: dict[str, float]) -> Answer:
    """Answers that are so often right, by the validation score of a bundle: what a test set would say."""

    def answer(_: BundlePaths, manifest: Manifest, __: Part) -> Answered:
        right = np.arange(20) < 20 * accuracies[str(manifest.metrics["val_accuracy"])]
        return Answered(np.eye(3)[np.where(right, 0, 1)], np.zeros(20, np.int64))

    return answer


def test_a_worse_winner_becomes_a_version_and_the_pointer_stays(store: Store) -> None:
    first = promoter(store).best(searched(store, "a", bundle_of(1, 0.9))).promotion
    done = promoter(store).best(searched(store, "b", bundle_of(2, 0.8)))
    assert (done.is_new, done.is_served, done.served) == (False, False, first.version)
    assert done.decision
    assert done.decision.outcome == "worse"
    assert done.decision.reason == "it is worse: val_accuracy 0.8, served 0.9, on the same validation rows"
    assert Decision.read(store.model("digits").decision) == done.decision
    assert store.model("digits").version(done.promotion.version).manifest.exists()
    assert [line.version for line in history_of(store, "digits")] == [first.version]
    assert audit(store).mismatches == []


@pytest.mark.parametrize("metric", [0.9, 0.95])
def test_a_winner_that_is_not_worse_is_promoted_and_history_has_both_scores(store: Store, metric: float) -> None:
    first = promoter(store).best(searched(store, "a", bundle_of(1, 0.9))).promotion
    done = promoter(store, by="somebody").best(searched(store, "b", bundle_of(2, metric)))
    assert (done.is_new, served(store)) == (True, done.promotion.version)
    line = history_of(store, "digits")[-1]
    assert (line.previous, line.promoted_by, line.policy) == (first.version, "somebody", "neverWorse")
    assert line.comparison
    assert (line.comparison.rows, line.comparison.value, line.comparison.served) == ("validation", metric, 0.9)
    assert f"not worse: val_accuracy {metric}, served 0.9" in line.reason
    assert audit(store).mismatches == []


@pytest.mark.parametrize(("loss", "outcome"), [(0.31, "worse"), (0.3, "promoted"), (0.29, "promoted")])
def test_the_smaller_value_is_the_better_where_it_is_minimized(store: Store, loss: float, outcome: str) -> None:
    objective = {"type": "minimize", "objectiveMetricName": "val_loss"}
    for number, value in enumerate((0.3, loss)):
        of = spec(f"s{number}", objective=objective)
        made = bundle_of(number, 0.5)
        made.fields["metrics"]["val_loss"] = value
        experiment = begin(store, of)
        add_trial(store, of, made, f"t{number}")
        decision = promoter(store).best(experiment).decision
    assert decision and decision.outcome == outcome


def test_values_that_differ_late_are_shown_with_the_digits_that_differ(store: Store) -> None:
    promoter(store).best(searched(store, "a", bundle_of(1, 0.900000002)))
    decision = promoter(store).best(searched(store, "b", bundle_of(2, 0.900000001))).decision
    assert decision and decision.outcome == "worse"
    assert "0.900000001, served 0.900000002" in decision.reason


@pytest.mark.parametrize(
    ("score", "outcome"), [(0.7, "worse"), (0.8, "promoted"), (0.9, "promoted")], ids=["worse", "equal", "better"]
)
def test_another_split_is_compared_on_the_same_test_rows_and_each_look_counts(
    store: Store, score: float, outcome: str
) -> None:
    answer = scored_by({"0.9": 0.8, "0.5": score, "0.4": 0.1})
    promoter(store, answer).best(searched(store, "a", bundle_of(1, 0.9)))
    done = promoter(store, answer).best(searched(store, "b", bundle_of(2, 0.5, seed=1)))
    assert done.decision and done.decision.comparison
    assert done.decision.outcome == outcome
    assert done.decision.comparison.model_dump() == {
        "metric_name": "test_accuracy",
        "rows": "test",
        "value": score,
        "served": 0.8,
    }
    assert done.decision.test_looks == 1
    again = promoter(store, answer).best(searched(store, "c", bundle_of(3, 0.4, seed=2))).decision
    assert again and (again.outcome, again.test_looks) == ("worse", 2)
    assert history_of(store, "digits")[-1].test_looks == (1 if outcome == "promoted" else 0)


@pytest.mark.parametrize(
    ("rows", "weight", "outcome"),
    [(9, 2.0, "promoted"), (8, 2.0, "not_comparable"), (9, 3.0, "not_comparable"), (9, None, "not_comparable")],
    ids=["same rows", "other rows", "other weights", "no weights"],
)
def test_other_data_are_compared_if_their_test_rows_are_the_same(
    store: Store, rows: int, weight: float | None, outcome: str
) -> None:
    answer = scored_by({"0.9": 0.8, "0.5": 0.85})
    place_test_rows(store, DATA, 9, 2.0)
    place_test_rows(store, OTHER_DATA, rows, weight)
    promoter(store, answer).best(searched(store, "a", bundle_of(1, 0.9)))
    decision = promoter(store, answer).best(searched(store, "b", bundle_of(2, 0.5, data=OTHER_DATA))).decision
    assert decision and decision.outcome == outcome


def unlike(made: Bundle, **fields: object) -> Bundle:
    made.fields |= fields
    return made


@pytest.mark.parametrize(
    ("second", "why"),
    [
        (bundle_of(2, 0.99, seed=1), "there is no test set"),
        (unlike(bundle_of(3, 0.99, seed=1), labels=("a", "b", "c")), "there is no test set"),
    ],
    ids=["no test set", "other labels"],
)
def test_what_cannot_be_compared_waits_for_a_person(store: Store, second: Bundle, why: str) -> None:
    first = promoter(store).best(searched(store, "a", bundle_of(1, 0.9))).promotion
    done = promoter(store).best(searched(store, "b", second))
    assert done.decision
    assert (done.decision.outcome, served(store)) == ("not_comparable", first.version)
    assert why in done.decision.reason
    approved = promoter(store, by="ada").version(done.promotion.version, "tried on the shop floor")
    assert (approved.is_new, served(store)) == (True, done.promotion.version)
    line = history_of(store, "digits")[-1]
    assert (line.promoted_by, line.policy) == ("ada", None)
    assert "tried on the shop floor" in line.reason and "on different rows" in line.reason
    assert line.comparison and (line.comparison.value, line.comparison.served) == (0.99, 0.9)


def test_other_labels_are_not_compared_on_the_test_rows(store: Store) -> None:
    answer = scored_by({"0.9": 0.8, "0.99": 0.9})
    promoter(store, answer).best(searched(store, "a", bundle_of(1, 0.9)))
    other = unlike(bundle_of(2, 0.99, seed=1), labels=("a", "b", "c"))
    decision = promoter(store, answer).best(searched(store, "b", other)).decision
    assert decision and decision.outcome == "not_comparable" and "other things" in decision.reason
    assert decision.test_looks == 0


def test_without_the_metric_in_the_served_bundle_it_waits(store: Store) -> None:
    old = bundle_of(1, 0.9)
    old.fields["metrics"] = {"val_loss": 0.3, "val_accuracy": 0.9}
    promoter(store).best(searched(store, "a", old))
    path = store.model("digits").current
    of = spec("b", objective={"objectiveMetricName": "val_macro_f1"})
    experiment = begin(store, of)
    new = bundle_of(2, 0.9)
    new.fields["metrics"]["val_macro_f1"] = 0.9
    add_trial(store, of, new, "t")
    before = path.read_bytes()
    decision = promoter(store).best(experiment).decision
    assert decision and decision.outcome == "not_comparable"
    assert decision.reason == "the served version has no val_macro_f1, and there is no test set"
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("policy", "first", "second"),
    [
        ("neverWorse", "promoted", "worse"),
        ("always", "promoted", "promoted"),
        ("candidate", "waiting", "waiting"),
        ("none", "none", "none"),
    ],
)
def test_each_policy_does_what_its_name_says(store: Store, policy: Policy, first: str, second: str) -> None:
    done = promoter(store).best(searched(store, "a", bundle_of(1, 0.9)), policy)
    assert done.decision and done.decision.outcome == first
    assert done.is_served is (first == "promoted")
    done = promoter(store).best(searched(store, "b", bundle_of(2, 0.8)), policy)
    assert done.decision and done.decision.outcome == second
    assert done.is_served is (second == "promoted")
    versions = list(store.model("digits").versions.glob("[!.]*"))
    assert len(versions) == (0 if policy == "none" else 2)
    assert store.experiment(spec("b").experiment_name).leaderboard.exists()
    assert audit(store).mismatches == []


def test_the_same_winner_again_changes_nothing_and_another_one_is_decided_anew(store: Store) -> None:
    first = promoter(store).best(searched(store, "a", bundle_of(1, 0.9))).promotion.version
    second = searched(store, "b", bundle_of(2, 0.8))
    refused = promoter(store).best(second)
    files = {path: path.read_bytes() for path in store.model("digits").folder.rglob("*") if path.is_file()}
    assert promoter(store).best(second).decision == refused.decision
    assert {path: path.read_bytes() for path in files} == files
    add_trial(store, spec("b"), bundle_of(3, 0.95), "b-1")
    assert promoter(store).best(second).is_new
    assert served(store) != first


@pytest.mark.parametrize("policy", ["neverWorse", "always", "candidate"])
def test_a_policy_does_not_undo_what_a_person_has_undone(store: Store, policy: Policy) -> None:
    first = promoter(store).best(searched(store, "a", bundle_of(1, 0.8)), "always").promotion.version
    better = searched(store, "b", bundle_of(2, 0.9))
    second = promoter(store).best(better, policy).promotion.version
    promoter(store).version(second)
    assert promoter(store).previous("wrong on dark pictures").promotion.version == first
    again = promoter(store).best(better, policy)
    assert (again.is_new, again.is_served, served(store)) == (False, False, first)
    assert "wrong on dark pictures" in history_of(store, "digits")[-1].reason
    assert promoter(store).best(searched(store, "c", bundle_of(3, 0.95)), "always").is_new


def test_a_policy_does_not_undo_what_a_person_has_chosen_in_a_store_of_an_older_release(store: Store) -> None:
    experiment = searched(store, "a", bundle_of(1, 0.9), bundle_of(2, 0.8))
    promoter(store).best(experiment)
    store.model("digits").decision.unlink()
    chosen = promoter(store).trial(experiment, "a-1").promotion.version
    assert not promoter(store).best(experiment).is_new
    assert served(store) == chosen


def test_a_version_that_two_searches_have_come_to_is_decided_for_each(store: Store) -> None:
    first, second = searched(store, "a", bundle_of(1, 0.9)), begin(store, spec("b"))
    key = bundle_of(1, 0.9).fields["config"].key
    TrialRecord(trial="b-0", params={}, key=key).write(store.experiment(second).trial("b-0"))
    version = promoter(store).best(first).promotion.version
    promoter(store).best(searched(store, "c", bundle_of(2, 0.8)), "always")
    done = promoter(store).best(second)
    assert done.decision and (done.is_new, done.decision.experiment) == (True, second)
    assert (history_of(store, "digits")[-1].version, history_of(store, "digits")[-1].experiment) == (version, second)


def test_a_version_that_is_held_stays_whatever_wins_and_the_policy_waits_for_the_next_search(store: Store) -> None:
    first = promoter(store).best(searched(store, "a", bundle_of(1, 0.8))).promotion.version
    second = searched(store, "b", bundle_of(2, 0.9))
    done = promoter(store).best(second, held=first)
    assert done.decision and (done.decision.outcome, served(store)) == ("waiting", first)
    assert not promoter(store).best(second).is_new
    assert promoter(store).best(searched(store, "c", bundle_of(3, 0.85))).is_new


def test_another_policy_decides_anew(store: Store) -> None:
    promoter(store).best(searched(store, "a", bundle_of(1, 0.9)))
    second = searched(store, "b", bundle_of(2, 0.8))
    assert not promoter(store).best(second).is_new
    assert promoter(store).best(second, "always").is_new


def test_the_previous_of_the_previous_is_the_one_it_came_from(store: Store) -> None:
    first = promoter(store).best(searched(store, "a", bundle_of(1, 0.8))).promotion.version
    with pytest.raises(NothingToPromote, match=r"digits has served no version before"):
        promoter(store).previous()
    second = promoter(store).best(searched(store, "b", bundle_of(2, 0.9))).promotion.version
    moves = [promoter(store).previous().promotion.version for _ in range(3)]
    assert moves == [first, second, first]
    assert [(line.version, line.previous) for line in history_of(store, "digits")][-2:] == [
        (second, first),
        (first, second),
    ]
    assert audit(store).mismatches == []


def test_a_person_may_choose_any_trial_that_can_be_promoted(store: Store) -> None:
    experiment = searched(store, "a", bundle_of(1, 0.8), bundle_of(2, 0.9))
    promoter(store).best(experiment)
    done = promoter(store).trial(experiment, "a-0")
    assert (done.promotion.trial, done.is_new, served(store)) == ("a-0", True, done.promotion.version)
    assert not promoter(store).trial(experiment, done.promotion.key).is_new
    with pytest.raises(InvalidInput, match=r"has no trial 'a-9'; it has: a-0, a-1"):
        promoter(store).trial(experiment, "a-9")
    store.trial(bundle_of(2, 0.9).fields["config"].key).bundle.network.write_bytes(b"torn")
    with pytest.raises(NothingToPromote, match=r"a-1: model\.onnx: its sha256"):
        promoter(store).trial(experiment, "a-1")
    assert served(store) == done.promotion.version


def test_a_version_that_is_not_there_or_is_damaged_is_not_served(store: Store) -> None:
    first = promoter(store).best(searched(store, "a", bundle_of(1, 0.8))).promotion.version
    second = promoter(store).best(searched(store, "b", bundle_of(2, 0.9))).promotion.version
    with pytest.raises(InvalidInput, match=r"digits has no version '0{12}'; it has: "):
        promoter(store).version("0" * 12)
    with pytest.raises(InvalidInput, match=r"version: '\.\./x' is not allowed"):
        promoter(store).version("../x")
    for name, harm in (("model.onnx", b"torn"), ("promotion.json", b"{"), ("manifest.json", b"{}")):
        (store.model("digits").version(first).folder / name).write_bytes(harm)
        with pytest.raises(NothingToPromote, match=f"version {first}: .*{name}"):
            promoter(store).version(first)
    assert served(store) == second


@pytest.mark.parametrize("harm", ["gone", "nowhere"])
def test_a_pointer_that_nobody_can_follow_is_no_yardstick(store: Store, harm: str) -> None:
    promoter(store).best(searched(store, "a", bundle_of(1, 0.9)))
    path = store.model("digits").current
    if harm == "gone":
        path.unlink()
    else:
        Current.read(path).model_copy(update={"version": "0" * 12}).write(path)
    done = promoter(store).best(searched(store, "b", bundle_of(2, 0.8)))
    assert (done.is_new, served(store)) == (True, done.promotion.version)


def test_a_damaged_pointer_decides_nothing_and_a_person_mends_it(store: Store) -> None:
    first = promoter(store).best(searched(store, "a", bundle_of(1, 0.9))).promotion.version
    path = store.model("digits").current
    path.write_text("{")
    with pytest.raises(TornRecord, match=r"current\.json"):
        promoter(store).best(searched(store, "b", bundle_of(2, 0.8)))
    assert path.read_text() == "{"
    promoter(store).version(first)
    assert served(store) == first


def test_an_old_history_is_read_and_gone_on_with(store: Store, tmp_path: Path) -> None:
    first = promoter(store).best(searched(store, "a", bundle_of(1, 0.8))).promotion.version
    path = store.model("digits").history
    old = json.loads(path.read_text())
    for added in ("policy", "comparison", "test_looks", "sha256"):
        del old[added]
    path.write_text(json.dumps(old) + "\n")
    store.model("digits").decision.unlink()
    promoter(store).best(searched(store, "b", bundle_of(2, 0.9)))
    assert [line.previous for line in history_of(store, "digits")] == [None, first]
    assert path.read_text().splitlines()[0] == json.dumps(old)
    assert audit(store).mismatches == []


@pytest.mark.parametrize(("digests", "outcome"), [(("a", "a"), "worse"), (("a", "b"), "not_comparable")])
def test_a_metric_of_the_users_own_is_compared_with_one_of_the_same_code(
    store: Store, digests: tuple[str, str], outcome: str
) -> None:
    for number, (digest, value) in enumerate(zip(digests, (0.9, 0.8), strict=True)):
        of = spec(f"s{number}", objective={"objectiveMetricName": "val_gain"})
        made = bundle_of(number, 0.5)
        made.fields["metrics"]["val_gain"] = value
        made.fields["config"] = made.fields["config"].model_copy(update={"metric_digests": {"gain": digest}})
        experiment = begin(store, of)
        add_trial(store, of, made, f"t{number}")
        decision = promoter(store).best(experiment).decision
    assert decision and decision.outcome == outcome
    assert outcome == "worse" or decision.reason.startswith("the served version's val_gain is of other code, and ")
