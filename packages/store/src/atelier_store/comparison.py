"""Whether a winner is worse than the version that is served, where the two can be compared at all.

Two values can be compared if they are of the same rows, by the same code: the validation rows are the same where data,
split and seed are; the test rows are the same where the stored arrays are. Anything else is for a person to judge.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from atelier_store.arrays import TEST_WEIGHT
from atelier_store.files import sha256_file
from atelier_store.layout import DataPaths, Store
from atelier_store.records import Comparison, Manifest, Outcome, Promotion
from atelier_store.spec import Objective, at_test

Scores = Callable[[], dict[str, float] | None]
"""Test metrics of the served version, computed when they are asked for; None if it cannot be tested."""


@dataclass(frozen=True)
class Verdict:
    """What becomes of a winner, and why. comparison is None if nothing is served, or the winner itself."""

    outcome: Outcome
    reason: str
    comparison: Comparison | None = None


def judge(
    store: Store, objective: Objective, winner: Manifest, promotion: Promotion, served: Manifest, test_served: Scores
) -> Verdict:
    """The winner beside the served version, by the objective of the winner's search.

    On the validation rows if they are the same, else on the test rows if they are.
    """
    name = objective.objective_metric_name
    on_validation = beside(winner, served, name)
    if on_validation is not None and on_validation.rows == "validation":
        return _verdict(objective, on_validation)
    if not name.startswith("val_"):
        return Verdict("not_comparable", f"{name} is not measured on rows that were held back", on_validation)
    why_not = "the data, the split or the seed is another"
    if on_validation is None:
        why_not = "it was retrained on the validation rows too"
    elif _validation_rows(winner) == _validation_rows(served):
        why_not = f"the served version has no {name}"
        if name in served.metrics:
            why_not = f"the served version's {name} is of other code"
    tested = promotion.test_metrics or {}
    test_name = at_test(name)
    if test_name not in tested:
        lack = f"the test rows give no {test_name}" if tested else "there is no test set"
        return Verdict("not_comparable", f"{why_not}, and {lack}", on_validation)
    if (winner.task, winner.labels) != (served.task, served.labels):
        return Verdict("not_comparable", f"{why_not}, and it tells other things apart", on_validation)
    if not _same_test_rows(store, winner, served):
        return Verdict(
            "not_comparable", f"{why_not}, and the test rows are others too, or not in the store", on_validation
        )
    value = (test_served() or {}).get(test_name)
    if value is None:
        return Verdict("not_comparable", f"{why_not}, and the served version cannot be tested", on_validation)
    return _verdict(objective, Comparison(metric_name=test_name, rows="test", value=tested[test_name], served=value))


def beside(version: Manifest, served: Manifest, name: str) -> Comparison | None:
    """Both values of a metric as they were measured in training; no test row is looked at.

    None if the version has none, since it was retrained.
    """
    if name not in version.metrics:
        return None
    value = served.metrics.get(name)
    same_rows = name.startswith("val_") and _validation_rows(version) == _validation_rows(served)
    same = value is not None and same_rows and _code(version, name) == _code(served, name)
    rows = "validation" if same else "different"
    return Comparison(metric_name=name, rows=rows, value=version.metrics[name], served=value)


def in_words(comparison: Comparison) -> str:
    """Both values, with enough digits to tell them apart, and where they come from."""
    value, served = comparison.value, comparison.served
    if served is None:
        return f"{comparison.metric_name} {value:.6g}; the served version has none"
    shown = [f"{number:.6g}" for number in (value, served)]
    if shown[0] == shown[1] and value != served:
        shown = [repr(value), repr(served)]
    where = "on different rows" if comparison.rows == "different" else f"on the same {comparison.rows} rows"
    return f"{comparison.metric_name} {shown[0]}, served {shown[1]}, {where}"


def _verdict(objective: Objective, comparison: Comparison) -> Verdict:
    assert comparison.served is not None  # both are of the same rows
    if objective.better(comparison.served, comparison.value):
        return Verdict("worse", f"it is worse: {in_words(comparison)}", comparison)
    return Verdict("promoted", f"it is not worse: {in_words(comparison)}", comparison)


def _validation_rows(manifest: Manifest) -> tuple[str, float, int | None, int]:
    config = manifest.config
    return config.data_digest, config.validation_fraction, config.folds, config.seed


def _code(manifest: Manifest, name: str) -> str | None:
    """The digest of a metric of the user's own; None for ours."""
    return (manifest.config.metric_digests or {}).get(name.removeprefix("val_"))


def _same_test_rows(store: Store, a: Manifest, b: Manifest) -> bool:
    if a.provenance.data_digest == b.provenance.data_digest:
        return True
    try:
        return _test_rows(store.data(a.provenance.data_digest)) == _test_rows(store.data(b.provenance.data_digest))
    except FileNotFoundError:
        return False


def _test_rows(data: DataPaths) -> list[str]:
    """What tells test rows from others: their arrays, and their weights if they have any. FileNotFoundError."""
    weights = [data.array(TEST_WEIGHT)] if data.array(TEST_WEIGHT).exists() else []
    return [sha256_file(path) for path in (data.array("test_x"), data.array("test_y"), *weights)]
