"""The page shows what is served, how it came to be, and where it errs."""

from __future__ import annotations

import re

import numpy as np
import pytest
from atelier_store.layout import Store
from atelier_store.records import Manifest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests.server.web.page.visitor import NETWORK, Kinds, answer, drawn, opened, searched, text
from tests.support.experiments import add_trial, begin, promote_best, spec
from tests.support.onnx_bundles import LABELS, Bundle, configured, image_bundle, publish, rows_bundle
from tests.support.server_process import serving

pytestmark = pytest.mark.process


def test_the_network_is_drawn_step_by_step_from_the_configuration(page: Page, kinds: Kinds) -> None:
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


def test_rows_and_signals_are_drawn_in_their_own_words(page: Page, kinds: Kinds) -> None:
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


def test_the_curve_is_drawn_and_written_and_every_metric_can_be_chosen(page: Page, kinds: Kinds) -> None:
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


def test_what_was_searched_and_what_came_of_it_is_told(page: Page, kinds: Kinds) -> None:
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


def test_scores_size_latency_and_every_digest_are_there(page: Page, kinds: Kinds) -> None:
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


def test_what_a_search_of_rows_had_to_beat_and_what_is_special_of_it_is_shown(page: Page, kinds: Kinds) -> None:
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
    with serving(store, "digits") as server:
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
    with serving(store, "house") as server:
        errs = opened(page, server).locator("#quality-section")
        expect(errs.get_by_role("img", name="Residuals: half are between")).to_be_visible()
        expect(errs.get_by_role("region", name="The worst mistakes").get_by_role("row")).to_have_count(13)


def test_a_version_without_test_rows_shows_no_section_of_mistakes(page: Page, kinds: Kinds) -> None:
    expect(opened(page, kinds["images"].server).locator("#quality-section")).to_be_hidden()
