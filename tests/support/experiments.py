"""Experiments as the trial program leaves them: a spec, trial records, cards and bundles."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from atelier_server.promotion.promote import promoter
from atelier_store import baselines, clock, history
from atelier_store.curve import append_epoch
from atelier_store.files import sha256_file
from atelier_store.layout import Store
from atelier_store.promotion import Promoted
from atelier_store.records import Baseline, Baselines, Card, Epoch, HistoryLine, TrialConfig, TrialRecord
from atelier_store.spec import Spec

from tests.support.onnx_bundles import Bundle, image_bundle


def spec(
    name: str = "tests",
    parameters: Sequence[dict[str, Any]] = (),
    objective: dict[str, str] | None = None,
    **trainer: Any,
) -> Spec:
    counts = {"maxTrialCount": 9, "maxFailedTrialCount": 0}
    experiment = {"name": name, "objective": objective or {}, "parameters": parameters, **counts}
    data = {"source": "sklearn", "name": "digits"}
    return Spec.model_validate({"experiment": experiment, "trainer": {"data": data, "maxEpochs": 3, **trainer}})


def begin(store: Store, of: Spec) -> str:
    """The experiment's name."""
    of.write(store.experiment(of.experiment_name).spec)
    return of.experiment_name


def add_trial(
    store: Store, of: Spec, bundle: Bundle, trial: str, suggested: dict[str, str] | None = None, **card: Any
) -> str:
    """A trial with this bundle; the result is its key."""
    config: TrialConfig = bundle.fields["config"]
    paths = store.trial(config.key)
    manifest = bundle.write(paths.bundle.folder)
    config.write(paths.config)
    files = {f"model/{path.name}": sha256_file(path) for path in paths.bundle.folder.iterdir()}
    fields = {
        "status": "succeeded",
        "epochs": 3,
        "params": manifest.params,
        "macs": manifest.macs,
        "files": files,
    } | card
    metric = manifest.objective_metric_name
    Card(
        key=config.key,
        objective_metric_name=metric,
        metric=manifest.metrics[metric],
        metrics=manifest.metrics,
        updated_at=clock.now(),
        **fields,
    ).write(paths.card)
    TrialRecord(trial=trial, params=suggested or {}, key=config.key).write(
        store.experiment(of.experiment_name).trial(trial)
    )
    return config.key


def add_baselines(store: Store, of: Spec, data_digest: str, **metrics: dict[str, float]) -> Path:
    """Baselines of these data with the metrics of each, by name; their file."""
    trained = tuple(Baseline(name=name, metrics=values, rows=9, seconds=0.1) for name, values in metrics.items())
    path = baselines.path(store, of, data_digest)
    Baselines(
        recipe_version=baselines.RECIPE_VERSION,
        data_digest=data_digest,
        validation_fraction=of.trainer.data.validation_fraction,
        seed=of.trainer.seed,
        class_weights=of.trainer.class_weights,
        baselines=trained,
        library="scikit-learn",
        made_at=clock.now(),
    ).write(path)
    return path


def two_trials(store: Store, of: Spec | None = None, seeds: tuple[int, int] = (1, 2)) -> str:
    """An experiment whose second trial is the better one; the result is its name."""
    of = of or spec()
    name = begin(store, of)
    for seed, metric in zip(seeds, (0.8, 0.9), strict=True):
        add_trial(store, of, image_bundle(seed, metric=metric), f"trial-{seed}")
    return name


def promote_best(store: Store, experiment: str, model: str) -> Promoted:
    """Promote the best trial of the experiment, whatever is served, with the server's means."""
    return promoter(store.model(model)).best(experiment, "always")


def history_of(store: Store, model: str) -> list[HistoryLine]:
    """Every whole line of a model's history, oldest first."""
    return history.whole(store.model(model).history.read_bytes())


def add_curve(store: Store, key: str, name: str, values: Sequence[float]) -> None:
    """What the trial of this key reached, epoch by epoch."""
    for epoch, value in enumerate(values, 1):
        metrics = {name: value, "train_loss": 1 / epoch}
        append_epoch(
            store.trial(key).metrics, Epoch(epoch=epoch, metrics=metrics, seconds=1.5, finished_at=clock.now())
        )
