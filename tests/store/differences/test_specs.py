"""Two specs differ in what they mean, not in how they are written."""

from typing import Any

import pytest
from atelier_store.differences.specs import compare
from atelier_store.spec import Parameter, Spec
from hypothesis import given
from hypothesis import strategies as st

from tests.support.experiments import spec

Found = tuple[str, str, Any, Any]


def found(a: Spec, b: Spec) -> list[Found]:
    return [(one.name, one.change, one.a, one.b) for one in compare(a, b).differences]


def parameter(kind: str, name: str = "p", **space: Any) -> dict[str, Any]:
    return {"name": name, "parameterType": kind, "feasibleSpace": space}


def of(*parameters: dict[str, Any], **experiment: Any) -> Spec:
    plain = spec(parameters=parameters)
    changed = plain.experiment.model_dump(by_alias=True) | experiment
    return Spec.model_validate({"experiment": changed, "trainer": plain.trainer})


P = "experiment.parameters.p"
BASE = {"min": "1", "max": "8"}


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        (parameter("int", **BASE), parameter("int", min="1", max="9"), [(P, "widened", (1, 8), (1, 9))]),
        (parameter("int", **BASE), parameter("int", min="2", max="8"), [(P, "narrowed", (1, 8), (2, 8))]),
        (parameter("int", **BASE), parameter("int", min="2", max="9"), [(P, "moved", (1, 8), (2, 9))]),
        (parameter("int", **BASE), parameter("int", **BASE, step="1"), []),
        (parameter("int", **BASE), parameter("int", **BASE, step="2"), [(f"{P}.step", "coarser", 1, 2)]),
        (parameter("double", **BASE, step="2"), parameter("double", **BASE), [(f"{P}.step", "finer", 2, None)]),
        (parameter("double", **BASE), parameter("double", min="1.0", max="8e0", distribution="uniform"), []),
        (
            parameter("double", **BASE),
            parameter("double", **BASE, distribution="logUniform"),
            [(f"{P}.distribution", "changed", "uniform", "logUniform")],
        ),
        (
            parameter("categorical", list=["a", "b"]),
            parameter("categorical", list=["c", "a"]),
            [(P, "added", None, ["c"]), (P, "removed", ["b"], None)],
        ),
        (
            parameter("categorical", list=["1"]),
            parameter("categorical", list=["1.0"]),
            [(P, "added", None, ["1.0"]), (P, "removed", ["1"], None)],
        ),
        (parameter("discrete", list=["1", "2"]), parameter("discrete", list=["2.0", "1"]), []),
        (
            parameter("discrete", list=["1", "2"]),
            parameter("discrete", list=["1", "2", "4"]),
            [(P, "added", None, [4])],
        ),
        (
            parameter("int", min="1", max="2"),
            parameter("discrete", list=["1", "2"]),
            [
                (
                    P,
                    "changed",
                    {"parameterType": "int", "min": "1", "max": "2"},
                    {"parameterType": "discrete", "list": ["1", "2"]},
                )
            ],
        ),
    ],
)
def test_a_parameter_differs_by_what_may_be_suggested(
    a: dict[str, Any], b: dict[str, Any], expected: list[Found]
) -> None:
    def bounds(value: Any) -> Any:
        return {"min": value[0], "max": value[1]} if isinstance(value, tuple) else value

    assert found(of(a), of(b)) == [(name, change, bounds(one), bounds(other)) for name, change, one, other in expected]


def test_a_parameter_that_one_space_lacks_is_named_whole() -> None:
    a, b = of(parameter("int", "a", **BASE)), of(parameter("categorical", "b", list=["x"]))
    assert found(a, b) == [
        ("experiment.parameters.a", "removed", {"parameterType": "int", **BASE}, None),
        ("experiment.parameters.b", "added", None, {"parameterType": "categorical", "list": ["x"]}),
    ]


def halving(*settings: tuple[str, str], algorithm: str = "halving") -> dict[str, Any]:
    given = [{"name": name, "value": value} for name, value in settings]
    return {"earlyStopping": {"algorithmName": algorithm, "algorithmSettings": given}}


def test_a_default_of_halving_that_is_written_out_is_no_difference() -> None:
    written = of(**halving(("min_epochs", "3"), ("eta", "3")))
    assert found(of(), written) == []
    assert compare(of(), written).restated == ["experiment.earlyStopping.algorithmSettings"]
    assert found(of(), of(**halving(("eta", "4")))) == [
        ("experiment.earlyStopping.algorithmSettings.eta", "raised", 3, 4)
    ]


def test_failed_trials_that_follow_from_the_number_of_trials_are_no_difference_of_their_own() -> None:
    few, many = of(maxTrialCount=2, maxFailedTrialCount=2), of(maxTrialCount=9, maxFailedTrialCount=3)
    assert found(few, many) == [("experiment.maxTrialCount", "raised", 2, 9)]
    said = of(maxTrialCount=9, maxFailedTrialCount=5)
    assert found(many, said) == [("experiment.maxFailedTrialCount", "raised", 3, 5)]


def test_a_file_is_told_by_its_content_where_that_is_known() -> None:
    def reads(**file: str) -> Spec:
        return spec(data={"source": "csv", "target": "y", "files": {"train": file}})

    here, there = reads(path="a.csv", sha256="a" * 64), reads(url="https://b.example/a.csv", sha256="a" * 64)
    assert (found(here, there), compare(here, there).restated) == ([], ["trainer.data.files.train"])
    (changed,) = found(here, reads(path="a.csv", sha256="b" * 64))
    assert changed[:2] == ("trainer.data.files.train", "changed")
    assert [name for name, *_ in found(reads(path="a.csv"), reads(path="b.csv"))] == ["trainer.data.files.train"]


def test_what_the_shape_of_pictures_defaults_to_is_no_difference() -> None:
    def pictures(**image: Any) -> Spec:
        files = {"train": {"path": "a.zip"}}
        return spec(data={"source": "images", "files": files, **({"image": image} if image else {})})

    assert found(pictures(), pictures(size="auto", fit="stretch")) == []
    assert found(pictures(), pictures(fit="pad")) == [("trainer.data.image.fit", "changed", "stretch", "pad")]


def test_what_several_objectives_add_to_a_search_is_told() -> None:
    several = of(objectives=[{"metric": "params", "goal": 9}], tolerance=0.01, stopWhen={"expectedGainBelow": 0.1})
    assert found(of(), of()) == []
    assert {name: b for name, _, _, b in found(of(), several)} == {
        "experiment.objectives.params": {"type": "minimize", "goal": 9.0},
        "experiment.tolerance": 0.01,
        "experiment.stopWhen.expectedGainBelow": 0.1,
    }


def test_the_name_of_an_experiment_on_a_cluster_is_no_difference() -> None:
    named = of().model_copy(update={"name": "digits-0123abcd"})
    assert (found(of(), named), compare(of(), named).restated) == ([], [])


SPACES = st.permutations(
    [
        parameter("int", "depth", min="1", max="4"),
        parameter("double", "lr", min="0.001", max="0.1", distribution="logUniform"),
        parameter("categorical", "op", list=["conv3", "sep3", "res3"]),
    ]
)


@given(SPACES, SPACES)
def test_the_order_of_parameters_is_told_and_is_no_difference(a: list[Any], b: list[Any]) -> None:
    compared = compare(of(*a), of(*b))
    assert compared.differences == []
    assert compared.restated == ([] if a == b else ["experiment.parameters"])


@given(SPACES, SPACES, st.sets(st.integers(0, 2)), st.sets(st.integers(0, 2)))
def test_what_is_added_one_way_is_removed_the_other_way(
    a: list[Any], b: list[Any], lacks_a: set[int], lacks_b: set[int]
) -> None:
    one, other = (
        of(*(parameter for place, parameter in enumerate(space) if place not in lacks))
        for space, lacks in ((a, lacks_a), (b, lacks_b))
    )
    opposite = {"added": "removed", "removed": "added"}
    back = [(name, opposite[change], y, x) for name, change, x, y in found(one, other)]
    assert sorted(back, key=str) == sorted(found(other, one), key=str)


def test_a_space_without_bounds_is_compared_too() -> None:
    open_ended = Parameter.model_validate(parameter("double", min="1"))
    assert found(of(parameter("double", **BASE)), of(open_ended.model_dump(by_alias=True))) == [
        (P, "changed", {"min": 1, "max": 8}, {"min": 1, "max": None})
    ]
