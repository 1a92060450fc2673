"""What a visitor of the page at / does, and what is served to them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from atelier_store.layout import Store
from playwright.sync_api import Page, expect

from tests.support.experiments import add_baselines, add_curve, add_trial, begin, promote_best, spec
from tests.support.onnx_bundles import FEATURES, Bundle, configured, image_bundle, rows_bundle, signal_bundle
from tests.support.server_process import Server
from tests.support.table_bundles import table_bundle

NETWORK: dict[str, Any] = {
    "stem_width": 16,
    "activation": "silu",
    "dropout": 0.1,
    "se": True,
    "head": "avgmax",
    "lr": 0.01,
    "batch": 64,
    "stages": [
        {"depth": 2, "width": 24, "op": "res3", "stride": 1},
        {"depth": 1, "width": 32, "op": "mbconv5", "stride": 2},
    ],
}

DENSE: dict[str, Any] = {
    "stem_width": 32,
    "activation": "gelu",
    "dropout": 0.0,
    "lr": 0.01,
    "members": 8,
    "embedding": "pbld",
    "stages": [{"depth": 2, "width": 64, "op": "gated"}],
}

SPACE = [
    {"name": "stage1_op", "parameterType": "categorical", "feasibleSpace": {"list": ["conv3", "res3", "sep3"]}},
    {
        "name": "lr",
        "parameterType": "double",
        "feasibleSpace": {"min": "0.003", "max": "0.02", "distribution": "logUniform"},
    },
]


def searched(store: Store, model: str, bundle: Bundle) -> None:
    """A search whose winner is this bundle, promoted."""
    metric, lower = bundle.fields["objective_metric_name"], bundle.fields["task"] == "regression"
    objective = {"type": "minimize" if lower else "maximize", "objectiveMetricName": metric}
    most = 9 if bundle.fields["kind"] == "rows" else 3  # bundles are of epoch 3
    of = spec(parameters=SPACE, objective=objective, budget={"params": 5000}, maxEpochs=most)
    begin(store, of)
    key = add_trial(store, of, bundle, "trial-7", {"stage1_op": "res3", "lr": "0.01"})
    add_curve(store, key, metric, [0.95, 0.7, 0.9])
    worse = configured(bundle, {"seed": 8}, seed=8)
    worse.fields.update(metrics={metric: 2.0 if lower else 0.5}, params=400)
    add_trial(store, of, worse, "trial-8", status="paused")
    add_trial(store, of, configured(bundle, {"seed": 9}, seed=9), "trial-9", status="over_budget", params=6000)
    if bundle.fields["kind"] == "rows":
        trees = {"hist_gradient_boosting": {metric: 1.25}, "mean": {metric: 3.5}}
        add_baselines(store, of, bundle.fields["config"].data_digest, **trees)
    assert promote_best(store, of.experiment_name, model).promotion.trial == "trial-7"


@dataclass
class Kind:
    """A server with a searched model, and how its try-it area is used."""

    server: Server
    use: Callable[[Page], None]


def drawn(page: Page) -> None:
    page.locator("#canvas").scroll_into_view_if_needed()
    box = page.locator("#canvas").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 60, box["y"] + 60)
    page.mouse.down()
    page.mouse.move(box["x"] + 200, box["y"] + 150, steps=5)
    page.mouse.up()


def filled_in(page: Page) -> None:
    for name, value in zip(FEATURES, ("1", "2.5", "-3"), strict=True):
        page.get_by_label(name).fill(value)
    page.get_by_role("button", name="Predict").click()


def chosen(page: Page) -> None:
    page.get_by_label("age").fill("22.5")
    page.get_by_label("sex").select_option("male")
    page.get_by_label("boarded", exact=True).fill("1912-04-10")
    page.get_by_role("button", name="Predict").click()


def waved(page: Page) -> None:
    page.get_by_role("button", name="A sine wave").click()
    page.get_by_role("button", name="Predict").click()


OF_KIND: dict[str, tuple[Callable[[int], Bundle], dict[str, Any], Callable[[Page], None]]] = {
    "images": (image_bundle, NETWORK, drawn),
    "signals": (signal_bundle, NETWORK, waved),
    "rows": (rows_bundle, DENSE, filled_in),
    "table": (table_bundle, DENSE, chosen),
}


class Kinds(dict[str, Kind]):
    """A server of each kind of data, which starts when it is first asked for."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __missing__(self, kind: str) -> Kind:
        bundle, network, use = OF_KIND[kind]
        store = Store(self._folder / kind)
        searched(store, kind, configured(bundle(1), network))
        self[kind] = Kind(Server(store, kind), use)
        return self[kind]


def opened(page: Page, server: Server) -> Page:
    page.goto(server.url)
    expect(page.locator("#served")).to_be_visible()
    return page


def answer(page: Page, act: Callable[[Page], None]) -> dict[str, Any]:
    """What /predict says when this is done on the page."""
    with page.expect_response("**/predict*") as answered:
        act(page)
    content: dict[str, Any] = answered.value.json()
    return content


def text(page: Page, of: str) -> str:
    return page.locator(f"#{of}").inner_text()
