"""Canonical configurations: equal networks share one, wrong values are rejected all at once."""

from __future__ import annotations

import pytest
from atelier_trial import space
from hypothesis import given
from hypothesis import strategies as st

NAMES = sorted(space.domains("images", "classification"))


def value_of(domain: space.Domain) -> st.SearchStrategy[str]:
    if isinstance(domain.default, bool):
        return st.sampled_from(["true", "false", "True"])
    if domain.choices:
        return st.sampled_from([str(choice) for choice in domain.choices])
    if isinstance(domain.default, int):
        return st.integers(int(domain.low), int(min(domain.high, 64))).map(str)
    return st.floats(domain.low, domain.high).map(repr)


params_for = {
    kind: st.fixed_dictionaries({}, optional={n: value_of(d) for n, d in space.domains(kind, "classification").items()})
    for kind in ("images", "signals", "rows")
}


@pytest.mark.parametrize("default", [8, 0.5])
@pytest.mark.parametrize("text", ["1_0", " 1 ", "\uff11", "1_000", "infinity", "-inf", "nan", "0x10", "1e999", ""])
def test_a_number_is_what_every_part_reads_as_one(default: float, text: str) -> None:
    with pytest.raises(ValueError, match="is not allowed; allowed: "):
        space.Domain(default).parse(text)
    assert space.Domain(default).parse("+1") == 1


@given(params_for["images"])
def test_every_value_that_a_domain_allows_is_accepted_and_typed(params: dict[str, str]) -> None:
    canonical = space.canonicalise(params, "images", "classification")
    assert isinstance(canonical["se"], bool) if canonical["stages"] else "se" not in canonical
    assert all(stage["depth"] > 0 for stage in canonical["stages"])


@given(params_for["images"], st.integers(1, 64), st.sampled_from(space.CONVOLUTIONS))
def test_a_stage_of_depth_0_leaves_no_trace(params: dict[str, str], width: int, op: str) -> None:
    without = params | {"stage2_depth": "0", "stage2_width": "8", "stage2_op": "conv3", "stage2_stride": "1"}
    with_other = without | {"stage2_width": str(width), "stage2_op": op, "stage2_stride": "2"}
    first, second = (space.canonicalise(p, "images", "classification") for p in (without, with_other))
    assert first == second


def test_the_same_stage_in_another_place_is_the_same_network() -> None:
    first = {"stage1_depth": "2", "stage1_width": "24", "stage1_op": "sep3", "stage1_stride": "2", "stage3_depth": "0"}
    third = {"stage1_depth": "0", "stage3_depth": "2", "stage3_width": "24", "stage3_op": "sep3", "stage3_stride": "2"}
    assert space.canonicalise(first, "images", "classification") == space.canonicalise(
        third, "images", "classification"
    )


@given(params_for["rows"])
def test_spelling_out_a_default_changes_nothing(params: dict[str, str]) -> None:
    defaults = {
        name: str(d.default) for name, d in space.domains("rows", "classification").items() if name not in params
    }
    spelled = space.canonicalise(params | defaults, "rows", "classification")
    assert space.canonicalise(params, "rows", "classification") == spelled


@given(params_for["rows"])
def test_a_parameter_of_an_embedding_that_is_not_there_changes_nothing(params: dict[str, str]) -> None:
    without = params | {"embedding": "none"}
    of_embeddings = [name for name in space.row_domains() if name.startswith("embedding_")]
    plain = {name: value for name, value in without.items() if name not in of_embeddings}
    canonical = space.canonicalise(without, "rows", "classification")
    assert canonical == space.canonicalise(plain, "rows", "classification")
    assert not canonical.keys() & {"embedding", *of_embeddings}


def test_every_violation_is_named_at_once() -> None:
    wrong = {"stage1_op": "conv7", "lr": "fast", "batch": "1", "hidden": "3", "stage1_depth": "2.5"}
    with pytest.raises(space.InvalidParams) as error:
        space.canonicalise(wrong, "images", "classification")
    text = str(error.value)
    assert len(error.value.violations) == len(wrong)
    for part in (
        'stage1_op: "conv7"',
        'lr: "fast"',
        'batch: "1"',
        "hidden: unknown",
        'stage1_depth: "2.5"',
        "whole numbers from 0 to 16",
    ):
        assert part in text


@pytest.mark.parametrize("network", ["nowhere", "no.such:thing", "math:nothing", "math:pi"])
def test_a_network_that_cannot_be_imported_is_rejected_with_what_is_missing(network: str) -> None:
    with pytest.raises(space.InvalidParams) as error:
        space.domains("images", "classification", network)
    (violation,) = error.value.violations
    assert violation.startswith("trainer.network:")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        *(("stage1_width", True), ("embedding", True), ("edge1", True)),
        *(("lr", False), ("augment_mixup", False), ("label_smoothing", False), ("dropout", False)),
    ],
)
def test_a_parameter_of_the_training_of_any_data_builds_no_network(name: str, expected: bool) -> None:
    assert space.is_scored_in_all(name) is expected
    assert space.is_scored(name, "images", "classification") is expected
    assert space.is_scored(name, "rows", "regression") or not expected
