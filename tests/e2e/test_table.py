"""A table with words, gaps and dates on a cluster: from a ConfigMap to answers over HTTP."""

from __future__ import annotations

import itertools
from typing import Any

from tests.e2e.cluster_access import a_release

COLUMNS = ("age", "sex", "joined")
PEOPLE: list[dict[str, Any]] = [
    {"age": None if number % 9 == 0 else 20 + number % 50, "sex": sex, "joined": f"2026-{1 + number % 12:02}-05"}
    for number, sex in zip(range(120), itertools.cycle(["female", "male", ""]), strict=False)
]


def csv(rows: list[dict[str, Any]], *columns: str) -> str:
    lines = [",".join("" if row[name] is None else str(row[name]) for name in columns) for row in rows]
    return "\n".join([",".join(columns), *lines, ""])


def test_a_table_with_words_from_a_configmap_is_trained_and_answers_by_the_names_of_its_columns() -> None:
    survived = [person | {"survived": "yes" if person["sex"] == "female" else "no"} for person in PEOPLE]
    values = {
        "trainer": {
            "data": {
                "source": "table",
                "name": None,
                "target": "survived",
                "files": {"train": {"path": "/people/people.csv"}},
            },
            "pod": {
                "volumes": [{"name": "people", "configMap": {"name": "people"}}],
                "volumeMounts": [{"name": "people", "mountPath": "/people"}],
            },
        }
    }
    with a_release() as release:
        release.namespace.apply(
            {
                "apiVersion": "v1",
                "kind": "ConfigMap",
                "metadata": {"name": "people", "namespace": release.namespace.name},
                "data": {"people.csv": csv(survived, *COLUMNS, "survived")},
            }
        )
        release.upgrade(values=values)
        release.search_ends()
        with release.client() as client:
            manifest = release.model_of(release.experiment, client)["manifest"]
            assert [column["kind"] for column in manifest["columns"]] == ["number", "category", "date"]
            assert manifest["parity"]["argmax_equal"] is True
            asked: list[dict[str, Any]] = [
                {"age": None, "sex": "female", "joined": "2026-11-05"},
                {"age": 31, "sex": "?", "joined": None},
            ]
            by_name = client.post("/predict", json={"instances": asked}).raise_for_status().json()["predictions"]
            text = csv([row | {"joined": row["joined"] or ""} for row in asked], *COLUMNS)
            as_csv = client.post("/predict", content=text, headers={"content-type": "text/csv"})
            assert as_csv.raise_for_status().json()["predictions"] == by_name
            assert {one["label"] for one in by_name} <= {"no", "yes"}
            wrong = client.post("/predict", json={"instances": [asked[0] | {"age": "old"}]})
            assert wrong.status_code == 422
            assert "#/instances/0/age" in wrong.text
