"""An average: the networks of several trials as one ONNX graph that answers the mean of what they answer.

It is put together from the members' bundles, so that nothing is trained, and it is a bundle itself: with the reference
answers, the scores of the validation rows, and what it costs.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from hashlib import sha256
from typing import Any

import numpy as np
import onnx
from atelier_store import columns as table
from atelier_store.records import Card, Manifest, Provenance
from atelier_store.scores import of_targets, scores
from atelier_store.spec import sha256_of
from atelier_trial import data, own_metrics
from numpy.typing import NDArray
from onnx import helper

from atelier_trainer import environment, export
from atelier_trainer.attempt import Attempt, Diverged, Exported, Progress
from atelier_trainer.cost import Cost
from atelier_trainer.examples import Examples, in_order, training_examples
from atelier_trainer.front import apart_from

log = logging.getLogger("atelier.trial")


class StoppedBetween(Exception):
    """The process was asked to stop; nothing of the average is kept, and the next run begins it again."""


class Averaging(Attempt):
    """A run that puts an average together from the bundles of its members."""

    def work(self) -> Card:
        """Put it together, measure it, and write its bundle; the card that is then in the store."""
        try:
            return self._average()
        except StoppedBetween:
            return self.write_card("stopped", "asked to stop; begins again")

    def _average(self) -> Card:
        device = environment.configure(self.trial.request.threads)
        self.environment = environment.describe(device, "float32")
        self.write_card("running")
        description, store = self.trial.description, self.trial.request.store
        members = self.trial.config.members or ()
        bundles = [store.trial(member.key).bundle for member in members]
        manifests = [Manifest.read(bundle.manifest) for bundle in bundles]
        networks = [bundle.network.read_bytes() for bundle in bundles]
        for member, network in zip(members, networks, strict=True):
            if sha256(network).hexdigest() != member.onnx_sha256:
                raise ValueError(f"the network of {member.key} has changed since it was chosen; try again")
        joined = join(networks)
        arrays = data.load(store, description)
        config = self.trial.config
        ((_, index),) = data.parts(arrays, description, config.validation_fraction, None, config.seed).splits
        x = training_examples(store.data(description.digest), description, arrays.train_x, index)
        first = export.inputs(x[:1].numpy(), description.columns)
        params, macs = (sum(counts) for counts in zip(*((one.params, one.macs) for one in manifests), strict=True))
        if (over := self.over_budget(Cost(params, macs, export.measure_latency(joined, first)))) is not None:
            return over
        weight = None if arrays.train_weight is None else arrays.train_weight[index]
        return self._export(manifests, networks, joined, x, arrays.train_y[index], weight)

    def _export(
        self,
        manifests: Sequence[Manifest],
        networks: Sequence[bytes],
        joined: bytes,
        x: Examples,
        y: NDArray[Any],
        weight: NDArray[np.float32] | None,
    ) -> Card:
        """Score the joined network on these validation rows, and write bundle and card."""
        task, columns, first = self.trial.description.task, self.trial.description.columns, manifests[0]
        expected = self._mean(networks, self._inputs(x))
        answers = self._mean([joined], self._inputs(x))
        metrics = scores(task, answers, y, "val", weight, own_metrics.functions(self.target.spec.trainer))
        if not all(map(np.isfinite, metrics.values())):
            raise Diverged(", ".join(f"{name} {value}" for name, value in metrics.items()))
        parity = export.parity(joined, self._inputs(x), expected, task, self.trial.request.threads)
        reference = export.reference_rows(x[: export.REFERENCE_ROWS].numpy(), columns)
        given = export.inputs(reference, columns)
        weights = sha256_of([one.weights_sha256 for one in manifests])
        assert self.cost is not None and self.cost.latency is not None  # measured before
        names = first.target_names
        manifest = first.model_copy(
            update={
                "objective_metric_name": self.target.objective.objective_metric_name,
                "metrics": metrics,
                "target_metrics": of_targets(answers, y, "val", names, weight) if names is not None else None,
                "architecture": f"mean of {len(manifests)} networks: " + " | ".join(m.architecture for m in manifests),
                "config": self.trial.config,
                "params": self.cost.params,
                "macs": self.cost.macs,
                "latency": self.cost.latency,
                "parity": parity,
                "weights_sha256": weights,
                "provenance": self._provenance(first.provenance),
                "files": {},
            }
        )
        self.lease.check()
        export.write_bundle(self.paths.bundle, joined, given, self._mean(networks, [given]), manifest)
        log.info(
            "the mean of %d networks: %s", len(networks), ", ".join(f"{n} {value:.4g}" for n, value in metrics.items())
        )
        bundle = self.paths.bundle
        files = self.digests((bundle.manifest, *bundle.contents, self.paths.config))
        progress = Progress(metric=metrics[self.target.objective.objective_metric_name])
        return self.write_card("succeeded", None, progress, Exported(weights, metrics, files))

    def _inputs(self, x: Examples) -> Iterator[table.Inputs]:
        """What bundles are given for raw x, a batch after the other. StoppedBetween."""
        for part in in_order(x):
            if self.stop():
                raise StoppedBetween
            yield export.inputs(part.numpy(), self.trial.description.columns)

    def _mean(self, networks: Sequence[bytes], batches: Iterable[table.Inputs]) -> NDArray[np.float32]:
        """The mean of what each of the networks answers to these batches (N, outputs)."""
        sessions = [export.session(network, self.trial.request.threads) for network in networks]
        found = []
        for batch in batches:
            total = sessions[0].run(None, batch)[0]
            for session in sessions[1:]:
                total = total + session.run(None, batch)[0]
            found.append(total / np.float32(len(sessions)))
        return np.concatenate(found)

    def _provenance(self, best: Provenance) -> Provenance:
        config, spec = self.trial.config, self.target.spec
        assert self.environment is not None
        return best.model_copy(
            update={
                "experiment": spec.experiment_name,
                "spec_digest": spec.search_digest,
                "network_digest": config.network_digest,
                "trial": self.trial.request.trial,
                "key": config.key,
                "epochs": 0,
                "best_epoch": None,
                "parents": tuple(member.key for member in config.members or ()),
                "environment": self.environment,
            }
        )


def join(networks: Sequence[bytes]) -> bytes:
    """One network with the inputs and the output of these, which are the same, that answers the mean of their answers.

    ValueError if inputs, outputs or operators are not the same.
    """
    models = [onnx.load_from_string(network) for network in networks]
    first = models[0]
    signatures = {tuple(v.SerializeToString() for v in (*m.graph.input, *m.graph.output)) for m in models}
    opsets = {tuple(sorted((one.domain, one.version) for one in model.opset_import)) for model in models}
    if len(signatures) > 1 or len(opsets) > 1:
        what = "inputs or outputs" if len(signatures) > 1 else f"versions of operators: {sorted(opsets)}"
        raise ValueError(f"networks of different {what} have no mean; train them by the same release")
    inputs, output = [value.name for value in first.graph.input], first.graph.output[0].name
    prefix = apart_from([*inputs, output], "member")
    graph = onnx.GraphProto(name="mean", input=first.graph.input, output=first.graph.output)
    answers: list[str] = []
    functions: list[onnx.FunctionProto] = []
    for number, model in enumerate(models):
        own = f"{prefix}{number}/"
        member = onnx.compose.add_prefix(model, own)
        graph.node.extend(helper.make_node("Identity", [name], [f"{own}{name}"]) for name in inputs)
        graph.node.extend(member.graph.node)
        graph.initializer.extend(member.graph.initializer)
        graph.sparse_initializer.extend(member.graph.sparse_initializer)
        graph.value_info.extend(member.graph.value_info)
        functions += member.functions
        answers.append(f"{own}{output}")
    graph.node.append(helper.make_node("Mean", answers, [output]))
    joined = helper.make_model(graph, opset_imports=first.opset_import, functions=functions)
    joined.ir_version = max(model.ir_version for model in models)
    onnx.checker.check_model(joined)
    return joined.SerializeToString()
