"""A run that trains nothing: it makes a network from those in the bundles of other trials.

What it makes has a bundle itself, with the reference answers, the scores of the validation rows, and what it costs.
"""

from __future__ import annotations

import logging
from abc import abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import numpy as np
from atelier_store import columns as table
from atelier_store.records import Card, Int8, Manifest, Member, Provenance
from atelier_store.scores import of_targets, scores
from atelier_trial import data, own_metrics
from numpy.typing import NDArray

from atelier_trainer import environment, export
from atelier_trainer.attempt import Attempt, Diverged, Exported, Progress
from atelier_trainer.examples import Examples, in_order, training_examples

log = logging.getLogger("atelier.trial")


class StoppedBetween(Exception):
    """The process was asked to stop; nothing of the network is kept, and the next run begins it again."""


@dataclass(frozen=True)
class Source:
    """What a network is made from: networks as ONNX with their manifests, and the data with the rows of each part."""

    manifests: Sequence[Manifest]
    networks: Sequence[bytes]
    arrays: data.Arrays
    training: NDArray[np.int64]
    validation: NDArray[np.int64]


@dataclass(frozen=True)
class Made:
    """A network that was made, as ONNX, and what its manifest says that the first of its source does not.

    of is what it was made from, for the provenance.
    """

    onnx: bytes
    architecture: str
    weights_sha256: str
    of: dict[str, Any]
    int8: Int8 | None = None


class Making(Attempt):
    """A run that makes a network from those of the members that its trial's configuration names."""

    @property
    @abstractmethod
    def members(self) -> Sequence[Member]:
        """What it is made from."""

    @abstractmethod
    def make(self, source: Source) -> Card:
        """Make it, and keep it; the card. StoppedBetween."""

    def work(self) -> Card:
        """Make it, measure it, and write its bundle; the card that is then in the store."""
        try:
            device = environment.configure(self.trial.request.threads)
            self.environment = environment.describe(device, "float32")
            self.write_card("running")
            bundles = [self.trial.request.store.trial(member.key).bundle for member in self.members]
            manifests = [Manifest.read(bundle.manifest) for bundle in bundles]
            networks = [bundle.network.read_bytes() for bundle in bundles]
            for member, network in zip(self.members, networks, strict=True):
                if sha256(network).hexdigest() != member.onnx_sha256:
                    raise ValueError(f"the network of {member.key} has changed since it was chosen; try again")
            return self.make(Source(manifests, networks, *self._data()))
        except StoppedBetween:
            return self.write_card("stopped", "asked to stop; begins again")

    def _data(self) -> tuple[data.Arrays, NDArray[np.int64], NDArray[np.int64]]:
        description, config = self.trial.description, self.trial.config
        arrays = data.load(self.trial.request.store, description)
        parts = data.parts(arrays, description, config.validation_fraction, None, config.seed)
        ((_, validation),) = parts.splits
        return arrays, parts.training, validation

    def examples(self, source: Source, rows: NDArray[np.int64]) -> Examples:
        """These rows of the training data: raw, or the features of a table."""
        description = self.trial.description
        folder = self.trial.request.store.data(description.digest)
        return training_examples(folder, description, source.arrays.train_x, rows)

    def inputs(self, x: Examples) -> Iterator[table.Inputs]:
        """What bundles are given for examples, a batch after the other. StoppedBetween."""
        for part in in_order(x):
            if self.stop():
                raise StoppedBetween
            yield export.inputs(part.numpy(), self.trial.description.columns)

    def first_input(self, source: Source) -> table.Inputs:
        """What bundles are given for the first validation row."""
        return export.inputs(self.examples(source, source.validation[:1])[:].numpy(), self.trial.description.columns)

    def answers(self, networks: Sequence[bytes], batches: Iterable[table.Inputs]) -> NDArray[np.float32]:
        """The mean of what each of the networks answers to these batches (N, outputs)."""
        sessions = [export.session(network, self.trial.request.threads) for network in networks]
        found = []
        for batch in batches:
            total = sessions[0].run(None, batch)[0]
            for session in sessions[1:]:
                total = total + session.run(None, batch)[0]
            found.append(total / np.float32(len(sessions)))
        return np.concatenate(found)

    def expected(self, source: Source, batches: Iterable[table.Inputs]) -> NDArray[np.float32]:
        """What it has to answer to these batches, by the networks that it is made from: their mean."""
        return self.answers(source.networks, batches)

    def scores(self, answers: NDArray[np.float32], source: Source) -> dict[str, float]:
        """The scores of answers to the validation rows. Diverged if one is not finite."""
        own, arrays, rows = own_metrics.functions(self.target.spec.trainer), source.arrays, source.validation
        weight = None if arrays.train_weight is None else arrays.train_weight[rows]
        metrics = scores(self.trial.description.task, answers, arrays.train_y[rows], "val", weight, own)
        if not all(map(np.isfinite, metrics.values())):
            raise Diverged(", ".join(f"{name} {value}" for name, value in metrics.items()))
        return metrics

    def keep(self, source: Source, made: Made) -> Card:
        """Score what was made, and write its bundle and its card. cost, with its latency, is set. StoppedBetween."""
        task, columns, first = self.trial.description.task, self.trial.description.columns, source.manifests[0]
        assert self.cost is not None and self.cost.latency is not None and self.environment is not None
        x, threads = self.examples(source, source.validation), self.trial.request.threads
        answers = self.answers([made.onnx], self.inputs(x))
        is_measured = self.target.is_measured  # what was retrained is not, and keeps its loss of training
        metrics = self.scores(answers, source) if is_measured else first.metrics
        parity = export.parity(made.onnx, self.inputs(x), self.expected(source, self.inputs(x)), task, threads)
        given = export.inputs(export.reference_rows(x[: export.REFERENCE_ROWS].numpy(), columns), columns)
        referred = self.expected(source, [given])
        if made.int8 is not None:  # it is not what it was made from, and its score says how far
            parity, referred = parity.model_copy(update={"argmax_equal": None}), self.answers([made.onnx], [given])
        manifest = first.model_copy(
            update={
                "objective_metric_name": self.target.objective.objective_metric_name,
                "metrics": metrics,
                "target_metrics": self._of_targets(answers, source) if is_measured else None,
                "architecture": made.architecture,
                "config": self.trial.config,
                "params": self.cost.params,
                "macs": self.cost.macs,
                "latency": self.cost.latency,
                "int8": made.int8,
                "parity": parity,
                "weights_sha256": made.weights_sha256,
                "provenance": self._provenance(first.provenance, made),
                "files": {},
            }
        )
        self.lease.check()
        export.write_bundle(self.paths.bundle, made.onnx, given, referred, manifest)
        log.info("%s: %s", made.architecture, ", ".join(f"{name} {value:.4g}" for name, value in metrics.items()))
        bundle = self.paths.bundle
        files = self.digests((bundle.manifest, *bundle.contents, self.paths.config))
        progress = Progress(metric=metrics[self.target.objective.objective_metric_name])
        return self.write_card("succeeded", None, progress, Exported(made.weights_sha256, metrics, files, made.int8))

    def _of_targets(self, answers: NDArray[np.float32], source: Source) -> dict[str, dict[str, float]] | None:
        names, arrays, rows = source.manifests[0].target_names, source.arrays, source.validation
        if names is None:
            return None
        weight = None if arrays.train_weight is None else arrays.train_weight[rows]
        return of_targets(answers, arrays.train_y[rows], "val", names, weight)

    def _provenance(self, first: Provenance, made: Made) -> Provenance:
        config, spec = self.trial.config, self.trial.request.spec
        return first.model_copy(
            update={
                "experiment": spec.experiment_name,
                "spec_digest": spec.search_digest,
                "network_digest": config.network_digest,
                "trial": self.trial.request.trial,
                "key": config.key,
                "environment": self.environment,
                **made.of,
            }
        )
