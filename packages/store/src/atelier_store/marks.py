"""What a trial tells Katib beside its metrics, so that a suggestion service knows where on its curve it ended.

Katib keeps one value of a metric, and halving compares trials at rungs. So a trial prints the objective once more under
a name of its own at each epoch where it may end: `val_accuracy_at_3`, `val_accuracy_at_9`, `val_accuracy_at_27`. The
chart collects the same names (`atelier.search.marks`).
"""

from __future__ import annotations

from atelier_store import halving
from atelier_store.spec import Spec

RESUMED_AT = "atelier/resumed-at"
"""Label of Katib's trial, and so of its pod: the epoch of the rung where its network paused and goes on; 0 if new."""


def names(spec: Spec) -> dict[int, str]:
    """The names by epoch, in ascending order: the rungs, then the last epoch. Empty if Katib's algorithms suggest."""
    experiment, last = spec.experiment, spec.trainer.max_epochs
    if experiment.algorithm.algorithm_name != "atelier":
        return {}
    epochs = (*halving.rungs(experiment.early_stopping, last), last)
    return {epoch: f"{experiment.objective.objective_metric_name}_at_{epoch}" for epoch in epochs}
