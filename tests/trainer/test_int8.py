"""A network in int8: which of its nodes, what it answers, and the variant that a search makes at its end."""

import re
from pathlib import Path

import numpy as np
import onnx
import pytest
from atelier_cli.search.replay import replay
from atelier_server.models.verification import verify
from atelier_store.audit import audit
from atelier_store.files import sha256_file
from atelier_store.layout import Store
from atelier_store.ranking import rank
from atelier_store.records import Card, Manifest
from atelier_store.spec import Spec
from atelier_trainer.average import join
from atelier_trainer.int8 import between_layers, quantize
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from tests.support.onnx_bundles import image_bundle, outputs_of
from tests.support.workplace import NETWORK, Workplace, profile

INTEGERS = (TensorProto.INT8, TensorProto.UINT8, TensorProto.INT32)


def network(seed: int = 0) -> bytes:
    """Words and numbers to three layers: scaled numbers, wide, narrow, two classes; the words are added at the end."""
    draw = np.random.default_rng(seed)
    shapes = {"first": (4, 32), "second": (32, 16), "third": (16, 2)}
    weights = [
        numpy_helper.from_array((draw.normal(size=s) / 4).astype(np.float32), name) for name, s in shapes.items()
    ]
    weights.append(numpy_helper.from_array(np.array([1e9, 1e9, 1e9, 1e9], np.float32), "seconds"))
    nodes = [
        helper.make_node("Div", ["numbers", "seconds"], ["scaled"]),
        helper.make_node("MatMul", ["scaled", "first"], ["a"]),
        helper.make_node("Relu", ["a"], ["b"]),
        helper.make_node("MatMul", ["b", "second"], ["c"]),
        helper.make_node("Relu", ["c"], ["d"]),
        helper.make_node("MatMul", ["d", "third"], ["e"]),
        helper.make_node(
            "LabelEncoder",
            ["words"],
            ["level"],
            domain="ai.onnx.ml",
            keys_strings=["red"],
            values_floats=[1.0],
            default_float=0.0,
        ),
        helper.make_node("Add", ["e", "level"], ["f"]),
        helper.make_node("Softmax", ["f"], ["out"]),
    ]
    inputs = [
        helper.make_tensor_value_info("numbers", TensorProto.FLOAT, ["n", 4]),
        helper.make_tensor_value_info("words", TensorProto.STRING, ["n", 1]),
    ]
    outputs = [helper.make_tensor_value_info("out", TensorProto.FLOAT, ["n", 2])]
    graph = helper.make_graph(nodes, "three", inputs, outputs, weights)
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid("ai.onnx.ml", 3)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=10).SerializeToString()


def given(rows: int, seed: int = 1) -> dict[str, NDArray[np.generic]]:
    draw = np.random.default_rng(seed)
    words = np.array([["red"], ["blue"]], object)[draw.integers(0, 2, rows)]
    return {"numbers": (draw.normal(size=(rows, 4)) * 1e9).astype(np.float32), "words": words}


def test_what_lies_between_the_first_and_the_last_layer_is_in_int8() -> None:
    graph = onnx.load_from_string(network()).graph
    chosen = between_layers(graph)
    assert [node.op_type for node in graph.node if node.name in chosen] == ["MatMul", "Relu", "MatMul", "Relu"]
    made = onnx.load_from_string(quantize(network(), [given(64)])).graph
    weights = {tensor.dims[0]: tensor.data_type for tensor in made.initializer if len(tensor.dims) == 2}
    assert {rows: kind in INTEGERS for rows, kind in weights.items()} == {4: True, 32: True, 16: False}


def test_it_has_the_same_inputs_and_outputs_and_answers_nearly_the_same() -> None:
    before, after = network(), quantize(network(), [given(64, 1), given(64, 2)])
    models = [onnx.load_from_string(one) for one in (before, after)]
    signatures = [[value.SerializeToString() for value in (*m.graph.input, *m.graph.output)] for m in models]
    assert signatures[0] == signatures[1]
    assert {opset.domain for opset in models[1].opset_import} <= {"", "ai.onnx.ml"}  # any ONNX runtime has these
    rows = given(50, seed=3)
    np.testing.assert_allclose(outputs_of(after, rows), outputs_of(before, rows), atol=0.1)
    assert not np.array_equal(outputs_of(after, rows), outputs_of(before, rows))


def test_equal_rows_give_equal_bytes() -> None:
    assert quantize(network(), [given(64)]) == quantize(network(), [given(64)])


def test_an_average_is_brought_to_int8_as_a_whole() -> None:
    joined = join([network(0), network(1)])
    rows = given(50, seed=3)
    np.testing.assert_allclose(outputs_of(quantize(joined, [given(64)]), rows), outputs_of(joined, rows), atol=0.1)


def test_a_network_of_one_layer_has_nothing_to_bring_to_int8() -> None:
    made = image_bundle(0).network
    assert isinstance(made, onnx.ModelProto)
    with pytest.raises(ValueError, match="no layer before the last one"):
        quantize(made.SerializeToString(), [{"input": np.zeros((1, 8, 8), np.uint8)}])


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> Workplace:
    """One trial of the digits, its tail, and the better of them in int8."""
    work = Workplace(tmp_path_factory.mktemp("searched"))
    for name, trial in (("t", (*NETWORK, "lr=0.01")), (None, ("--finish",))):
        end = work.run(spec(), *trial, name=name)
        assert end.code == 0, end.err
    return work


def spec() -> Spec:
    return profile(1, tailEpochs=2, finish={"int8": 0.02})


def variant(store: Store) -> Manifest:
    manifests = [Manifest.read(paths.bundle.manifest) for paths in store.trials()]
    (made,) = [manifest for manifest in manifests if manifest.config.int8_of is not None]
    return made


@pytest.mark.process
def test_a_search_ends_with_its_winner_in_int8(searched: Workplace) -> None:
    store = searched.store
    manifest = variant(store)
    of = manifest.config.int8_of
    assert of is not None and manifest.int8 is not None
    files = store.trial(manifest.config.key).bundle
    assert verify(files, manifest) == []
    assert audit(store).mismatches == []
    board = rank(store, spec())
    best = Manifest.read(store.trial(of.key).bundle.manifest)
    assert (board.entries[0].key, of.onnx_sha256, of.epochs) == (of.key, best.files["model.onnx"], 3)
    assert (manifest.params, manifest.macs, manifest.inputs) == (best.params, best.macs, best.inputs)
    change = {name: value - best.metrics[name] for name, value in manifest.metrics.items()}
    assert manifest.int8.change == pytest.approx(change)
    assert manifest.parity.argmax_equal is None and 0 < manifest.parity.max_abs_difference < 0.5
    assert manifest.provenance.parents[0] == of.key
    assert Card.read(store.trial(manifest.config.key).card).int8 == manifest.int8
    sizes = [path.stat().st_size for path in (files.network, store.trial(of.key).bundle.network)]
    assert manifest.int8.size == pytest.approx(sizes[0] / sizes[1])
    (line,) = board.finish
    assert (line.what, line.key, line.best_trial) == ("int8", manifest.config.key, board.entries[0].trial)
    assert re.search(r"; [\d.]+ times (slower|faster)", line.reason)
    assert line.kept == (manifest.int8.latency <= 0.9 and manifest.int8.change["val_accuracy"] >= -0.02)


@pytest.mark.process
def test_finishing_again_keeps_it_and_a_replay_makes_it_again(searched: Workplace, tmp_path: Path) -> None:
    before = {trial.key: trial.card.read_bytes() for trial in searched.store.trials()}
    end = searched.run(spec(), "--finish", name=None)
    assert end.code == 0, end.err
    assert {trial.key: trial.card.read_bytes() for trial in searched.store.trials()} == before
    replayed = replay(searched.store, variant(searched.store).config.key, Store(tmp_path / "scratch"))
    assert replayed.stored and not replayed.different


@pytest.mark.process
def test_one_that_fails_leaves_the_search_finished(work: Workplace) -> None:
    end = work.run(profile(1), *NETWORK, name="t")
    assert end.code == 0, end.err
    (trial,) = work.store.trials()
    manifest = Manifest.read(trial.bundle.manifest)
    made = image_bundle(0).network
    assert isinstance(made, onnx.ModelProto)
    trial.bundle.network.write_bytes(made.SerializeToString())
    digests = manifest.files | {trial.bundle.network.name: sha256_file(trial.bundle.network)}
    manifest.model_copy(update={"files": digests}).write(trial.bundle.manifest)
    end = work.run(profile(1, finish={"int8": 0.1}), "--finish", name=None)
    assert end.code == 0, end.err
    (line,) = rank(work.store, profile(1, finish={"int8": 0.1})).finish
    assert (line.kept, line.reason) == (
        False,
        "failed: ValueError: there is no layer before the last one, so nothing to bring to int8",
    )
