"""The report of a promotion: a summary of the search, kept with the version wherever it is copied to."""

from __future__ import annotations

from atelier_store.curve import read_curve
from atelier_store.layout import Store
from atelier_store.ranking import trial_records
from atelier_store.records import DataDescription, Epoch, Leaderboard, LeaderboardEntry, Manifest, Report, TriedTrial
from atelier_store.spec import Spec


def report(store: Store, spec: Spec, leaderboard: Leaderboard, winner: Manifest, origin: Manifest) -> Report:
    """The search space, the trials on the leaderboard, and the winner's learning curve.

    origin is the winner itself, or what was retrained to it, or brought to int8.
    """
    experiment, trainer = spec.experiment, spec.trainer
    data = DataDescription.read_if_whole(store.data(winner.provenance.data_digest).description)
    return Report(
        experiment=spec.experiment_name,
        data=data and data.model_copy(update={"source": trainer.data.words}),  # other files may hold the same
        network=trainer.network,
        objective=experiment.objective,
        algorithm=experiment.algorithm,
        early_stopping=experiment.early_stopping,
        max_trial_count=experiment.max_trial_count,
        max_epochs=trainer.max_epochs,
        budget=trainer.budget,
        parameters=experiment.parameters,
        chosen=_chosen(store, spec, origin),
        folds=winner.config.folds,
        thresholds=winner.thresholds,
        target_metrics=winner.target_metrics,
        trials=tuple(map(_tried, leaderboard.entries)),
        baselines=leaderboard.baselines,
        finish=leaderboard.finish,
        curve=_curve(store, winner),
        shortfall=shortfall(spec, origin),
    )


def shortfall(spec: Spec, winner: Manifest) -> str | None:
    """That a network was not trained to the end that its search sets, in words; None if it was, or was retrained.

    What was retrained has as many epochs as the weights of what it was retrained from.
    """
    if winner.config.retrained_epochs is not None:
        return None
    trained, most = winner.config.parent_epochs or winner.provenance.epochs, spec.trainer.max_epochs
    if winner.config.members is not None:
        trained = winner.config.members[0].epochs
    if trained >= most:
        return None
    return f"not trained to its end: it stopped after epoch {trained} of {most}, and no search has trained it on since"


def _chosen(store: Store, spec: Spec, winner: Manifest) -> dict[str, str]:
    key = winner.config.parent or winner.config.origin
    records = trial_records(store.experiment(spec.experiment_name))
    return next((record.params for record in records if record.key == key), {})


def _tried(entry: LeaderboardEntry) -> TriedTrial:
    """The fields that anybody may see: no reasons, which may name files."""
    return TriedTrial.model_validate(entry.model_dump(include=set(TriedTrial.model_fields)))


def _curve(store: Store, winner: Manifest) -> tuple[Epoch, ...]:
    """The epochs that were trained for the bundle: the trial may have gone on since."""
    own = read_curve(store.trial(winner.config.origin).metrics)[: winner.provenance.epochs]
    if winner.config.parent is None:
        return tuple(own)
    before = winner.config.parent_epochs or 0
    parents = read_curve(store.trial(winner.config.parent).metrics)[:before]
    return (*parents, *(epoch.model_copy(update={"epoch": before + epoch.epoch}) for epoch in own))
