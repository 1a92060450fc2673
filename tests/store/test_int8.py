"""The winner of a search in int8: what of, whether it takes the winner's place, and what is said of it."""

from typing import Any

import pytest
from atelier_store import int8
from atelier_store.errors import InvalidInput
from atelier_store.layout import Store
from atelier_store.ranking import average_members, best_parent, rank, to_quantize
from atelier_store.records import FinishLine, Int8, Manifest
from atelier_store.spec import Objective, Spec

from tests.support.experiments import add_trial, begin, promote_best, spec
from tests.support.onnx_bundles import configured, image_bundle


def searched(store: Store, most: float | None = 0.01, **trainer: Any) -> tuple[Spec, str]:
    """Two trials, and the key of the better one."""
    of = spec(finish={"int8": most, **trainer.pop("finish", {})}, **trainer)
    begin(store, of)
    add_trial(store, of, image_bundle(1, metric=0.8), "t1")
    return of, add_trial(store, of, image_bundle(2, metric=0.9), "t2")


def quantized(store: Store, of: Spec, key: str, change: float, latency: float, **card: Any) -> str:
    """The int8 variant of a trial, whose network is made up: what was measured of it counts."""
    config = int8.configuration(store, key)
    measured = Int8(change={"val_accuracy": change, "val_loss": 0.1}, latency=latency, size=0.3)
    made = configured(image_bundle(9, metric=0.9 + change), **dict(config))
    made.fields |= {"int8": measured}
    return add_trial(store, of, made, f"int8-{config.key}", int8=card.pop("int8", measured), **card)


def line(store: Store, of: Spec) -> FinishLine:
    (only,) = rank(store, of).finish
    return only


@pytest.mark.parametrize(
    ("change", "latency", "most", "kept", "words"),
    [
        (0.0, 0.5, 0.0, True, "val_accuracy as good; 2.00 times faster; 0.30 of the size"),
        (-0.005, 0.9, 0.005, True, "val_accuracy 0.005 worse; 1.11 times faster; 0.30 of the size"),
        (-0.006, 0.5, 0.005, False, "val_accuracy 0.006 worse, 0.005 allowed; 2.00 times faster; 0.30 of the size"),
        (0.01, 0.95, 0.0, False, "val_accuracy 0.01 better; 1.05 times faster, and 1.11 times is asked for; 0.30"),
        (0.0, 1.3, 0.5, False, "val_accuracy as good; 1.30 times slower; 0.30 of the size"),
    ],
)
def test_it_is_kept_if_it_is_faster_and_loses_no_more_than_is_allowed(
    change: float, latency: float, most: float, kept: bool, words: str
) -> None:
    measured = Int8(change={"val_accuracy": change}, latency=latency, size=0.3)
    objective = Objective(type="maximize", objective_metric_name="val_accuracy")
    found, said = int8.judge(measured, objective, most)
    assert (found, said[: len(words)]) == (kept, words)


def test_of_a_loss_more_is_worse() -> None:
    measured = Int8(change={"val_loss": 0.02}, latency=0.5, size=0.3)
    objective = Objective(type="minimize", objective_metric_name="val_loss")
    assert int8.judge(measured, objective, 0.02)[0]
    assert not int8.judge(measured, objective, 0.01)[0]


def test_it_is_made_of_the_winner_and_ranked_beside_nothing(store: Store) -> None:
    of, key = searched(store)
    assert to_quantize(store, of) == key
    assert line(store, of).reason == "not tried yet"
    own = quantized(store, of, key, 0.05, 0.5)
    board = rank(store, of)
    (entry,) = [entry for entry in board.entries if entry.key == own]
    assert (entry.rank, board.entries[0].key, best_parent(store, of)) == (None, key, key)
    assert entry.reason == f"the network of {key} in int8, which may take its place at a promotion"
    config = int8.configuration(store, key)
    assert config.int8_of is not None and (config.int8_of.key, config.int8_of.epochs) == (key, 3)
    averaging = of.model_copy(
        update={
            "trainer": of.trainer.model_copy(update={"finish": of.trainer.finish.model_copy(update={"average": 2})})
        }
    )
    assert own not in average_members(store, averaging)


def test_a_promotion_puts_it_in_the_winners_place(store: Store) -> None:
    of, key = searched(store)
    own = quantized(store, of, key, -0.01, 0.5)
    done = promote_best(store, of.experiment_name, "digits")
    assert done.promotion.key == own
    assert done.promotion.metric == pytest.approx(0.89)
    assert done.manifest.config.int8_of is not None and done.manifest.config.int8_of.key == key
    (said,) = done.leaderboard.finish if done.leaderboard else ()
    assert (said.what, said.kept, said.best_trial, said.key) == ("int8", True, "t2", own)
    assert said.int8 is not None and said.int8.latency == 0.5
    assert promote_best(store, of.experiment_name, "digits").promotion.version == done.promotion.version


def test_one_that_is_slower_is_not_served_and_the_report_says_so(store: Store) -> None:
    of, key = searched(store)
    quantized(store, of, key, 0.0, 1.3)
    done = promote_best(store, of.experiment_name, "digits")
    assert done.promotion.key == key
    said = line(store, of)
    assert (said.kept, said.reason) == (False, "val_accuracy as good; 1.30 times slower; 0.30 of the size")


def test_one_that_cannot_be_verified_leaves_the_winner_in_its_place(store: Store) -> None:
    of, key = searched(store)
    own = quantized(store, of, key, 0.0, 0.5)
    paths = store.trial(own).bundle
    manifest = Manifest.read(paths.manifest)
    manifest.model_copy(update={"labels": ("a", "b")}).write(paths.manifest)
    done = promote_best(store, of.experiment_name, "digits")
    assert done.promotion.key == key
    (said,) = done.leaderboard.finish if done.leaderboard else ()
    assert (said.kept, said.reason) == (False, "manifest.json: 2 labels for 3 outputs")


def test_one_over_budget_says_by_how_much(store: Store) -> None:
    of, key = searched(store, budget={"params": 50})
    quantized(store, of, key, 0.0, 0.5, status="over_budget", params=60, int8=None)
    assert line(store, of).reason == "over budget: params 60 > 50"


def test_what_learnt_from_every_row_or_is_in_int8_is_refused(store: Store) -> None:
    of, key = searched(store)
    own = quantized(store, of, key, 0.0, 0.5)
    folds = configured(image_bundle(3), {}, folds=5)
    again = configured(image_bundle(4), {}, retrained_epochs=2)
    for refused, why in (
        (own, "is in int8 already"),
        (add_trial(store, of, folds, "folds"), "has learnt from every row"),
        (add_trial(store, of, again, "again"), "has learnt from every row"),
        ("0" * 16, "no trial with a whole bundle has this key"),
        ("../x", "allowed"),
    ):
        with pytest.raises(InvalidInput, match=why):
            int8.configuration(store, refused)


def test_nothing_is_said_where_it_is_not_asked_for(store: Store) -> None:
    of, _ = searched(store, None)
    assert (to_quantize(store, of), rank(store, of).finish) == (None, ())
    assert "finish" not in of.model_dump()["trainer"]
    asked = of.trainer.finish.model_copy(update={"int8": 0.1, "retrain": "always"})
    retrained = of.model_copy(update={"trainer": of.trainer.model_copy(update={"finish": asked})})
    assert to_quantize(store, retrained) is None
    assert [said.reason for said in rank(store, retrained).finish][-1] == "the winner is retrained"
