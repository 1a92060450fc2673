"""Visitors try the model: with pictures, rows, tables and signals of their own."""

from __future__ import annotations

import json
from io import BytesIO
from typing import Any

import numpy as np
import pytest
from atelier_store.columns import UNSEEN_TEXT
from atelier_store.layout import Store
from atelier_store.records import Column, Tensor, Threshold
from axe_playwright_python.sync_playwright import Axe
from onnx import TensorProto
from PIL import Image
from playwright.sync_api import Page, expect

from tests.server.web.page.visitor import DENSE, NETWORK, Kinds, answer, chosen, drawn, filled_in, opened, text
from tests.support.onnx_bundles import FEATURES, Bundle, configured, linear, publish, rows_bundle, signal_bundle
from tests.support.server_process import serving
from tests.support.table_bundles import PASSENGER, table_bundle

pytestmark = pytest.mark.process


def test_what_is_drawn_is_predicted_with_its_probabilities_as_bars(page: Page, kinds: Kinds) -> None:
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
def test_a_picture_is_predicted_as_the_server_would_predict_the_file(page: Page, kinds: Kinds, way: str) -> None:
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


def test_a_file_that_is_no_picture_is_refused_at_its_field_in_words(page: Page, kinds: Kinds) -> None:
    opened(page, kinds["images"].server)
    field = page.get_by_label("or a file")
    field.set_input_files({"name": "a.png", "mimeType": "image/png", "buffer": b"no picture"})
    expect(page.locator("#picture-wrong")).to_contain_text("A.png: is not a picture in a known format")
    assert field.get_attribute("aria-describedby") == "picture-wrong"
    answer(page, drawn)
    expect(page.locator("#picture-wrong")).to_have_count(0)


def test_a_row_has_a_field_per_feature_and_gives_a_value(page: Page, kinds: Kinds) -> None:
    opened(page, kinds["rows"].server)
    assert page.locator("#input label").all_inner_texts() == list(FEATURES)
    (prediction,) = answer(page, filled_in)["predictions"]
    assert prediction["value"] == pytest.approx(1 + 2 * 2.5 + 3 * -3)
    expect(page.locator("#verdict")).to_contain_text("target -3")
    page.get_by_text("The same from a terminal").click()
    shown = text(page, "curl")
    assert shown.startswith(f"curl '{kinds['rows'].server.url}/predict' --json '") and '"height":2.5' in shown


def test_what_is_wrong_with_a_row_stands_at_its_fields(page: Page, kinds: Kinds) -> None:
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


def test_a_row_pasted_into_a_field_fills_those_after_it(page: Page, kinds: Kinds) -> None:
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


def test_a_table_has_a_field_for_each_column_and_what_is_left_out_is_a_gap(page: Page, kinds: Kinds) -> None:
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


def test_what_is_wrong_with_a_tables_row_stands_at_its_fields(page: Page, kinds: Kinds) -> None:
    opened(page, kinds["table"].server)
    page.get_by_label("fare").fill("cheap")
    page.get_by_label("boarded, time in UTC").fill("13:30")
    answer(page, lambda page: page.get_by_role("button", name="Predict").click())
    expect(page.locator("#feature-4-wrong")).to_have_text("Must be a number or null, is 'cheap'.")
    expect(page.locator("#feature-5-wrong")).to_contain_text("Must be a date such as 2026-01-31")
    assert page.locator("[aria-invalid]").count() == 2
    assert Axe().run(page).violations_count == 0


def test_a_row_of_a_spreadsheet_is_pasted_with_its_words_and_gaps(page: Page, kinds: Kinds) -> None:
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
