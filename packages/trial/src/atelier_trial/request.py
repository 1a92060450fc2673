"""A request to run a trial, and which trial that is."""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from atelier_store import bundle, finish, int8, mirror, names
from atelier_store.errors import InvalidInput
from atelier_store.layout import ExperimentPaths, Store, TrialPaths
from atelier_store.ranking import (
    average_members,
    best_parent,
    to_mirror,
    to_quantize,
    to_retrain,
    unfinished_winner,
)
from atelier_store.records import Card, DataDescription, TrialConfig, TrialRecord
from atelier_store.spec import Spec

from atelier_trial import fitness, identity
from atelier_trial.space import InvalidParams

log = logging.getLogger("atelier.trial")

BEST = "best"
"""In the place of a key: the best trial of the experiment."""


@dataclass(frozen=True)
class Request:
    """What the command line says. If bars is None, the trial takes them from the store; tail_of is a key, or BEST.

    average_of are the keys of trials whose average is asked for, the best first. retrain_of is the key of a trial that
    is to be trained again on training and validation rows, or of the tail whose parent is. mirror_of is the key of a
    trial whose network is asked for mirrored, int8_of of one whose network is asked for in int8.

    resumed_at is the rung at which the trial was paused and goes on, whatever the bars there and below; 0 if it is new.
    """

    spec: Spec
    store: Store
    trial: str
    params: dict[str, str]
    number: int | None = None
    bars: dict[int, float | None] | None = None
    resumed_at: int = 0
    tail_of: str | None = None
    average_of: tuple[str, ...] = ()
    retrain_of: str | None = None
    mirror_of: str | None = None
    int8_of: str | None = None
    threads: int = 1
    data_dir: Path | None = None


@dataclass(frozen=True)
class Trial:
    """A request together with what it resolves to: the prepared data and the canonical configuration."""

    request: Request
    description: DataDescription
    config: TrialConfig

    @property
    def paths(self) -> TrialPaths:
        return self.request.store.trial(self.config.key)


class StopRequest:
    """Whether this process was asked to stop; a trial then ends after the batch that is under way."""

    def __init__(self) -> None:
        self._event = threading.Event()

    def install(self) -> None:
        """Take SIGTERM and SIGINT for the request from now on."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self._event.set())

    def __call__(self) -> bool:
        return self._event.is_set()


def configuration(request: Request, description: DataDescription) -> TrialConfig:
    """The canonical configuration of the requested trial. InvalidInput."""
    if wrong := fitness.violations(request.spec.trainer, description):
        raise InvalidInput(wrong)
    if request.average_of:
        return finish.configuration(request.store, request.average_of)
    if request.mirror_of is not None:
        return mirror.configuration(request.store, request.mirror_of)
    if request.int8_of is not None:
        return int8.configuration(request.store, request.int8_of)
    if request.retrain_of is not None:
        return finish.retraining(bundle.manifest_of(request.store, request.retrain_of, "--retrain-of"))[0]
    if request.tail_of is None:
        return identity.trial_config(request.spec, description, request.params)
    parent = request.store.trial(parent_of(request, request.tail_of))
    card = Card.read(parent.card)
    return identity.tail_config(TrialConfig.read(parent.config), card.epochs, request.spec.trainer.tail_epochs)


def unfinished_winners(request: Request) -> Iterator[Request]:
    """What trains the best trial to its end, if halving paused it; then the next, should another be the best by now.

    Each is to be run before the next is taken.
    """
    finished: set[str] = set()
    while (best := unfinished_winner(request.store, request.spec)) and best.trial not in finished:
        finished.add(best.trial)
        yield replace(request, trial=best.trial, params=best.params, number=best.number, bars={})


def averages(request: Request) -> Iterator[Request]:
    """What averages the best trials, if the spec asks for it; then fewer, while that is measured over the budget.

    Each is to be run before the next is taken.
    """
    tried: set[str] = set()
    while members := average_members(request.store, request.spec):
        key = finish.configuration(request.store, members).key
        if key in tried:
            return
        tried.add(key)
        yield replace(request, trial=f"average-{key}", params={}, number=None, average_of=members)


def mirrored(request: Request) -> Request | None:
    """What mirrors the network that would be promoted, if the spec asks for it."""
    key = to_mirror(request.store, request.spec)
    return None if key is None else _mirroring(request, key)


def _mirroring(request: Request, key: str) -> Request:
    return replace(request, trial=f"mirror-{key}", params={}, number=None, mirror_of=key)


def retrainings(request: Request) -> list[Request]:
    """What retrains the winner on the validation rows too, if the spec asks for it: of a tail, the parent first.

    A winner that is mirrored is retrained as it is without, and that is mirrored then.
    """
    manifest = to_retrain(request.store, request.spec)
    if manifest is None:
        return []
    base, key = replace(request, params={}, number=None), manifest.config.origin
    configs = finish.retraining(manifest)
    steps = [replace(base, trial=f"retrained-{key}", retrain_of=key)]
    steps += [replace(base, trial=f"tail-{configs[0].key}", tail_of=configs[0].key) for _ in configs[1:]]
    return steps if manifest.config.mirror_of is None else [*steps, _mirroring(request, configs[-1].key)]


def in_int8(request: Request) -> Request | None:
    """What brings the winner to int8, if the spec asks for it."""
    key = to_quantize(request.store, request.spec)
    return None if key is None else replace(request, trial=f"int8-{key}", params={}, number=None, int8_of=key)


def parent_of(request: Request, tail_of: str) -> str:
    """The key of the trial whose tail is requested. InvalidParams."""
    if tail_of != BEST:
        if not names.KEY.accepts(tail_of) or not request.store.trial(tail_of).config.exists():
            raise InvalidParams([f"--tail-of: {tail_of}: no such trial in this store"])
        return tail_of
    parent = best_parent(request.store, request.spec)
    if parent is None:
        name = request.spec.experiment_name
        raise InvalidParams(
            [f"--tail-of: {BEST}: no trial of {name} that is paused or succeeded can be promoted, so none has a tail"]
        )
    log.info("the best trial of %s is %s", request.spec.experiment_name, parent)
    return parent


def record(
    experiment: ExperimentPaths,
    request: Request,
    key: str | None,
    error: str | None = None,
    found: bool = False,
    reason: str | None = None,
    rungs: dict[int, str] | None = None,
) -> None:
    """Write to the experiment which key this trial has, or why it has none, and whether the store had its result.

    What was found then stays found, whoever writes the record again; so do the reasons of its suggestion, and for which
    it went on at rungs.
    """
    path = experiment.trial(request.trial)
    before = TrialRecord.read_if_whole(path)
    if before is not None and before.key == key:
        found, reason = found or before.found, reason or before.reason
        rungs = before.rungs | (rungs or {})
    TrialRecord(
        trial=request.trial,
        number=request.number,
        params=request.params,
        key=key,
        error=error,
        found=found,
        reason=reason,
        rungs=rungs or {},
    ).write(path)
    if not experiment.spec.exists():
        request.spec.write(experiment.spec)
