"""What the board tells of models: versions, what is served, every change of that, and what is damaged."""

from __future__ import annotations

from typing import Any

from atelier_board import models_view
from atelier_store.layout import Store

from tests.board.conftest import ONE, THIRTY
from tests.board.promotions import promoted


def model(store: Store) -> dict[str, Any]:
    (only,) = models_view.whole(store)
    return only


def test_a_store_without_a_promotion_has_no_model(store: Store) -> None:
    assert models_view.whole(store) == []


def test_versions_and_moves_are_told_the_last_first(store: Store) -> None:
    one, thirty = promoted(store, ONE).promotion, promoted(store, THIRTY).promotion
    found = model(store)
    assert found["served"] == thirty.version
    assert [version["version"] for version in found["versions"]] == [thirty.version, one.version]
    assert found["versions"][0]["test_metrics"]["test_accuracy"] == 0.5
    assert [(move["version"], move["previous"]) for move in found["moves"]] == [
        (thirty.version, one.version),
        (one.version, None),
    ]
    assert found["decision"]["outcome"] == "promoted" and found["problems"] == []


def test_what_is_damaged_of_a_model_is_named_and_hides_nothing_else(store: Store) -> None:
    one, thirty = promoted(store, ONE).promotion, promoted(store, THIRTY).promotion
    paths = store.model("digits")
    paths.version(one.version).promotion.write_text("{")
    paths.version(thirty.version).manifest.write_text("{")
    found = model(store)
    assert found["served"] is None and len(found["moves"]) == 2
    assert [version["problem"] for version in found["versions"]] == ["its manifest is not as it was"]
    assert found["problems"][0].startswith(f"{one.version}/promotion.json: ")
