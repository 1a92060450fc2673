"""An average: the networks of several trials as one ONNX graph that answers the mean of what they answer."""

from __future__ import annotations

from collections.abc import Sequence

import onnx
from atelier_store.records import Card, Member
from atelier_store.spec import sha256_of
from onnx import helper

from atelier_trainer import export
from atelier_trainer.cost import Cost
from atelier_trainer.front import apart_from
from atelier_trainer.making import Made, Making, Source


class Averaging(Making):
    """A run that puts an average together from the bundles of its members."""

    @property
    def members(self) -> Sequence[Member]:
        return self.trial.config.members or ()

    def make(self, source: Source) -> Card:
        """Put it together and measure it; it is kept if it is within the budget."""
        joined = join(source.networks)
        each = source.manifests
        params, macs = sum(one.params for one in each), sum(one.macs for one in each)
        latency = export.measure_latency(joined, self.first_input(source))
        if (over := self.over_budget(Cost(params, macs, latency))) is not None:
            return over
        return self.keep(
            source,
            Made(
                onnx=joined,
                architecture=f"mean of {len(each)} networks: " + " | ".join(one.architecture for one in each),
                weights_sha256=sha256_of([one.weights_sha256 for one in each]),
                of={"epochs": 0, "best_epoch": None, "parents": tuple(member.key for member in self.members)},
            ),
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
