"""How far a table's columns are from the training set: shares of gaps, of unseen words and of levels, and numbers."""

from __future__ import annotations

import math

import numpy as np
import pytest
from atelier_server.models import column_drift
from atelier_server.models.column_drift import MISSING, MOST_LEVELS, OTHER, UNSEEN, ColumnTraining
from atelier_server.models.drift import MOST_FEATURES, Drift
from atelier_store.columns import Inputs
from atelier_store.layout import Store
from atelier_store.records import Column, ColumnStatistics, Manifest

from tests.support.onnx_bundles import publish
from tests.support.server_process import eventually, serving
from tests.support.table_bundles import PASSENGER, table_bundle

AGE, SEX, PORT = PASSENGER[:3]


def trained(*both: tuple[Column, ColumnStatistics]) -> ColumnTraining:
    fields = table_bundle().fields | {
        "columns": tuple(column for column, _ in both),
        "column_statistics": tuple(statistics for _, statistics in both),
    }
    found = column_drift.training(Manifest(**fields, files={}))
    assert found
    return found


def index(found: Drift, feature: str) -> float:
    """The population stability index, as a Prometheus query takes it."""
    shares = [
        (max(found.values[key] / found.rows, 1e-3), max(found.expected[key] / found.rows, 1e-3))
        for key in found.values
        if key[0] == feature
    ]
    return sum((share - expected) * math.log(share / expected) for share, expected in shares)


def inputs(rows: int = 64) -> Inputs:
    return {name: array[:rows] for name, array in table_bundle().given.items()}


def test_the_training_rows_themselves_are_as_expected() -> None:
    of = column_drift.training(Manifest(**table_bundle().fields, files={}))
    assert of
    found = of.compare([inputs(20), {name: array[20:62] for name, array in inputs().items()}])
    assert found.rows == 62
    for key, count in found.values.items():
        assert count == pytest.approx(found.expected[key]), key
    for feature in ("age", "fare"):
        assert found.deviations[feature, "above"] == pytest.approx(found.deviations[feature, "below"])
    assert {feature for feature, _ in found.deviations} == {"age", "fare"}


def test_gaps_and_unseen_words_have_shares_of_their_own() -> None:
    of = trained(
        (SEX, ColumnStatistics(count=100, missing=0.1, shares=(0.1, 0.0, 0.5, 0.4))),
        (AGE, ColumnStatistics(count=100, missing=0.2, mean=40, std=10)),
    )
    words = np.array([["female"], [""], ["other"], ["another"]], dtype=object)
    found = of.compare([{"sex": words, "age": np.array([[50], [np.nan], [np.nan], [30]], np.float32)}])

    assert {value: found.values["sex", value] for value in (MISSING, UNSEEN, "female", "male")} == {
        MISSING: 1,
        UNSEEN: 2,
        "female": 1,
        "male": 0,
    }
    assert found.expected["sex", "female"] == pytest.approx(2) and found.expected["age", MISSING] == pytest.approx(0.8)
    assert (found.deviations["age", "above"], found.deviations["age", "below"]) == (1, 1)
    assert index(found, "sex") > 0.25 > index(of.compare([{"sex": words[:1].repeat(5, 0), "age": found_ages()}]), "age")


def found_ages() -> np.ndarray:
    """One gap among five, as in training."""
    return np.array([[40], [40], [40], [40], [np.nan]], np.float32)


def test_rare_levels_are_counted_together() -> None:
    levels = tuple(f"level {number}" for number in range(30))
    shares = [(1 + number) / 465 for number in range(30)]
    of = trained(
        (
            Column(name="zip", kind="category", levels=levels),
            ColumnStatistics(count=465, missing=0, shares=(0, 0, *shares)),
        )
    )
    found = of.compare([{"zip": np.array([["level 29"], ["level 0"], ["level 1"], ["no level"]], dtype=object)}])

    assert len(found.values) == MOST_LEVELS + 3
    assert found.values["zip", "level 29"] == 1 and found.values["zip", OTHER] == 2 and found.values["zip", UNSEEN] == 1
    assert sum(found.expected.values()) == pytest.approx(4)


def test_many_columns_are_compared_up_to_a_bound_and_many_rows_evenly() -> None:
    columns = [Column(name=f"c{number}", kind="number") for number in range(100)]
    of = trained(*((column, ColumnStatistics(count=9, missing=0, mean=0, std=1)) for column in columns))
    rows = np.ones((1000, 100), np.float32)
    kept = of.sample({"input": rows}, 5000)
    assert kept["input"].shape == (50, 100) and not np.shares_memory(kept["input"], rows)
    assert of.sample({"input": rows[:3]}, 5000)["input"].base is rows
    assert len(of.compare([kept]).deviations) == 2 * MOST_FEATURES


@pytest.mark.process
def test_a_server_counts_what_clients_send_however_they_send_it(store: Store) -> None:
    publish(store, table_bundle(), "passenger")
    row = {column.name: None for column in PASSENGER}
    table = "sex,age,fare,alone,boarded,port of call\nmale,,,,,\nnobody,,,,,\n"
    with serving(store, "passenger") as server:
        server.client.post("/predict", json={"instances": [row, row | {"sex": "female"}]}).raise_for_status()
        server.client.post("/predict", content=table, headers={"Content-Type": "text/csv"}).raise_for_status()
        eventually(lambda: server.metric("atelier_input_rows_total", model="passenger") == 4)

        def counted(feature: str, value: str, name: str = "atelier_input_values_total") -> float:
            return server.metric(name, model="passenger", feature=feature, value=value)

        assert [counted("sex", value) for value in (MISSING, UNSEEN, "female", "male")] == [1, 1, 1, 1]
        assert counted("age", MISSING) == counted("boarded", MISSING) == 4
        expected = sum(server.samples("atelier_input_expected_values_total", feature="port of call"))
        assert expected == pytest.approx(4)
