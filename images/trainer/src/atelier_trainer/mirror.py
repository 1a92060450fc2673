"""A network of pictures mirrored: one graph that answers the mean for a picture and its mirror image.

Both show the same, left and right exchanged, and a network errs on them differently (Krizhevsky et al. 2012, ImageNet
Classification with Deep Convolutional Neural Networks, average over such images too).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import onnx
from atelier_store import columns as table
from atelier_store.records import Card, Member
from numpy.typing import NDArray
from onnx import TensorProto, helper

from atelier_trainer import export
from atelier_trainer.cost import Cost
from atelier_trainer.front import apart_from
from atelier_trainer.making import Made, Making, Source

WIDTH = 2
"""The axis of a picture's columns, in a batch (N, H, W) or (N, H, W, C)."""


class Mirroring(Making):
    """A run that mirrors the network of another trial."""

    @property
    def members(self) -> Sequence[Member]:
        of = self.trial.config.mirror_of
        assert of is not None
        return (of,)

    def make(self, source: Source) -> Card:
        """Mirror it and measure it; it is kept if it is within the budget."""
        (network,), (manifest,) = source.networks, source.manifests
        made = mirrored(network)
        latency = export.measure_latency(made, self.first_input(source))
        if (over := self.over_budget(Cost(manifest.params, 2 * manifest.macs, latency))) is not None:
            return over
        return self.keep(
            source,
            Made(
                onnx=made,
                architecture=f"{manifest.architecture}, mean of a picture and its mirror image",
                weights_sha256=manifest.weights_sha256,
                of={"parents": (self.members[0].key, *manifest.provenance.parents)},
            ),
        )

    def expected(self, source: Source, batches: Iterable[table.Inputs]) -> NDArray[np.float32]:
        """The mean of what the network answers to these pictures, and to their mirror images."""
        (network,) = source.networks
        running = export.session(network, self.trial.request.threads)
        found = []
        for batch in batches:
            turned = {name: np.ascontiguousarray(np.flip(x, WIDTH)) for name, x in batch.items()}
            found.append((running.run(None, batch)[0] + running.run(None, turned)[0]) * np.float32(0.5))
        return np.concatenate(found)


def mirrored(network: bytes) -> bytes:
    """The network of pictures with the same input and output that answers the mean for a picture and its mirror image.

    Both go through it in one batch, so that each weight is there once.
    """
    model = onnx.load_from_string(network)
    (given,), (answer,) = model.graph.input, model.graph.output
    inner = apart_from([given.name, answer.name], "network/")
    outer = apart_from([given.name, answer.name, inner], "mirror/")
    inside = onnx.compose.add_prefix(model, inner)
    opset = next(one.version for one in model.opset_import if not one.domain)
    backwards = {"starts": -1, "ends": np.iinfo(np.int64).min, "axes": WIDTH, "steps": -1}
    # not as raw bytes: ONNX Runtime's quantisation puts those into a file, and infers no shapes from a file
    constants = [helper.make_tensor(f"{outer}{of}", TensorProto.INT64, [1], [n]) for of, n in backwards.items()]
    image, first, second = (f"{outer}{name}" for name in ("image", "first", "second"))
    halves: dict[str, Any] = {"num_outputs": 2} if opset >= 18 else {}  # before, the number of names says it
    graph = onnx.GraphProto(name="mirror", input=model.graph.input, output=model.graph.output)
    graph.initializer.extend([*inside.graph.initializer, *constants])
    graph.sparse_initializer.extend(inside.graph.sparse_initializer)
    graph.node.extend(
        [
            helper.make_node("Slice", [given.name, *(constant.name for constant in constants)], [image]),
            helper.make_node("Concat", [given.name, image], [f"{inner}{given.name}"], axis=0),
            *inside.graph.node,
            helper.make_node("Split", [f"{inner}{answer.name}"], [first, second], axis=0, **halves),
            helper.make_node("Mean", [first, second], [answer.name]),
        ]
    )
    made = helper.make_model(graph, opset_imports=model.opset_import, functions=inside.functions)
    made.ir_version = model.ir_version
    onnx.checker.check_model(made)
    return made.SerializeToString()
