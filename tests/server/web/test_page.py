"""The page at / in a real browser: it shows what is served and where it came from, and lets visitors try the model."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import BytesIO
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pytest
from atelier_server.promotion.promote import promoter
from atelier_server.web.routes import about
from atelier_store.columns import UNSEEN_TEXT
from atelier_store.layout import Store
from atelier_store.pages.document import files
from atelier_store.records import Column, Manifest, Tensor, Threshold
from axe_playwright_python.sync_playwright import Axe
from onnx import TensorProto
from PIL import Image
from playwright.sync_api import Browser, Page, Route, expect

from tests.support.browser import faultless
from tests.support.experiments import add_baselines, add_curve, add_trial, begin, promote_best, spec
from tests.support.onnx_bundles import (
    FEATURES,
    LABELS,
    Bundle,
    configured,
    image_bundle,
    linear,
    place,
    point,
    publish,
    rows_bundle,
    signal_bundle,
)
from tests.support.server_process import Server, serving
from tests.support.table_bundles import PASSENGER, table_bundle

pytestmark = pytest.mark.process

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


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    with faultless(browser) as page:
        yield page


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


@pytest.fixture(scope="module")
def kinds(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Kind]]:
    bundles = {"images": image_bundle(1), "signals": signal_bundle(1), "rows": rows_bundle(1), "table": table_bundle(1)}
    uses = {"images": drawn, "signals": waved, "rows": filled_in, "table": chosen}
    running: dict[str, Kind] = {}
    try:
        for kind, bundle in bundles.items():
            store = Store(tmp_path_factory.mktemp(kind))
            searched(store, kind, configured(bundle, NETWORK if kind in ("images", "signals") else DENSE))
            running[kind] = Kind(Server(store, kind), uses[kind])
        yield running
    finally:
        for one in running.values():
            one.server.stop()


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


# what is shown


def test_the_network_is_drawn_step_by_step_from_the_configuration(page: Page, kinds: dict[str, Kind]) -> None:
    opened(page, kinds["images"].server)
    steps = [step.inner_text().split("\n") for step in page.locator(".network li").all()]
    assert steps == [
        ["Input", "standardised", "1 channel", "8 × 8"],
        ["Stem", "3×3 convolution", "16 channels", "8 × 8"],
        ["Stage 1", "2 × residual pair of 3×3 convolutions", "24 channels", "8 × 8"],
        ["Stage 2", "1 × 5×5 inverted bottleneck", "32 channels", "4 × 4", "halved by max pooling"],
        ["Head", "average and max pooling"],
        ["Output", "linear layer", "3 classes", "softmax"],
    ]
    assert page.locator(".network li svg").count() == len(steps)
    assert page.locator(".step.residual .front").count() == 2
    assert page.locator(".network").evaluate("list => list.scrollWidth <= list.clientWidth")
    for said in ("silu", "squeeze-and-excitation", "dropout 0.1", "lr 0.01, batch 64"):
        assert said in text(page, "network")


def test_rows_and_signals_are_drawn_in_their_own_words(page: Page, kinds: dict[str, Kind]) -> None:
    opened(page, kinds["rows"].server)
    assert "2 × gated linear unit\n64 units" in text(page, "network") and "1 value" in text(page, "network")
    opened(page, kinds["signals"].server)
    assert "1 × 5-tap inverted bottleneck\n32 channels\nlength 6" in text(page, "network")


def test_a_network_of_the_users_own_is_an_honest_list_of_its_parameters(page: Page, store: Store) -> None:
    of = spec(network="mine:network")
    begin(store, of)
    add_trial(store, of, configured(image_bundle(), {"filters": 7, "<b>kind": "<i>wide", "lr": 0.01}), "t")
    promote_best(store, of.experiment_name, "digits")
    with serving(store) as server:
        opened(page, server)
        assert "mine:network" in text(page, "network") and "layers are not known" in text(page, "network")
        assert page.locator("#network dt").all_inner_texts() == ["filters", "<b>kind"]
        assert page.locator("#network dd").all_inner_texts() == ["7", "<i>wide"]
        assert page.locator(".network").count() == 0


def test_the_curve_is_drawn_and_written_and_every_metric_can_be_chosen(page: Page, kinds: dict[str, Kind]) -> None:
    opened(page, kinds["images"].server)
    curve = page.locator("#curve svg")
    assert curve.get_attribute("aria-label") == (
        "Validation accuracy over 3 epochs: first 95.00 %, best 95.00 % at epoch 1, last 90.00 %"
    )
    assert curve.locator("circle title").count() == 3
    page.get_by_label("Show").select_option(label="Training loss")
    assert "best 0.3333 at epoch 3" in (curve.get_attribute("aria-label") or "")
    page.get_by_text("As a table").click()
    rows = [row.inner_text().split("\t") for row in page.locator("#curve tr").all()]
    assert rows == [
        ["Epoch", "Validation accuracy", "Training loss"],
        ["1", "95.00 %", "1"],
        ["2", "70.00 %", "0.5"],
        ["3", "90.00 %", "0.3333"],
    ]
    opened(page, kinds["rows"].server)
    assert "best 0.7 at epoch 2" in (curve.get_attribute("aria-label") or "")


def test_what_was_searched_and_what_came_of_it_is_told(page: Page, kinds: dict[str, Kind]) -> None:
    opened(page, kinds["images"].server)
    assert "at most 5,000 parameters" in text(page, "search") and "multivariate-tpe" in text(page, "search")
    rows = [row.inner_text().split("\t") for row in page.locator("#search tbody tr").all()]
    assert rows == [["stage1_op", "conv3 res3 sep3", "res3"], ["lr", "0.003 to 0.02, logarithmic", "0.01"]]
    assert page.locator("#search mark").all_inner_texts() == ["res3"]
    assert "3 trials by the time of the promotion: 1 trained to the end, 1 ended early, 1 over budget." in text(
        page, "trials"
    )
    said = [title.text_content() for title in page.locator("#trials circle title").all()]
    assert (
        len(said) == 3
        and sum("trial-7, the winner: Validation accuracy 90.00 %, 10 parameters" in (words or "") for words in said)
        == 1
    )


def test_scores_size_latency_and_every_digest_are_there(page: Page, kinds: dict[str, Kind]) -> None:
    server = kinds["images"].server
    opened(page, server)
    card = server.client.get("/model").json()
    manifest, size = Manifest.model_validate(card["manifest"]), card["onnx_bytes"]
    for said in ("accuracy\t90.00 %", "none for a test", f"{size:,} bytes", "median 0.1 ms, 95 % within 0.2 ms"):
        assert said in text(page, "scores")
    assert "0.1 ms" in text(page, "tiles") and "10 multiply-adds" in text(page, "tiles")
    provenance, environment = manifest.provenance, manifest.provenance.environment
    digests = [
        provenance.key,
        provenance.data_digest,
        provenance.spec_digest,
        provenance.network_digest,
        manifest.weights_sha256,
    ]
    for said in (
        *digests,
        *manifest.files.values(),
        card["version"],
        provenance.experiment,
        f"torch {environment.torch}",
        environment.cpu,
    ):
        assert said in text(page, "provenance")


def test_what_a_search_of_rows_had_to_beat_and_what_is_special_of_it_is_shown(
    page: Page, kinds: dict[str, Kind]
) -> None:
    server = kinds["rows"].server
    opened(page, server)
    expect(page.locator(".baselines")).to_have_text(re.compile("To beat, by .*: boosted trees 1.25, the mean 3.5"))
    expect(page.locator("#curve .notice")).to_contain_text("not trained to its end: it stopped after epoch 3 of 9")
    of_card = server.client.get("/model").raise_for_status().json()["baselines"]
    assert [(one["name"], one["metric"]) for one in of_card] == [("hist_gradient_boosting", 1.25), ("mean", 3.5)]
    assert all(words in text(page, "network") for words in ("ensemble of 8", "pbld embedding of numbers"))
    opened(page, kinds["images"].server)
    expect(page.locator("#trials p").first).to_be_visible()
    expect(page.locator(".baselines, #curve .notice")).to_have_count(0)


def test_a_version_of_before_reports_were_kept_is_shown_without_one(page: Page, store: Store) -> None:
    publish(store, configured(image_bundle(), NETWORK))
    with serving(store) as server:
        opened(page, server)
        assert all("before" in text(page, part) for part in ("curve", "trials", "search"))
        assert page.locator(".network li").count() == 6
        assert "50.00 %" in text(page, "tiles")  # of the test set
        assert answer(page, drawn)["predictions"][0]["label"] in LABELS


# trying


def test_what_is_drawn_is_predicted_with_its_probabilities_as_bars(page: Page, kinds: dict[str, Kind]) -> None:
    opened(page, kinds["images"].server)
    (prediction,) = answer(page, drawn)["predictions"]
    expect(page.locator("#verdict strong")).to_have_text(prediction["label"])
    bars = [bar.inner_text().split("\n") for bar in page.locator("#bars li").all()]
    assert bars == [[label, f"{100 * probability:.1f} %"] for label, probability in prediction["probabilities"].items()]
    widths = [
        float(bar.evaluate("bar => bar.getBoundingClientRect().width / bar.parentElement.clientWidth"))
        for bar in settled(page)
    ]
    assert widths == pytest.approx(list(prediction["probabilities"].values()), abs=0.01)
    page.get_by_role("button", name="Clear").click()
    expect(page.locator("#bars li")).to_have_count(0)


def settled(page: Page) -> list[Any]:
    """The bars, once they have stopped moving."""
    bars = page.locator("#bars i").all()
    for bar in bars:
        bar.evaluate("bar => Promise.all(bar.getAnimations().map(animation => animation.finished))")
    return bars


def png(seed: int) -> bytes:
    file = BytesIO()
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (16, 16), dtype=np.uint8)).save(file, "PNG")
    return file.getvalue()


@pytest.mark.parametrize("way", ["chosen", "dropped", "pasted"])
def test_a_picture_is_predicted_as_the_server_would_predict_the_file(
    page: Page, kinds: dict[str, Kind], way: str
) -> None:
    server, picture = kinds["images"].server, png(3)
    opened(page, server)

    def give(page: Page) -> None:
        if way == "chosen":
            page.get_by_label("or a file").set_input_files(
                {"name": "a.png", "mimeType": "image/png", "buffer": picture}
            )
            return
        transfer = page.evaluate_handle(
            """bytes => { const transfer = new DataTransfer();
            transfer.items.add(new File([new Uint8Array(bytes)], "a.png", { type: "image/png" }));
            return transfer; }""",
            list(picture),
        )
        if way == "dropped":
            page.locator("#canvas").dispatch_event("drop", {"dataTransfer": transfer})
        else:
            page.evaluate(
                "data => document.dispatchEvent(new ClipboardEvent('paste', { clipboardData: data }))", transfer
            )

    def of_server(path: str) -> Any:
        return server.client.post(path, files={"file": ("a.png", picture)}).raise_for_status().json()["predictions"]

    assert answer(page, give)["predictions"] == of_server("/predict")
    swapped = answer(page, lambda page: page.get_by_label("swap dark and light").check())
    assert swapped["predictions"] == of_server("/predict?invert=true")


def test_a_file_that_is_no_picture_is_refused_at_its_field_in_words(page: Page, kinds: dict[str, Kind]) -> None:
    opened(page, kinds["images"].server)
    field = page.get_by_label("or a file")
    field.set_input_files({"name": "a.png", "mimeType": "image/png", "buffer": b"no picture"})
    expect(page.locator("#picture-wrong")).to_contain_text("A.png: is not a picture in a known format")
    assert field.get_attribute("aria-describedby") == "picture-wrong"
    answer(page, drawn)
    expect(page.locator("#picture-wrong")).to_have_count(0)


def test_a_row_has_a_field_per_feature_and_gives_a_value(page: Page, kinds: dict[str, Kind]) -> None:
    opened(page, kinds["rows"].server)
    assert page.locator("#input label").all_inner_texts() == list(FEATURES)
    (prediction,) = answer(page, filled_in)["predictions"]
    assert prediction["value"] == pytest.approx(1 + 2 * 2.5 + 3 * -3)
    expect(page.locator("#verdict")).to_contain_text("target -3")
    page.get_by_text("The same from a terminal").click()
    shown = text(page, "curl")
    assert shown.startswith(f"curl '{kinds['rows'].server.url}/predict' --json '") and '"height":2.5' in shown


def test_what_is_wrong_with_a_row_stands_at_its_fields(page: Page, kinds: dict[str, Kind]) -> None:
    opened(page, kinds["rows"].server)
    page.get_by_label("age").fill("1")
    page.get_by_label("weight").fill("heavy")
    page.get_by_label("weight").press("Enter")
    expect(page.locator("#feature-1-wrong")).to_have_text("Is missing.")
    expect(page.locator("#feature-2-wrong")).to_have_text("Must be a number, is 'heavy'.")
    expect(page.get_by_label("height")).to_be_focused()
    assert page.locator("[aria-invalid]").count() == 2
    answer(page, filled_in)
    expect(page.locator("[aria-invalid]")).to_have_count(0)
    assert page.locator("#problems").inner_text() == ""


def test_a_row_pasted_into_a_field_fills_those_after_it(page: Page, kinds: dict[str, Kind]) -> None:
    opened(page, kinds["rows"].server)
    paste = """(field, text) => { const data = new DataTransfer(); data.setData("text", text);
    field.dispatchEvent(new ClipboardEvent("paste", { clipboardData: data, cancelable: true, bubbles: true })); }"""
    page.get_by_label("age").evaluate(paste, "4\t5\t6")
    assert [page.get_by_label(name).input_value() for name in FEATURES] == ["4", "5", "6"]


def test_features_without_names_are_numbered(page: Page, store: Store) -> None:
    publish(store, configured(rows_bundle(names=None), DENSE))
    with serving(store) as server:
        opened(page, server)
        page.get_by_label("Feature 1").fill("1")
        page.get_by_role("button", name="Predict").click()
        expect(page.locator("#feature-1-wrong")).to_have_text("Must be a number, is null.")
        for number in (2, 3):
            page.get_by_label(f"Feature {number}").fill("1")
        assert answer(page, lambda page: page.keyboard.press("Enter"))["predictions"] == [{"value": 6.0}]


def of_two_outputs(**fields: Any) -> Bundle:
    """Rows of three features to two outputs, configured as built-in networks are."""
    made = configured(rows_bundle(), DENSE)
    made.network = linear(TensorProto.FLOAT, (3,), np.array([[0.25, 0.5]] * 3), "prediction", softmax=False)
    made.fields |= {"outputs": (Tensor(name="prediction", datatype="FP32", shape=(-1, 2)),), **fields}
    return made


def test_labels_and_their_thresholds_are_shown(page: Page, store: Store) -> None:
    ill = Threshold(label="ill", value=0.2, rule="f1", metrics={"f1": 0.9})
    limits = (ill, ill.model_copy(update={"label": "old", "value": 0.9}))
    publish(store, of_two_outputs(task="multilabel", labels=("ill", "old"), target_name=None, thresholds=limits))
    with serving(store) as server:
        opened(page, server)
        expect(page.locator("#state")).to_contain_text("Gives any of 2 labels to rows of 3 features.")
        expect(page.locator("#scores")).to_contain_text("from a probability of 0.2 on, by f1; validation: f1 90.00 %")
        expect(page.locator("#network")).to_contain_text("2 labels")
        for name, value in zip(FEATURES, ("1", "0", "0"), strict=True):
            page.get_by_label(name).fill(value)
        answer(page, lambda page: page.get_by_label("weight").press("Enter"))
        expect(page.locator("#verdict strong")).to_have_text("ill")
        expect(page.locator("#bars .chosen span").first).to_have_text("ill")


def test_several_targets_are_shown_by_their_names(page: Page, store: Store) -> None:
    each = {name: {"val_mae": mae} for name, mae in (("low", 0.5), ("high", 1.5))}
    publish(store, of_two_outputs(target_name=None, target_names=("low", "high"), target_metrics=each))
    with serving(store) as server:
        opened(page, server)
        expect(page.locator("#state")).to_contain_text("Predicts low, high from rows of 3 features.")
        expect(page.locator("#scores")).to_contain_text("validation mean absolute error 1.5")
        for name in FEATURES:
            page.get_by_label(name).fill("2")
        answer(page, lambda page: page.get_by_label("weight").press("Enter"))
        expect(page.locator("#verdict")).to_contain_text("low 1.5 high 3")


def test_a_table_has_a_field_for_each_column_and_what_is_left_out_is_a_gap(page: Page, kinds: dict[str, Kind]) -> None:
    opened(page, kinds["table"].server)
    assert "3 classes of rows of 6 columns" in text(page, "state") and "6 columns" in text(page, "network")
    assert page.locator("#input label").all_inner_texts() == [column.name for column in PASSENGER]
    assert page.get_by_label("port of call").locator("option").all_inner_texts() == [
        "missing",
        *PASSENGER[2].levels,
        "anything else",
    ]
    (prediction,) = answer(page, chosen)["predictions"]
    row = {column.name: None for column in PASSENGER} | {"age": 22.5, "sex": "male", "boarded": "1912-04-10"}
    given = kinds["table"].server.client.post("/predict", json={"instances": [row]}).json()["predictions"]
    assert prediction["probabilities"] == pytest.approx(given[0]["probabilities"], abs=1e-5)
    page.get_by_text("The same from a terminal").click()
    assert json.dumps({"instances": [row]}, separators=(",", ":")) in text(page, "curl")

    page.get_by_label("sex").select_option("anything else")
    page.get_by_label("boarded, time in UTC").fill("13:30")
    with page.expect_request("**/predict*") as asked:
        page.get_by_role("button", name="Predict").click()
    changed = row | {"sex": UNSEEN_TEXT, "boarded": "1912-04-10T13:30"}
    assert asked.value.post_data_json == {"instances": [changed]}
    expect(page.locator("#verdict strong")).to_be_visible()


def test_what_is_wrong_with_a_tables_row_stands_at_its_fields(page: Page, kinds: dict[str, Kind]) -> None:
    opened(page, kinds["table"].server)
    page.get_by_label("fare").fill("cheap")
    page.get_by_label("boarded, time in UTC").fill("13:30")
    answer(page, lambda page: page.get_by_role("button", name="Predict").click())
    expect(page.locator("#feature-4-wrong")).to_have_text("Must be a number or null, is 'cheap'.")
    expect(page.locator("#feature-5-wrong")).to_contain_text("Must be a date such as 2026-01-31")
    assert page.locator("[aria-invalid]").count() == 2
    assert Axe().run(page).violations_count == 0


def test_a_row_of_a_spreadsheet_is_pasted_with_its_words_and_gaps(page: Page, kinds: dict[str, Kind]) -> None:
    opened(page, kinds["table"].server)
    paste = """(field, text) => { const data = new DataTransfer(); data.setData("text", text);
    field.dispatchEvent(new ClipboardEvent("paste", { clipboardData: data, cancelable: true, bubbles: true })); }"""
    page.get_by_label("age").evaluate(paste, "30\tfemale\t\tnobody knows\t7.25\t1912-04-10 13:30:00\n")
    values = [page.locator(f"#feature-{number}").input_value() for number in range(6)]
    assert values == ["30", "female", "", UNSEEN_TEXT, "7.25", "1912-04-10"]
    assert page.get_by_label("boarded, time in UTC").input_value() == "13:30"


def test_of_many_levels_a_word_is_written(page: Page, store: Store) -> None:
    streets = tuple(f"street {number}" for number in range(200))
    publish(store, configured(table_bundle(columns=(Column(name="street", kind="category", levels=streets),)), DENSE))
    with serving(store) as server:
        opened(page, server)
        field = page.get_by_label("street")
        assert page.locator(f"#{field.get_attribute('list')} option").count() == 200
        field.fill("street 7")
        with page.expect_request("**/predict*") as asked:
            field.press("Enter")
        assert asked.value.post_data_json == {"instances": [{"street": "street 7"}]}
        expect(page.locator("#verdict strong")).to_be_visible()


@pytest.mark.parametrize("channels", [0, 2])
def test_a_signal_is_pasted_as_text_and_what_is_wrong_is_named_by_place(
    page: Page, store: Store, channels: int
) -> None:
    bundle = configured(signal_bundle(channels=channels), NETWORK)
    publish(store, bundle)
    line = "1 2" if channels else "1"
    with serving(store) as server:
        opened(page, server)
        signal = page.get_by_label("Paste 12")
        signal.fill("\n".join([line] * 11))
        page.get_by_role("button", name="Predict").click()
        expect(page.locator("#signal-wrong")).to_contain_text("The signal must have shape")
        signal.fill("\n".join([*[line] * 11, "1 x" if channels else "x"]))
        page.get_by_role("button", name="Predict").click()
        place = "Value 2 of line 12" if channels else "Value 12"
        expect(page.locator("#signal-wrong")).to_have_text(f"{place} must be a number, is 'x'.")
        signal.fill(", ".join(str(value) for value in bundle.inputs[0].ravel()))
        expect(page.locator("#counted")).to_have_text("24 of 24 values" if channels else "12 of 12 values")
        assert page.locator(".sketch polyline").count() == (channels or 1)
        expected = server.client.post("/predict", json={"instances": bundle.inputs[:1].tolist()}).json()["predictions"]
        found = answer(page, lambda page: page.get_by_role("button", name="Predict").click())["predictions"]
        assert found[0]["probabilities"] == pytest.approx(expected[0]["probabilities"], abs=1e-5)


# following the server


def test_without_a_model_the_page_says_so_and_shows_the_first_one_by_itself(page: Page, store: Store) -> None:
    with serving(store) as server:
        page.goto(server.url)
        expect(page.locator("#lacking")).to_have_text("No model promoted yet")
        expect(page.locator("#reason")).to_contain_text("current.json")
        assert Axe().run(page).violations_count == 0
        publish(store, image_bundle())
        expect(page.locator("#served")).to_be_visible(timeout=15_000)
        expect(page).to_have_title("digits")


def test_a_new_version_appears_by_itself_and_what_was_written_stays(page: Page, store: Store) -> None:
    publish(store, rows_bundle())
    with serving(store) as server:
        opened(page, server)
        page.get_by_label("age").fill("41")
        version = publish(store, rows_bundle(seed=2))
        expect(page.locator("#state code")).to_have_text(version, timeout=15_000)
        assert page.get_by_label("age").input_value() == "41"


def with_test_rows(store: Store, bundle: Bundle, x: np.ndarray, y: np.ndarray) -> None:
    data = store.data(bundle.fields["provenance"].data_digest)
    data.folder.mkdir(parents=True, exist_ok=True)
    np.save(data.array("test_x"), x)
    np.save(data.array("test_y"), y)


def test_the_report_of_the_search_is_linked_when_it_is_there(page: Page, store: Store) -> None:
    searched(store, "digits", image_bundle())
    (experiment,) = store.experiments()
    report = experiment.report
    with serving(store) as server:
        assert server.client.get("/model/report.html").status_code == 404
        page.goto(server.url)
        link = page.get_by_role("link", name="Report of its search")
        expect(page.locator("#served")).to_be_visible()
        expect(link).to_be_hidden()
        report.write_text("<!DOCTYPE html><title>of the search</title><script>document.title += self.origin</script>")
        expect(link).to_be_visible(timeout=30_000)
        link.click()
        expect(page).to_have_title("of the searchnull")  # an origin of its own: what is in a store may be anybody's
        assert server.client.get("/model").json()["search_report"] == "model/report.html"
        answer = server.client.get("/model/report.html")
        assert answer.content == report.read_bytes() and answer.headers["content-type"].startswith("text/html")


def test_where_the_model_errs_is_shown_of_classes(page: Page, store: Store) -> None:
    random, bundle = np.random.default_rng(1), image_bundle(1)
    with_test_rows(store, bundle, random.integers(0, 255, (90, 8, 8), np.uint8), random.integers(0, 3, 90))
    searched(store, "digits", bundle)
    with serving(store, "digits", "--workers", "1") as server:
        errs = opened(page, server).locator("#quality-section")
        told = server.client.get("/model/report").json()["report"]["quality"]["test"]
        right, first = sum(told["confusion"][label][label] for label in range(3)), told["worst"][0]
        said = {of: LABELS[int(first[of][0])] for of in ("truth", "predicted")}
        expect(errs.get_by_role("img", name=f"{right} of 90 rows are right")).to_be_visible()
        expect(errs.get_by_role("region", name="The worst mistakes").get_by_role("row").nth(1)).to_have_text(
            re.compile(f"^{first['row']}{said['truth']}{said['predicted']}")
        )
        expect(errs.get_by_role("region", name="Scores of each class").get_by_role("row")).to_have_count(4)
        error = sum(one["rows"] * abs(one["accuracy"] - one["confidence"]) for one in told["calibration"]) / 90
        expect(errs).to_contain_text(re.compile(rf"Calibration error of these rows: {error:.3f}"[:-1]))
        violations = Axe().run(page, context="#quality-section").response["violations"]
        assert [violation["id"] for violation in violations] == []


def test_where_the_model_errs_is_shown_of_targets(page: Page, store: Store) -> None:
    random, bundle = np.random.default_rng(1), rows_bundle(1)
    with_test_rows(store, bundle, random.normal(size=(70, 3)).astype(np.float32), random.normal(size=(70, 1)))
    searched(store, "house", bundle)
    with serving(store, "house", "--workers", "1") as server:
        errs = opened(page, server).locator("#quality-section")
        expect(errs.get_by_role("img", name="Residuals: half are between")).to_be_visible()
        expect(errs.get_by_role("region", name="The worst mistakes").get_by_role("row")).to_have_count(13)


def test_a_version_without_test_rows_shows_no_section_of_mistakes(page: Page, kinds: dict[str, Kind]) -> None:
    expect(opened(page, kinds["images"].server).locator("#quality-section")).to_be_hidden()


def test_a_refused_version_is_named_while_the_one_before_goes_on(page: Page, store: Store) -> None:
    version = publish(store, image_bundle())
    with serving(store) as server:
        opened(page, server)
        refused, digest = place(store, image_bundle(seed=2), "digits")
        (store.model("digits").versions / refused / "model.onnx").write_bytes(b"torn")
        point(store, "digits", refused, digest)
        expect(page.get_by_role("alert").first).to_contain_text("A later version was refused", timeout=15_000)
        assert version in text(page, "state")


@pytest.mark.parametrize(
    ("second", "said"),
    [
        (
            configured(image_bundle(2, metric=0.8), {"number": 2}, seed=0),
            r"was refused: it is worse\. Validation accuracy 0\.8 beside 0\.9 of the served version, on the same",
        ),
        (
            configured(image_bundle(2, metric=0.99), {"number": 2}, seed=1),
            r"waits for a person: the data, the split or the seed is another, and there is no test set\. "
            r"Validation accuracy 0\.99 beside 0\.9 of the served version, on different rows",
        ),
    ],
    ids=["worse", "not comparable"],
)
def test_a_winner_that_is_not_served_is_named_with_both_scores_until_it_is(
    page: Page, store: Store, second: Bundle, said: str
) -> None:
    promotes = promoter(store.model("digits"))
    for name, bundle in (("a", configured(image_bundle(1), {"number": 1}, seed=0)), ("b", second)):
        of = spec(name)
        add_trial(store, of, bundle, f"trial-{name}")
        done = promotes.best(begin(store, of))
    with serving(store) as server:
        opened(page, server)
        shown = page.locator("#candidate")
        expect(shown).to_contain_text(f"winner, version {done.promotion.version} (trial-b),", timeout=15_000)
        assert re.search(said, shown.inner_text()), shown.inner_text()
        assert not Axe().run(page).response["violations"]
        path = f"/v2/models/digits/versions/{done.promotion.version}/ready"
        assert server.client.get(path).status_code == 200, "it answers under its version"
        promotes.version(done.promotion.version)
        expect(shown).to_be_hidden(timeout=15_000)


def test_the_first_winner_that_waits_is_named_where_nothing_is_served(page: Page, store: Store) -> None:
    of = spec()
    add_trial(store, of, image_bundle(), "trial-1")
    done = promoter(store.model("digits")).best(begin(store, of), "candidate")
    with serving(store) as server:
        page.goto(server.url)
        expect(page.locator("#reason")).to_contain_text(f"Version {done.promotion.version} waits for a person")
        promoter(store.model("digits")).version(done.promotion.version)
        expect(page.locator("#served")).to_be_visible(timeout=15_000)


def test_what_is_shown_stays_while_the_server_restarts(page: Page, store: Store) -> None:
    publish(store, rows_bundle())
    with serving(store) as before:
        opened(page, before)
        page.get_by_label("age").fill("41")
    expect(page.locator("#notice")).to_contain_text("The server does not answer", timeout=15_000)
    expect(page.locator("#served")).to_be_visible()
    with serving(store, "digits", "--port", str(before.port)):
        expect(page.locator("#notice")).to_be_hidden(timeout=15_000)
        assert page.get_by_label("age").input_value() == "41"


HTML: dict[str, Any] = {"status": 502, "content_type": "text/html", "body": "<h1>Bad gateway</h1>"}
FAULTS: list[tuple[str, Callable[[Route], None]]] = [
    ("The server does not answer. It may be restarting", lambda route: route.abort("connectionreset")),
    ("What came is not an answer of the server", lambda route: route.fulfill(**HTML)),
    ("Another answers than the server: status 503.", lambda route: route.fulfill(status=503, body="null")),
    ("What came is not an answer of the server", lambda route: route.fulfill(body='{"version": "th')),
    ("The server has not answered for 60 seconds.", lambda route: None),
    ("This page cannot show what it was told", lambda route: route.fulfill(body="null")),
]
MIXED = "not of the same version", lambda route: route.fulfill(json={"version": "another"})


def test_the_page_comes_whole_although_whatever_it_asks_for_fails_first(
    browser: Browser, kinds: dict[str, Kind]
) -> None:
    page, asked = browser.new_page(), list[str]()
    faults = {"/model": FAULTS, "/model/report": [*FAULTS, MIXED]}
    waiting = {path: iter(these) for path, these in faults.items()}

    def answer(route: Route) -> None:
        asked.append(urlsplit(route.request.url).path)
        _, fault = next(waiting.get(asked[-1], iter(())), (None, Route.continue_))
        fault(route)

    page.clock.install()
    page.route("**/*", answer)
    for path, words in ((path, words) for path, these in faults.items() for words, _ in these):
        with page.expect_request(f"**{path}"):
            page.clock.run_for(2000) if asked else page.goto(kinds["rows"].server.url)
        if "60 seconds" in words:
            page.clock.run_for(60_000)
        expect(page.locator("#notice")).to_contain_text(words)
        expect(page.locator("#state")).to_have_text("Looking for the model…")
    page.clock.run_for(2000)
    expect(page.locator("#served")).to_be_visible()
    expect(page.locator("#notice")).to_be_hidden()
    assert set(asked) == {"/", "/model", "/model/report"}, "nothing else is loaded"
    page.unroute_all()
    page.close()


def test_a_prediction_that_nobody_answers_is_said_and_asked_for_again_by_a_button(
    page: Page, kinds: dict[str, Kind]
) -> None:
    opened(page, kinds["rows"].server)
    page.route("**/predict", lambda route: route.fulfill(**HTML), times=1)
    filled_in(page)
    expect(page.locator("#problems")).to_contain_text("What came is not an answer of the server")
    page.get_by_role("button", name="Ask again").click()
    expect(page.locator("#verdict strong")).to_be_visible()
    expect(page.locator("#problems")).to_be_empty()


# where the server asks for a token


@pytest.fixture
def guarded(store: Store) -> Iterator[Server]:
    """A server that asks for the token `right`; the file is beside the store."""
    publish(store, rows_bundle())
    (store.root.parent / "token").write_text("right")
    with serving(store, "digits", "--token-file", str(store.root.parent / "token")) as server:
        yield server


def give(page: Page, token: str) -> None:
    page.get_by_label("Token").fill(token)
    page.get_by_role("button", name="Show the model").click()


def test_a_token_is_asked_for_and_a_wrong_one_is_named_at_its_field(page: Page, guarded: Server) -> None:
    page.goto(guarded.url)
    field = page.get_by_label("Token")
    expect(field).to_be_focused()
    assert Axe().run(page).violations_count == 0
    page.get_by_role("button", name="Show the model").click()
    expect(page.locator("#token-wrong")).to_have_text("Is missing.")
    for wrong in ("wrong", "right…"):  # also one that is not made of bytes
        give(page, wrong)
        expect(page.locator("#token-wrong")).to_have_text("The server does not accept this token.")
        expect(field).to_be_focused()
        assert (field.get_attribute("aria-invalid"), field.get_attribute("aria-describedby")) == ("true", "token-wrong")
    assert Axe().run(page).violations_count == 0
    give(page, " right ")
    expect(page.locator("#served")).to_be_visible()
    expect(page.locator("#locked")).to_be_hidden()
    assert field.input_value() == ""
    expect(page.locator("#links")).to_be_hidden()


def test_whoever_gave_the_token_can_try_the_model_until_the_tab_is_closed(page: Page, guarded: Server) -> None:
    page.goto(guarded.url)
    give(page, "right")
    expect(page.locator("#served")).to_be_visible()
    assert answer(page, filled_in)["predictions"] == [{"value": pytest.approx(1 + 2 * 2.5 + 3 * -3)}]
    page.get_by_text("The same from a terminal").click()
    shown = text(page, "curl")
    assert '-H "Authorization: Bearer $TOKEN" --json' in shown and "right" not in shown
    page.reload()
    expect(page.locator("#served")).to_be_visible()
    stored = page.evaluate("[Object.values(sessionStorage), Object.values(localStorage), document.cookie]")
    assert stored == [["right"], [], ""]
    other = page.context.new_page()
    other.goto(guarded.url)
    expect(other.get_by_label("Token")).to_be_visible()


def test_a_token_that_is_exchanged_is_asked_for_and_what_was_written_stays(page: Page, guarded: Server) -> None:
    page.goto(guarded.url)
    give(page, "right")
    page.get_by_label("age").fill("41")
    (guarded.store.root.parent / "token").write_text("next")
    expect(page.locator("#token-wrong")).to_have_text("The server does not accept this token.", timeout=15_000)
    expect(page.locator("#served")).to_be_hidden()
    give(page, "next")
    expect(page.locator("#served")).to_be_visible()
    assert page.get_by_label("age").input_value() == "41"


def test_while_nobody_gives_a_token_the_server_is_not_asked_again(page: Page, guarded: Server) -> None:
    refused: list[str] = []
    page.on("response", lambda answer: refused.append(answer.url) if answer.status == 401 else None)
    page.clock.install()
    page.goto(guarded.url)
    expect(page.get_by_label("Token")).to_be_visible()
    page.clock.run_for(60_000)
    assert len(refused) == 1


def test_a_server_without_a_token_asks_for_none(page: Page, kinds: dict[str, Kind]) -> None:
    opened(page, kinds["rows"].server)
    expect(page.locator("#locked")).to_be_hidden()
    expect(page.locator("#links")).to_be_visible()


# for everybody


@pytest.mark.parametrize("kind", ["images", "signals", "rows", "table"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_to_object_to(page: Page, kinds: dict[str, Kind], kind: str, scheme: Any) -> None:
    page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    opened(page, kinds[kind].server)
    answer(page, kinds[kind].use)
    expect(page.locator("#verdict strong")).to_be_visible()
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()


@pytest.mark.parametrize("kind", ["images", "signals", "rows", "table"])
def test_nothing_is_wider_than_a_phone(page: Page, kinds: dict[str, Kind], kind: str) -> None:
    page.set_viewport_size({"width": 320, "height": 640})
    opened(page, kinds[kind].server)
    kinds[kind].use(page)
    expect(page.locator("#verdict strong")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 320
    assert page.evaluate(
        "[...document.querySelectorAll('section')].every(one => one.getBoundingClientRect().right <= 320)"
    )


def test_a_row_can_be_predicted_without_a_mouse(page: Page, kinds: dict[str, Kind]) -> None:
    opened(page, kinds["rows"].server)
    for _ in range(10):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.id") == "feature-0":
            break
    page.keyboard.type("1")
    page.keyboard.press("Tab")
    page.keyboard.type("2")
    page.keyboard.press("Tab")
    page.keyboard.type("3")
    predicted = answer(page, lambda page: page.keyboard.press("Enter"))
    assert predicted["predictions"] == [{"value": 14.0}]
    assert page.locator("#verdict").get_attribute("role") == "status"


def test_the_page_names_no_address_outside_of_this_server() -> None:
    texts = [about.PAGE.joinpath("content.html").read_text(), *files(about.PAGE).values()]
    names = {found for text in texts for found in re.findall(r"https?://[^\s\"'`]+", text)}
    assert names == {"http://www.w3.org/2000/svg"}
