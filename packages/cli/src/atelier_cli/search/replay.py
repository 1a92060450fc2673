"""Train a stored trial again, from nothing, in a store of its own, and compare every tensor."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from atelier_store.clock import now
from atelier_store.files import write_bytes
from atelier_store.layout import BundlePaths, Store
from atelier_store.ranking import trial_records
from atelier_store.records import Card, DataDescription, Environment, Manifest, Replay, TrialConfig, TrialRecord
from atelier_store.spec import Budget, Spec
from atelier_trial.request import Request, configuration

from atelier_cli.errors import CannotReplay
from atelier_cli.search.command_line import command_line


@dataclass(frozen=True)
class Replayed:
    """Digests of every tensor by name, as stored and as trained again up to an epoch, and what was there each time."""

    key: str
    epochs: int
    stored: dict[str, str]
    again: dict[str, str]
    environment_before: Environment
    environment_now: Environment

    @property
    def environment(self) -> dict[str, tuple[Any, Any]]:
        """What differs in the environment, by name."""
        before, after = self.environment_before.model_dump(), self.environment_now.model_dump()
        return {name: (before[name], after[name]) for name in before if before[name] != after[name]}

    @property
    def different(self) -> list[str]:
        """Names of tensors that are not the same bit for bit."""
        return sorted(
            name for name in self.stored.keys() | self.again.keys() if self.stored.get(name) != self.again.get(name)
        )


def replay(store: Store, key: str, scratch: Store) -> Replayed:
    """Train the trial with this key again in scratch. CannotReplay says what is missing or went wrong."""
    bundle = store.trial(key).bundle
    if not bundle.manifest.exists():
        raise CannotReplay(f"{key}: no trial with a bundle has this key in {store.root}; it has: {_known(store)}")
    manifest = Manifest.read(bundle.manifest)
    _link_data(store, scratch, manifest.provenance.data_digest)
    bundle_again = _again(store, scratch, key, manifest.provenance.epochs)
    again = Manifest.read(bundle_again.manifest)
    return Replayed(
        key=key,
        epochs=manifest.provenance.epochs,
        stored=tensor_digests(bundle.network),
        again=tensor_digests(bundle_again.network),
        environment_before=manifest.provenance.environment,
        environment_now=again.provenance.environment,
    )


def remember(store: Store, replayed: Replayed) -> None:
    """Keep the replay beside the trial, for an audit. OSError."""
    record = Replay(
        key=replayed.key,
        epochs=replayed.epochs,
        tensors=len(replayed.stored),
        different=tuple(replayed.different),
        environment=replayed.environment_now,
        replayed_at=now(),
    )
    record.write(store.trial(replayed.key).replay(record.replayed_at))


def _known(store: Store, most: int = 8) -> str:
    """Some keys that can be replayed, as text."""
    keys = [paths.key for paths in store.trials() if paths.bundle.manifest.exists()]
    more = [f"{len(keys) - most} more, on the leaderboard"] if len(keys) > most else []
    return ", ".join(keys[:most] + more) or "none"


def tensor_digests(model: Path) -> dict[str, str]:
    """The sha256 of every tensor of an ONNX file, by name: weights and running averages, as they are served."""
    import onnx

    graph = onnx.load(model).graph
    named = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in graph.initializer}
    constants = (
        (node.output[0], attribute.t) for node in graph.node for attribute in node.attribute if attribute.HasField("t")
    )
    named |= {name: onnx.numpy_helper.to_array(tensor) for name, tensor in constants}
    return {
        name: hashlib.sha256(f"{array.dtype}{array.shape}".encode() + array.tobytes()).hexdigest()
        for name, array in named.items()
    }


def _link_data(store: Store, scratch: Store, digest: str) -> None:
    """Link the prepared data into the scratch store."""
    scratch.root.mkdir(parents=True, exist_ok=True)
    if not (scratch.root / "data").exists():
        (scratch.root / "data").symlink_to((store.root / "data").absolute(), target_is_directory=True)
    if not store.data(digest).description.exists():
        raise CannotReplay(f"{store.data(digest).folder}: the prepared data are gone")


def _origin(store: Store, key: str) -> tuple[Spec, TrialRecord]:
    """The spec and the trial record that a key comes from."""
    for experiment in store.experiments():
        for record in trial_records(experiment):
            if record.key == key:
                return Spec.read(experiment.spec), record
    raise CannotReplay(f"{key}: no experiment in {store.root} says how it was suggested")


def _again(store: Store, scratch: Store, key: str, epochs: int) -> BundlePaths:
    """The bundle of a trial that is trained in scratch up to this epoch, or made there from others that are.

    As far as these were trained when it was made; where their weights are others, so is the key of what is made.
    """
    config = TrialConfig.read(store.trial(key).config)
    if config.is_trained:
        _train(store, scratch, key, config, epochs)
        return scratch.trial(key).bundle
    spec, record = _origin(store, key)
    trainer = spec.trainer.model_copy(update={"budget": Budget()})  # a latency is another each time
    request = Request(
        spec.model_copy(update={"trainer": trainer}),
        scratch,
        record.trial,
        {},
        threads=Manifest.read(store.trial(key).bundle.manifest).provenance.environment.threads,
    )
    if config.int8_of is not None:
        of = _again(store, scratch, config.int8_of.key, config.int8_of.epochs)
        request = replace(request, int8_of=Manifest.read(of.manifest).config.key)
    elif config.mirror_of is not None:
        of = _again(store, scratch, config.mirror_of.key, config.mirror_of.epochs)
        request = replace(request, mirror_of=Manifest.read(of.manifest).config.key)
    else:
        members = [_again(store, scratch, member.key, member.epochs) for member in config.members or ()]
        request = replace(request, average_of=tuple(Manifest.read(one.manifest).config.key for one in members))
    made = configuration(request, DataDescription.read(scratch.data(config.data_digest).description)).key
    _run(request, made)
    return scratch.trial(made).bundle


def _train(store: Store, scratch: Store, key: str, config: TrialConfig, epochs: int) -> None:
    """Train one trial in scratch up to an epoch, with as many threads as before; of a tail, the parent first."""
    spec, record = _origin(store, key)
    threads = Manifest.read(store.trial(key).bundle.manifest).provenance.environment.threads
    retrain_of = None
    if config.retrained_epochs is not None and config.parent is None:
        (retrain_of,) = Manifest.read(store.trial(key).bundle.manifest).provenance.parents
        manifest = store.trial(retrain_of).bundle.manifest
        write_bytes(scratch.trial(retrain_of).bundle.manifest, manifest.read_bytes())
        trainer = spec.trainer
    elif config.parent is not None:
        assert config.parent_epochs is not None
        _again(store, scratch, config.parent, config.parent_epochs)
        trainer = spec.trainer.model_copy(update={"tail_epochs": config.tail_epochs})
    else:
        trainer = spec.trainer.model_copy(update={"max_epochs": epochs})
    spec = spec.model_copy(update={"trainer": trainer})
    straight_through: dict[int, float | None] = {}
    request = Request(
        *(spec, scratch, record.trial, record.params),
        bars=straight_through,
        tail_of=config.parent,
        retrain_of=retrain_of,
        threads=threads,
    )
    _run(request, config.key)


def _run(request: Request, key: str) -> None:
    """Run the trial program in a process of its own; the trial has this key. CannotReplay."""
    path = request.store.root / f"{request.trial}.json"
    request.spec.write(path)
    command = [sys.executable, "-m", "atelier_trainer", *command_line(request, path)]
    completed = subprocess.run(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, encoding="utf-8", errors="replace"
    )
    card = Card.read_if_whole(request.store.trial(key).card)
    if completed.returncode or card is None or card.weights_sha256 is None:
        lines = completed.stderr.strip().splitlines()
        reason = lines[-1] if lines else f"exit code {completed.returncode}"
        raise CannotReplay(f"{key}: training it again failed: {reason}")
