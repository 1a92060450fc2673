"""Equal values have one canonical spelling; what does not change a search does not change its digest."""

import json
from pathlib import Path
from typing import Any

import pytest
from atelier_store.records import TrialConfig
from atelier_store.sealed import Altered
from atelier_store.spec import Spec, canonical_json, sha256_of
from hypothesis import given
from hypothesis import strategies as st

leaves = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
values = st.recursive(
    leaves, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4), max_leaves=12
)


@given(st.dictionaries(st.text(), values, max_size=5))
def test_the_order_of_keys_does_not_count(value: Any) -> None:
    assert canonical_json(dict(reversed(value.items()))) == canonical_json(value)


@given(values)
def test_canonical_json_means_what_it_was_made_of_and_is_a_fixed_point(value: Any) -> None:
    text = canonical_json(value)
    assert json.loads(text) == value
    assert canonical_json(json.loads(text)) == text
    assert text.isascii()


@given(st.integers(-(2**53) + 1, 2**53 - 1))
def test_a_whole_number_is_spelled_one_way(number: float) -> None:
    assert canonical_json([float(number)]) == canonical_json([number])


def test_true_is_not_1() -> None:
    assert canonical_json(True) != canonical_json(1)


@pytest.mark.parametrize("number", [float("nan"), float("inf"), -float("inf")])
def test_what_is_not_finite_is_refused(number: float) -> None:
    with pytest.raises(ValueError, match="JSON"):
        canonical_json({"lr": number})


CONFIG = {
    "params": {"lr": 0.1, "depth": 1},
    "data_digest": "a",
    "validation_fraction": 0.2,
    "network_digest": "b",
    "recipe_version": 1,
}


def test_a_key_is_16_hex_digits_of_everything_that_decides_a_training() -> None:
    key = TrialConfig(**CONFIG, seed=0).key
    assert len(key) == 16
    assert int(key, 16) >= 0
    changes: list[dict[str, Any]] = [
        {"seed": 1},
        {"data_digest": "c"},
        {"network_digest": "c"},
        {"recipe_version": 2},
        {"validation_fraction": 0.3},
    ]
    changes += [{"params": {"lr": 0.2, "depth": 1}}, {"parent": key, "parent_epochs": 3, "tail_epochs": 2}]
    changes += [{"members": ({"key": key, "epochs": epochs, "onnx_sha256": "o"},)} for epochs in (1, 2)]
    keys = [TrialConfig(**{**CONFIG, "seed": 0, **change}).key for change in changes]
    assert len({key, *keys}) == len(changes) + 1
    assert TrialConfig(**{**CONFIG, "params": {"depth": 1.0, "lr": 0.1}}, seed=0).key == key


def profile(**trainer: Any) -> dict[str, Any]:
    parameter = {"name": "lr", "parameterType": "double", "feasibleSpace": {"min": "0.001", "max": "0.1"}}
    experiment = {"name": "digits", "parameters": [parameter], "maxTrialCount": 3, "maxFailedTrialCount": 1}
    data = {"source": "sklearn", "name": "digits"}
    return {"experiment": experiment, "trainer": {"data": data, "maxEpochs": 9, **trainer}}


def digest(value: dict[str, Any]) -> str:
    return Spec.model_validate(value).search_digest


@pytest.mark.parametrize(
    ("section", "change"),
    [
        ("experiment", {"maxTrialCount": 99}),
        ("experiment", {"parallelTrialCount": 7}),
        ("experiment", {"maxFailedTrialCount": 0}),
        ("experiment", {"name": "other"}),
        ("trainer", {"maxEpochs": 27}),
        ("trainer", {"tailEpochs": 4}),
        ("trainer", {"finish": {"average": 3}}),
    ],
)
def test_counts_and_epochs_and_the_name_leave_a_search_the_same(section: str, change: Any) -> None:
    other = profile()
    other[section].update(change)
    assert digest(other) == digest(profile())


@pytest.mark.parametrize(
    ("section", "change"),
    [
        ("experiment", {"parameters": []}),
        ("experiment", {"objective": {"type": "minimize", "objectiveMetricName": "val_loss"}}),
        ("experiment", {"algorithm": {"algorithmName": "random"}}),
        ("experiment", {"earlyStopping": {"algorithmName": "none"}}),
        ("trainer", {"seed": 1}),
        ("trainer", {"network": "mine:net"}),
        ("trainer", {"budget": {"params": 1000}}),
        ("trainer", {"data": {"source": "sklearn", "name": "wine"}}),
    ],
)
def test_what_is_searched_makes_another_search(section: str, change: Any) -> None:
    other = profile()
    other[section].update(change)
    assert digest(other) != digest(profile())


def test_an_edge_of_the_search_space_makes_another_search() -> None:
    other = profile()
    other["experiment"]["parameters"][0]["feasibleSpace"]["max"] = "0.2"
    assert digest(other) != digest(profile())


def test_a_file_with_a_sha256_is_the_same_wherever_it_is_read_from() -> None:
    def npz(**file: str) -> dict[str, Any]:
        return profile(data={"source": "npz", "files": {"train": file}})

    assert digest(npz(path="a.npz", sha256="0" * 64)) == digest(npz(url="http://host/b.npz", sha256="0" * 64))
    assert digest(npz(path="a.npz", sha256="0" * 64)) != digest(npz(path="a.npz", sha256="1" * 64))
    assert digest(npz(path="a.npz")) != digest(npz(path="b.npz"))


@given(st.from_regex(r"[a-z]([-a-z0-9]{0,60}[a-z0-9])?", fullmatch=True))
def test_an_experiment_has_a_name_that_katib_takes(name: str) -> None:
    value = profile()
    value["experiment"]["name"] = name
    found = Spec.model_validate(value).experiment_name
    assert len(found) <= 40
    assert found.rpartition("-")[2] == digest(value)[:8]


def test_a_name_that_was_given_is_the_experiments_and_leaves_its_digest_alone() -> None:
    given = Spec.model_validate({**profile(), "name": "digits-nas-0123abcd"})
    assert given.experiment_name == "digits-nas-0123abcd"
    assert given.search_digest == digest(profile())
    assert (
        Spec.model_validate({**profile(), "name": ""}).experiment_name == Spec.model_validate(profile()).experiment_name
    )


@pytest.mark.parametrize("name", ["a" * 41, "1a", "a-", "A", "a_b", "a.b", "../a", "a\n"])
def test_a_name_that_katib_does_not_take_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=r"\nname\n"):
        Spec.model_validate({**profile(), "name": name})


def test_the_digest_of_a_spec_is_what_it_was_when_its_trials_ran() -> None:
    assert digest(profile()) == "87e902a059704902cdc9e5966a3ac8c05428f2890c78629861f002ba45780afb"


def test_a_spec_reads_as_it_was_written(tmp_path: Path) -> None:
    spec = Spec.model_validate(profile())
    spec.write(tmp_path / "spec.json")
    assert Spec.read(tmp_path / "spec.json") == spec
    assert sha256_of(1) == sha256_of(1.0)


def test_a_spec_that_was_changed_is_named(tmp_path: Path) -> None:
    path = tmp_path / "spec.json"
    Spec.model_validate(profile()).write(path)
    path.write_bytes(path.read_bytes().replace(b'"maxEpochs": ', b'"maxEpochs": 1', 1))
    with pytest.raises(Altered, match=r"spec\.json: its sha256 is not that of its content"):
        Spec.read(path)
