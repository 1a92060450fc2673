"""Thresholds of a promoted model as lines of text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from atelier_store.records import Manifest, Threshold

from atelier_cli.show.numbers import score


def threshold_lines(manifest: Manifest, tested: Sequence[Threshold] | None) -> Iterator[str]:
    """Each threshold with its rule, and what its labels come to on the validation and the test rows."""
    folds = manifest.config.folds
    for place, threshold in enumerate(manifest.thresholds or ()):
        yield f"threshold:  {threshold.label} from {threshold.value:g} on, by {threshold.rule}"
        yield f"  {f'{folds} folds:   ' if folds else 'validation:'} {_scores(threshold)}"
        if tested:
            yield f"  test:       {_scores(tested[place])}"


def _scores(threshold: Threshold) -> str:
    return ", ".join(f"{name} {score(value)}" for name, value in threshold.metrics.items())
