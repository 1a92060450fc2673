"""What a profile asks of its data that only the data can tell."""

from __future__ import annotations

from atelier_store import mirror
from atelier_store.in_words import counted
from atelier_store.records import DataDescription
from atelier_store.spec import Trainer

from atelier_trial.data.raw import few


def violations(trainer: Trainer, description: DataDescription) -> list[str]:
    """Each value of the profile that does not go with the prepared data, and what would."""
    found = []
    labels = description.labels or ()
    if trainer.threshold is not None and description.task == "classification" and len(labels) != 2:
        found.append(
            f"trainer.threshold: {trainer.threshold}: the data have {counted(len(labels), 'class')}; "
            "allowed for other than two: null"
        )
    if trainer.finish.mirror and (why_not := mirror.refusal(description.kind)) is not None:
        found.append(f"trainer.finish.mirror: {why_not}")
    if isinstance(trainer.class_weights, dict):
        found += [
            f"trainer.classWeights: {label!r} is no class; allowed: {few(labels, 20)}"
            for label in trainer.class_weights
            if label not in labels
        ]
    return found
