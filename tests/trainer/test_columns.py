"""A table's columns in the network and before it: what torch, ONNX Runtime and atelier_store.columns make of a row."""

from __future__ import annotations

import datetime
from typing import Any

import numpy as np
import pytest
import torch
from atelier_store import columns as table
from atelier_store.columns import UNSEEN
from atelier_store.records import Column
from atelier_trainer import export, front, model
from atelier_trainer.columns import Columns, calendar, noise_scale, robust
from atelier_trainer.linear_scaling import FARTHEST, LinearColumns
from atelier_trial import space
from atelier_trial.data import column_statistics
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import Tensor, nn

from tests.support.table_features import features

WORDS = Column(name="sex", kind="category", levels=("female", "male"))
CITIES = Column(name="city", kind="category", levels=tuple(f"city {number}" for number in range(30)))
TABLE = (Column(name="age", kind="number"), WORDS, Column(name="joined", kind="date"), CITIES)
TWO_DATES = (*TABLE, Column(name="left", kind="date"))
SECONDS = st.datetimes(datetime.datetime(1, 1, 1), datetime.datetime(9999, 12, 31)).map(
    lambda date: date.replace(tzinfo=datetime.UTC).timestamp()
)
DENSE = {"stem_width": 16, "activation": "silu", "dropout": 0.0, "stages": []}
ROW_NETWORK = space.canonicalise({"parametrisation": "ntk", "members": "2"}, "rows", "classification")


def rows(count: int, columns: tuple[Column, ...] = TABLE, seed: int = 0) -> NDArray[np.float32]:
    """Features of made-up rows, about a fifth of them missing, some words unseen."""
    random = np.random.default_rng(seed)
    by_column: dict[str, NDArray[Any]] = {}
    for column in columns:
        gap = random.random(count) < 0.2
        if column.kind == "category":
            words = random.choice([*column.levels, "never seen"], count)
            by_column[column.name] = np.where(gap, "", words)
        else:
            far = 1e9 if column.kind == "date" else 10
            by_column[column.name] = np.where(gap, np.nan, random.normal(far, far / 3, count))
    return features(by_column, columns)


def built(columns: tuple[Column, ...], x: NDArray[np.float32], params: dict[str, Any] = DENSE) -> model.Model:
    torch.manual_seed(0)
    front = Columns(columns, x)
    statistics = model.table_statistics(noise_scale(columns, x), np.zeros(len(x)), "classification")
    return model.build("atelier", params, "rows", statistics, x.shape[1:], 3, torch.from_numpy(x), front).eval()


class Features(nn.Module):
    """In the place of a network: the features themselves."""

    def forward(self, features: Tensor) -> Tensor:
        return features


@given(st.lists(st.one_of(st.just(float("nan")), SECONDS), min_size=1))
def test_torch_and_numpy_agree_on_the_calendar(seconds: list[float]) -> None:
    found = calendar(torch.tensor(seconds, dtype=torch.float64).reshape(-1, 1)).numpy()

    np.testing.assert_array_equal(found, table.date_features(np.array(seconds)))


@settings(deadline=None, max_examples=25)
@given(
    st.lists(
        st.tuples(
            st.floats(width=32, allow_infinity=False),
            st.one_of(st.sampled_from(["", "female", "male"]), st.text(st.characters(exclude_categories=["Cs", "Cc"]))),
            st.one_of(st.just(float("nan")), SECONDS),
            st.sampled_from(["", "city 0", "city 29", "elsewhere"]),
            st.one_of(st.just(float("nan")), SECONDS),
        ),
        min_size=1,
    )
)
def test_the_front_of_a_bundle_gives_the_features_that_preparation_gave(
    given_rows: list[tuple[float, str, float, str, float]],
) -> None:
    running = export.session(front.to_onnx(Features(), TWO_DATES, "features"), threads=1)
    values = {
        column.name: np.array(of, dtype=object if column.kind == "category" else None).reshape(-1, 1)
        for column, of in zip(TWO_DATES, zip(*given_rows, strict=True), strict=True)
    }
    values["age"] = values["age"].astype(np.float32)

    [found] = running.run(None, values)

    np.testing.assert_array_equal(found, features(values, TWO_DATES))


PIECEWISE = {"embedding": "piecewise", "members": 4}


@pytest.mark.parametrize(
    "params",
    [{}, PIECEWISE, PIECEWISE | {"scaling": "linear"}, {"embedding": "piecewise_auto"}],
    ids=["dense", "ensemble", "linear", "bins by the rows"],
)
@pytest.mark.parametrize("columns", [TABLE, TABLE[:1], (WORDS,), TABLE[2:3]])
def test_a_bundle_answers_rows_with_gaps_and_unseen_words_as_torch_does(
    columns: tuple[Column, ...], params: dict[str, Any]
) -> None:
    x = rows(700, columns)
    network = built(columns, x[:500], DENSE | params)
    with torch.inference_mode():
        answers = model.Answer(network, "classification")(torch.from_numpy(x)).numpy()

    onnx = export.to_onnx(network, "classification", torch.from_numpy(x[:1]), columns)
    found = export.parity(onnx, [export.inputs(x, columns)], answers, "classification", threads=1)

    assert found.argmax_equal is True
    assert found.rows == 700
    assert found.max_abs_difference < 1e-5
    inputs = [(one.name, one.shape) for one in export.session(onnx, 1).get_inputs()]
    assert inputs == [(one.name, ["batch", *one.shape[1:]]) for one in table.tensors(columns)]


def test_columns_may_be_called_as_anything_inside_a_network_is() -> None:
    names = (
        "probabilities",
        "0",
        "network/0",
        "network/column.1",
        "column.0",
        "/answer/model/Cast",
        "onnx::Gather_1",
        "a b;ü",
        "input",
    )
    columns = tuple(Column(name=name, kind="category", levels=("x", "y")) for name in names)
    x = rows(50, columns)
    network = built(columns, x)
    with torch.inference_mode():
        answers = model.Answer(network, "classification")(torch.from_numpy(x)).numpy()

    onnx = export.to_onnx(network, "classification", torch.from_numpy(x[:1]), columns)

    assert export.output_name("classification", columns) == "probabilities_"
    assert export.parity(onnx, [export.inputs(x, columns)], answers, "classification", 1).max_abs_difference < 1e-5


def test_numbers_are_scaled_by_their_middle_half_and_no_outlier_goes_far() -> None:
    column = (Column(name="age", kind="number"),)
    x = np.array([[0], [1], [2], [3], [4]], np.float32)

    scaled = Columns(column, x)(torch.tensor([[2.0], [3.0], [1e30], [np.nan]]))[:, 0].tolist()

    assert robust(x) == ([2.0], [0.5])
    assert scaled[0] == 0
    assert scaled[1] == pytest.approx(0.5 / np.sqrt(1 + (0.5 / 3) ** 2))
    assert scaled[2] == pytest.approx(3)
    assert scaled[3] == 0


def test_with_linear_scaling_the_network_is_given_numbers_that_are_not_drawn_in_and_all_else_the_same() -> None:
    x = rows(40)
    x[:5, 0] = [1e9, -1e9, np.nan, 25, 40]
    columns = Columns(TABLE, x)
    centre, factor = (np.array(of[0]) for of in robust(x[:, :1]))
    with torch.inference_mode():
        linear, drawn_in = (front(torch.from_numpy(x)) for front in (LinearColumns(columns), columns))

    np.testing.assert_allclose(linear[:3, 0], [FARTHEST, -FARTHEST, 0])
    np.testing.assert_allclose(linear[3:5, 0], (x[3:5, 0] - centre) * factor, rtol=1e-5)
    assert torch.equal(linear[:, columns.numbers :], drawn_in[:, columns.numbers :])
    model = built(TABLE, x, ROW_NETWORK | {"scaling": "linear"})
    assert isinstance(model.columns, LinearColumns)
    assert isinstance(built(TABLE, x, ROW_NETWORK | {"scaling": "robust"}).columns, Columns)


def test_a_table_without_numbers_is_the_same_with_linear_scaling() -> None:
    x = rows(10, (WORDS,))
    columns = Columns((WORDS,), x)
    assert torch.equal(LinearColumns(columns)(torch.from_numpy(x)), columns(torch.from_numpy(x)))


@pytest.mark.parametrize(
    ("values", "expected"),
    [([7, 7, 7], (7, 0)), ([7, 7, 7, 7, 7, 7, 7, 7, 9], (7, 1)), ([np.nan, np.nan], (0, 0)), ([np.nan, 5], (5, 0))],
)
def test_columns_of_one_value_or_none_have_a_finite_scale(values: list[float], expected: tuple[float, float]) -> None:
    centre, factor = robust(np.array(values, np.float32).reshape(-1, 1))

    assert (centre[0], factor[0]) == expected


def test_a_gap_is_told_from_the_median_where_training_had_gaps() -> None:
    column = (Column(name="age", kind="number"),)
    with_gaps = Columns(column, np.array([[1], [2], [3], [np.nan]], np.float32))
    without = Columns(column, np.array([[1], [2], [3]], np.float32))

    assert with_gaps(torch.tensor([[2.0], [np.nan]])).tolist() == [[0, 0], [0, 1]]
    assert without(torch.tensor([[2.0], [np.nan]])).tolist() == [[0], [0]]


def test_a_date_comes_round_and_a_missing_one_is_nowhere_on_the_circle() -> None:
    column = (Column(name="joined", kind="date"),)
    x = table.date_features(np.array([0.0, 86400.0, np.nan]))
    found = Columns(column, x)(torch.from_numpy(x))

    assert found.shape == (3, 1 + 1 + 2 * 4)
    assert found[2].tolist() == [0, 1] + [0] * 8
    circle = found[:2, 2:].reshape(2, 2, 4).pow(2).sum(1)
    np.testing.assert_allclose(circle, 1, rtol=1e-5)


def test_few_levels_are_inputs_of_their_own_and_many_share_learned_vectors() -> None:
    few, many = (Columns((column,), np.zeros((3, 1), np.float32)) for column in (WORDS, CITIES))

    assert few(torch.tensor([[0.0], [float(UNSEEN)], [3.0]])).tolist() == [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 0, 1]]
    assert sum(p.numel() for p in few.parameters()) == 0
    assert many(torch.zeros((2, 1))).shape == (2, 8)
    assert sum(p.numel() for p in many.parameters()) == 32 * 8


def test_noise_is_added_to_numbers_alone() -> None:
    x = rows(200)
    scale = noise_scale(TABLE, x)

    assert scale[0] == pytest.approx(np.nanstd(x[:, 0]), rel=1e-5)
    assert scale[1:].tolist() == [0] * 7


def test_column_statistics_are_shares_of_levels_and_the_spread_of_what_is_there() -> None:
    x = rows(1000)
    age, sex, joined, _ = column_statistics(x, TABLE)

    assert age.missing == pytest.approx(np.isnan(x[:, 0]).mean())
    assert age.mean == pytest.approx(np.nanmean(x[:, 0]), rel=1e-5)
    assert sex.shares == pytest.approx([(x[:, 1] == number).mean() for number in range(4)])
    assert sex.missing == sex.shares[0]
    assert joined.mean == pytest.approx(np.nanmean(table.inputs(x, TABLE)["joined"]))
    assert joined.count == 1000
