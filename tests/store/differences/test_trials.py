"""Two trials are told apart by what decided their weights, where they ran, what they came to and what they cost."""

from typing import Any

import pytest
from atelier_store.differences import subjects, trials
from atelier_store.errors import InvalidInput
from atelier_store.finish import configuration
from atelier_store.layout import Store
from atelier_store.records import BestBy, TrialRecord
from atelier_store.spec import Spec

from tests.support.experiments import add_curve, add_trial, begin, spec
from tests.support.onnx_bundles import ENVIRONMENT, Bundle, configured, image_bundle

BEST = BestBy(metric="val_accuracy", type="maximize")
STAGE = {"depth": 1, "width": 8, "op": "conv3", "stride": 1}


@pytest.fixture
def search(store: Store) -> Spec:
    begin(store, spec("first"))
    return spec("first")


def bundle(seed: int = 1, metric: float = 0.9, **config: Any) -> Bundle:
    params = config.pop("params", {"lr": 0.1, "stages": [STAGE]})
    return configured(image_bundle(seed, metric=metric), params, seed=config.pop("of", 0), **config)


def differing(store: Store, a: str, b: str) -> dict[str, tuple[Any, Any]]:
    one, other = subjects.two(store, a, b)
    assert isinstance(one, subjects.TrialSubject) and isinstance(other, subjects.TrialSubject)
    return {f"{found.part} {found.name}": (found.a, found.b) for found in trials.compare(store, one, other)}


def test_only_what_differs_is_told(store: Store, search: Spec) -> None:
    wider = {"lr": 0.1, "stages": [{**STAGE, "width": 16}, STAGE]}
    a = add_trial(store, search, bundle(), "a", environment=ENVIRONMENT)
    b = add_trial(store, search, bundle(params=wider, metric=0.8, of=7), "b", environment=ENVIRONMENT, params=20)
    add_curve(store, a, "val_accuracy", [0.5])
    add_curve(store, b, "val_accuracy", [0.5, 0.6])
    assert differing(store, "a", b) == {
        "spec trainer.seed": (0, 7),
        "parameters stages[0].width": (8, 16),
        "parameters stages[1].depth": (None, 1),
        "parameters stages[1].width": (None, 8),
        "parameters stages[1].op": (None, "conv3"),
        "parameters stages[1].stride": (None, 1),
        "metrics val_accuracy": (0.9, 0.8),
        "cost seconds": (1.5, 3.0),
        "cost params": (10, 20),
    }


def test_equal_networks_under_two_names_do_not_differ(store: Store, search: Spec) -> None:
    key = add_trial(store, search, bundle(), "a", {"stage3_width": "8"})
    other = TrialRecord(trial="b", params={"stage3_width": "16"}, key=key)  # of a stage that does not exist
    other.write(store.experiment(search.experiment_name).trial("b"))
    assert differing(store, "a", "b") == {}


def test_why_a_trial_ended_and_what_it_was_trained_with_are_told(store: Store, search: Spec) -> None:
    add_trial(store, search, bundle(), "a", environment=ENVIRONMENT)
    later = ENVIRONMENT.model_copy(update={"cpu": "another CPU", "code_version": "1"})
    other = bundle(2, network_digest="m" * 64, data_digest="e" * 64, class_weights="balanced", keep_weights=BEST)
    add_trial(store, search, other, "b", status="failed", reason="diverged", environment=later)
    assert differing(store, "a", "b") == {
        "spec trainer.classWeights": ("none", "balanced"),
        "spec trainer.keepWeights": ("last", "best by val_accuracy"),
        "data data_digest": ("d" * 64, "e" * 64),
        "code network_digest": ("n" * 64, "m" * 64),
        "code code_version": ("0", "1"),
        "environment cpu": ("a CPU", "another CPU"),
        "metrics status": ("succeeded", "failed"),
        "metrics reason": (None, "diverged"),
    }


@pytest.mark.parametrize(("other", "code"), [("n", None), ("m", ("n" * 64, ["m" * 64, "n" * 64]))])
def test_an_average_is_of_the_code_of_its_members(
    store: Store, search: Spec, other: str, code: tuple[str, list[str]] | None
) -> None:
    keys = [
        add_trial(store, search, bundle(n, params={"lr": n}, network_digest=d * 64), f"t{n}")
        for n, d in enumerate(("n", other))
    ]
    made = image_bundle(9)
    made.fields["config"] = configuration(store, keys)
    add_trial(store, search, made, "average")
    assert differing(store, "t0", "average").get("code network_digest") == code


def refusal(store: Store, a: str, b: str) -> list[str]:
    with pytest.raises(InvalidInput) as refused:
        differing(store, a, b)
    return refused.value.violations


def test_a_name_is_looked_for_in_every_search_or_in_the_one_that_is_said(store: Store, search: Spec) -> None:
    other = spec("second", maxEpochs=9)
    begin(store, other)
    key = add_trial(store, search, bundle(), "a")
    add_trial(store, other, bundle(of=2), "a")
    add_trial(store, other, bundle(of=3), "b")
    first, second = search.experiment_name, other.experiment_name
    assert differing(store, f"{first}/a", f"{second}/a") == {"spec trainer.seed": (0, 2)}
    assert differing(store, f"{first}/{key}", "b") == differing(store, key, "b") == {"spec trainer.seed": (0, 3)}
    assert refusal(store, "a", "c") == [
        f"a is a trial of 2 searches; say which: {first}/a, {second}/a",
        f"{store.root} has no search and no trial 'c'; searches: {first}, {second}; "
        "their trials go by name, SEARCH/NAME or key",
    ]
    assert refusal(store, f"{second}/c", "third/a") == [
        f"{second}/c: the search {second} has no such trial; it has: a, b",
        f"third/a: {store.root} has no search 'third'; it has: {first}, {second}",
    ]
    assert refusal(store, first, "b") == [f"{first} is a search and b is a trial; compare two searches, or two trials"]


def test_a_trial_that_was_refused_or_has_not_begun_cannot_be_compared(store: Store, search: Spec) -> None:
    paths = store.experiment(search.experiment_name)
    TrialRecord(trial="refused", params={}, key=None, error="lr: 9 is too much").write(paths.trial("refused"))
    TrialRecord(trial="new", params={}, key="0" * 16).write(paths.trial("new"))
    assert refusal(store, "refused", "refused") == ["refused was refused, and has no key: lr: 9 is too much"]
    missing = store.trial("0" * 16).config
    assert refusal(store, "new", "new") == [f"{'0' * 16}: has not begun, or is gone: {missing} is missing"]


def test_a_damaged_card_is_named(store: Store, search: Spec) -> None:
    key = add_trial(store, search, bundle(), "a")
    card = store.trial(key).card
    card.write_bytes(card.read_bytes().replace(b"0.9", b"0.8"))
    (violation,) = refusal(store, "a", key)
    assert violation.startswith(f"{card}: its sha256 is not that of its content")


def test_a_trial_without_its_search_is_found_by_its_key(store: Store, search: Spec) -> None:
    key = add_trial(store, search, bundle(), "a")
    store.experiment(search.experiment_name).trial("a").unlink()
    assert subjects.find(store, key).described == {"search": None, "trial": None, "key": key}
