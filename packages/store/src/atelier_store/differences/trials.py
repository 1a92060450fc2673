"""What differs between two trials: what decided their weights, where they ran, what they came to and what they cost."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from atelier_store.curve import read_curve
from atelier_store.differences.difference import Difference, compared, compared_each
from atelier_store.differences.subjects import TrialSubject
from atelier_store.errors import InvalidInput
from atelier_store.layout import Store, TrialPaths
from atelier_store.records import Card, DataDescription, TornRecord, TrialConfig


@dataclass(frozen=True)
class Trial:
    """A trial as the store has it. network is the digest of its code; data is None if they are not there any more."""

    config: TrialConfig
    card: Card
    network: Any
    data: DataDescription | None
    seconds: float
    bundle_bytes: int | None


def read(store: Store, paths: TrialPaths) -> Trial:
    """InvalidInput if it has not begun or is damaged."""
    try:
        config, card = TrialConfig.read(paths.config), Card.read(paths.card)
    except FileNotFoundError as error:
        raise InvalidInput([f"{paths.key}: has not begun, or is gone: {error.filename} is missing"]) from error
    except TornRecord as error:
        raise InvalidInput([str(error)]) from error
    data = DataDescription.read_if_whole(store.data(config.data_digest).description)
    seconds = round(sum(epoch.seconds for epoch in read_curve(paths.metrics)), 3)
    network = paths.bundle.network
    return Trial(
        config, card, network_digest(store, config), data, seconds, network.stat().st_size if network.exists() else None
    )


def compare(store: Store, a: TrialSubject, b: TrialSubject) -> list[Difference]:
    """What differs between two trials. InvalidInput if one has not begun or is damaged."""
    violations, trials = [], []
    for subject in dict.fromkeys((a, b)):
        try:
            trials.append(read(store, subject.paths))
        except InvalidInput as error:
            violations += error.violations
    if violations:
        raise InvalidInput(violations)
    return list(_compare(trials[0], trials[-1]))


def _compare(a: Trial, b: Trial) -> Iterator[Difference]:
    yield from compared_each("spec", _asked(a.config), _asked(b.config))
    yield from compared_each("parameters", flat(a.config.params), flat(b.config.params))
    yield from compared("data", "data_digest", a.config.data_digest, b.config.data_digest)
    if a.data and b.data:
        yield from compared_each("data", described(a.data), described(b.data))
    yield from compared_each("code", code(a.config, a.card, a.network), code(b.config, b.card, b.network))
    yield from compared_each("environment", environment(a.card), environment(b.card))
    yield from compared_each("metrics", _outcome(a.card), _outcome(b.card))
    yield from compared_each("cost", _cost(a), _cost(b))


def _asked(config: TrialConfig) -> dict[str, Any]:
    """What a trial has of its search's spec, under the names of the values."""
    return {
        "trainer.data.validationFraction": config.validation_fraction,
        "trainer.data.folds": config.folds,
        "trainer.seed": config.seed,
        "trainer.classWeights": config.class_weights,
        "trainer.tailEpochs": config.tail_epochs,
        "trainer.keepWeights": f"best by {config.keep_weights.metric}" if config.keep_weights else "last",
        "retrained_epochs": config.retrained_epochs,
        "members": [member.key for member in config.members] if config.members else None,
        "mirror_of": config.mirror_of.key if config.mirror_of else None,
        "int8_of": config.int8_of.key if config.int8_of else None,
        "parent": config.parent,
        "parent_epochs": config.parent_epochs,
    }


def flat(params: dict[str, Any]) -> dict[str, Any]:
    """The canonical parameters, each under one name: those of the first stage as stages[0].width."""
    stages = params.get("stages", [])
    own = {name: value for name, value in params.items() if name != "stages"}
    return own | {
        f"stages[{place}].{field}": value for place, stage in enumerate(stages) for field, value in stage.items()
    }


def described(data: DataDescription) -> dict[str, Any]:
    """What the data are, without their digest and their file names."""
    return data.model_dump(mode="json", exclude={"schema_version", "digest", "source"})


def network_digest(store: Store, config: TrialConfig) -> Any:
    """The digest of the code that builds the network: of an average that of its members, or each if they differ."""
    if config.members is None:
        return config.network_digest
    members = [TrialConfig.read_if_whole(store.trial(member.key).config) for member in config.members]
    digests = sorted({member.network_digest for member in members if member is not None})
    return digests[0] if len(digests) == 1 else digests


def code(config: TrialConfig, card: Card, network: Any) -> dict[str, Any]:
    """What code trained it; network is the digest of that which builds it."""
    release = card.environment.code_version if card.environment else None
    return {
        "network_digest": network,
        "loss_digest": config.loss_digest,
        **{f"metric_digests.{name}": digest for name, digest in (config.metric_digests or {}).items()},
        "recipe_version": config.recipe_version,
        "code_version": release,
    }


def environment(card: Card) -> dict[str, Any]:
    """What else has to be equal for equal weights."""
    return card.environment.model_dump(mode="json", exclude={"code_version"}) if card.environment else {}


def _outcome(card: Card) -> dict[str, Any]:
    return {
        "status": card.status,
        "reason": card.reason,
        **card.metrics,
        "best_epoch": card.best_epoch,
        "weights_sha256": card.weights_sha256,
    }


def _cost(trial: Trial) -> dict[str, Any]:
    card = trial.card
    return {
        "epochs": card.epochs,
        "seconds": trial.seconds,
        "params": card.params,
        "macs": card.macs,
        "latency_p50_ms": card.latency and card.latency.p50_ms,
        "latency_p95_ms": card.latency and card.latency.p95_ms,
        "peak_memory_bytes": card.peak_memory_bytes,
        "model_bytes": trial.bundle_bytes,
    }
