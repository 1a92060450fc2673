"""What a search would promote, mirrored: of which network, whether it is promoted, and what is said of it."""

from typing import Any

import pytest
from atelier_store import finish, mirror
from atelier_store.errors import InvalidInput
from atelier_store.layout import Store
from atelier_store.ranking import (
    average_members,
    best_parent,
    rank,
    rule,
    to_mirror,
    to_quantize,
    to_retrain,
    unfinished_winner,
)
from atelier_store.records import FinishLine, Manifest, Report
from atelier_store.spec import Spec

from tests.support.experiments import add_curve, add_trial, begin, promote_best, spec
from tests.support.onnx_bundles import configured, image_bundle, rows_bundle


def searched(store: Store, **asked: Any) -> tuple[Spec, str]:
    """Two trials, and the key of the better one."""
    of = spec(finish={"mirror": True, **asked.pop("finish", {})}, **asked)
    begin(store, of)
    trials = {"t1": image_bundle(1, metric=0.8), "t2": image_bundle(2, metric=0.9)}
    keys = [
        add_trial(store, of, configured(made, {"width": trial}, seed=0), trial, {"width": trial})
        for trial, made in trials.items()
    ]
    return of, keys[1]


def mirrored(store: Store, of: Spec, key: str, accuracy: float, **card: Any) -> str:
    """A trial mirrored, whose network is made up: its score counts."""
    return add_made(store, of, mirror.configuration(store, key), accuracy, f"mirror-{key}", **card)


def add_made(store: Store, of: Spec, config: Any, accuracy: float, trial: str, **card: Any) -> str:
    return add_trial(store, of, configured(image_bundle(9, metric=accuracy), **dict(config)), trial, **card)


def line(store: Store, of: Spec, what: str = "mirror") -> FinishLine:
    (only,) = [line for line in rank(store, of).finish if line.what == what]
    return only


@pytest.mark.parametrize(
    ("accuracy", "kept", "reason"),
    [
        (0.95, True, "val_accuracy 0.95, t2 0.9: better"),
        (0.9, False, "val_accuracy 0.9, t2 0.9: equal, and it costs twice as many multiply-adds"),
        (0.85, False, "val_accuracy 0.85, t2 0.9: worse"),
    ],
)
def test_it_is_promoted_only_if_it_is_better_than_what_it_is_made_from(
    store: Store, accuracy: float, kept: bool, reason: str
) -> None:
    of, key = searched(store)
    assert (to_mirror(store, of), line(store, of).reason) == (key, "not tried yet")
    own = mirrored(store, of, key, accuracy)
    add_curve(store, key, "val_accuracy", [0.7, 0.8, 0.9])
    done = promote_best(store, of.experiment_name, "digits")
    assert done.promotion.key == (own if kept else key)
    said = line(store, of)
    assert (said.kept, said.reason, said.key, said.metric) == (kept, reason, own, accuracy)
    assert (said.best, said.best_trial) == (0.9, "t2")
    report = Report.read(store.model("digits").version(done.promotion.version).report)
    assert report.chosen == {"width": "t2"}
    assert [epoch.metrics["val_accuracy"] for epoch in report.curve] == [0.7, 0.8, 0.9]
    assert "of equal ones fewer parameters, not mirrored, lower val_loss" in rule(of)
    assert (said, report.shortfall) in [(one, None) for one in report.finish]


def test_what_is_mirrored_is_the_same_when_it_is_asked_again_and_gets_no_tail(store: Store) -> None:
    of, key = searched(store)
    mirrored(store, of, key, 0.95)
    averaging = of.model_copy(
        update={
            "trainer": of.trainer.model_copy(update={"finish": of.trainer.finish.model_copy(update={"average": 3})})
        }
    )
    assert (to_mirror(store, of), best_parent(store, of)) == (key, key)
    assert unfinished_winner(store, of) is None
    assert len(average_members(store, averaging)) == 2


def test_a_network_that_is_trained_on_is_mirrored_again(store: Store) -> None:
    of, key = searched(store)
    before = mirrored(store, of, key, 0.95)
    path = store.trial(key).bundle.manifest
    manifest = Manifest.read(path)
    manifest.model_copy(update={"files": manifest.files | {"model.onnx": "0" * 64}}).write(path)
    assert mirror.configuration(store, key).key != before


def test_an_average_that_is_the_best_is_mirrored_and_is_no_other_average(store: Store) -> None:
    of, _ = searched(store, finish={"average": 2})
    config = finish.configuration(store, average_members(store, of))
    average = add_made(store, of, config, 0.93, f"average-{config.key}")
    assert to_mirror(store, of) == average
    own = mirrored(store, of, average, 0.95)
    assert rank(store, of).entries[0].key == own
    assert [(said.what, said.key, said.kept) for said in rank(store, of).finish] == [
        ("average", average, True),
        ("mirror", own, True),
    ]


def test_int8_is_made_of_what_is_mirrored(store: Store) -> None:
    of, key = searched(store, finish={"int8": 0.01})
    own = mirrored(store, of, key, 0.95)
    assert to_quantize(store, of) == own


def retrain(store: Store, of: Spec) -> str:
    """What retrains the winner, as the store has it now."""
    winner = to_retrain(store, of)
    assert winner is not None
    (config,) = finish.retraining(winner)
    bundle = configured(image_bundle(7), **dict(config))
    bundle.fields |= {"metrics": {"train_loss": 0.1}, "objective_metric_name": "train_loss"}
    return add_trial(store, of, bundle, f"retrained-{winner.config.origin}")


def test_what_is_retrained_of_a_mirrored_winner_is_promoted_mirrored(store: Store) -> None:
    of, key = searched(store, finish={"retrain": "always"})
    own = mirrored(store, of, key, 0.95)
    again = retrain(store, of)
    assert line(store, of, "retraining").reason == "not tried yet"
    assert promote_best(store, of.experiment_name, "before").promotion.key == own
    both = configured(image_bundle(8), **dict(mirror.configuration(store, again)))
    both.fields |= {"metrics": {"train_loss": 0.1}, "objective_metric_name": "train_loss"}
    made = add_trial(store, of, both, f"mirror-{again}")
    add_curve(store, again, "train_loss", [0.3, 0.2, 0.1])
    assert [entry.rank for entry in rank(store, of).entries if entry.key in (again, made)] == [None, None]
    done = promote_best(store, of.experiment_name, "digits")
    assert (done.promotion.key, done.promotion.metric) == (made, None)
    assert done.leaderboard is not None
    said = {said.what: said for said in done.leaderboard.finish}
    assert (said["mirror"].key, said["mirror"].kept) == (own, True)
    assert (said["retraining"].key, said["retraining"].kept) == (made, True)
    report = Report.read(store.model("digits").version(done.promotion.version).report)
    assert (report.chosen, len(report.curve)) == ({"width": "t2"}, 3)


def test_what_is_retrained_of_a_winner_that_was_better_unmirrored_is_promoted_as_it_is(store: Store) -> None:
    of, key = searched(store, finish={"retrain": "always"})
    mirrored(store, of, key, 0.85)
    again = retrain(store, of)
    assert promote_best(store, of.experiment_name, "digits").promotion.key == again


def test_one_over_budget_says_by_how_much_and_leaves_the_winner_in_its_place(store: Store) -> None:
    of, key = searched(store, budget={"macs": 100})
    mirrored(store, of, key, 0.95, status="over_budget", macs=120)
    assert line(store, of).reason == "over budget: macs 120 > 100"
    assert promote_best(store, of.experiment_name, "digits").promotion.key == key


def test_what_has_no_mirror_image_or_is_made_last_is_refused(store: Store) -> None:
    of, key = searched(store)
    own = mirrored(store, of, key, 0.95)
    for refused, why in (
        (own, "is mirrored already"),
        (add_trial(store, of, configured(image_bundle(3), {}, folds=5), "folds"), "has learnt from every row"),
        (add_trial(store, of, rows_bundle(4), "rows"), "answers rows, and only pictures have a mirror image"),
        ("0" * 16, "no trial with a whole bundle has this key"),
        ("../x", "allowed"),
    ):
        with pytest.raises(InvalidInput, match=why):
            mirror.configuration(store, refused)


def test_nothing_is_said_where_it_is_not_asked_for(store: Store) -> None:
    of, _ = searched(store, finish={"mirror": False})
    assert (to_mirror(store, of), rank(store, of).finish) == (None, ())
    assert "finish" not in of.model_dump()["trainer"]
