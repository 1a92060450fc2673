"""Scores are exact at every scale, those of scikit-learn, and the same numbers in training and at a promotion."""

import numpy as np
import pytest
from atelier_store.scores import (
    BINS,
    LEAST_LOGARITHM,
    LEAST_PROBABILITY,
    classification,
    label_scores,
    multilabel,
    of_targets,
    regression,
    scores,
)
from atelier_store.spec import Task
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from sklearn import metrics

RANDOM = np.random.default_rng(0)
TARGETS = RANDOM.normal(size=(200, 2))
NOISY = TARGETS + RANDOM.normal(size=(200, 2))


def test_classification_counts_what_is_right() -> None:
    probabilities = np.array([[0.8, 0.2, 0.0], [0.6, 0.4, 0.0], [0.5, 0.5, 0.0], [0.1, 0.9, 0.0]], np.float32)
    found = classification(probabilities, np.array([0, 1, 0, 1]))
    assert found["accuracy"] == 0.75
    assert found["macro_f1"] == pytest.approx((2 * 2 / 5 + 2 * 1 / 3) / 2)  # the third class is nowhere
    assert found["loss"] == pytest.approx(-np.log([0.8, 0.4, 0.5, 0.9]).mean())


@given(st.integers(2, 6), st.integers(1, 50), st.integers(0, 2**32 - 1))
def test_scores_of_classes_are_those_of_scikit_learn(classes: int, rows: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    probabilities, truth = random.dirichlet(np.ones(classes), rows), random.integers(0, classes, rows)
    agree_with_scikit_learn(probabilities, truth)


@given(st.integers(2, 5), st.integers(1, 30), st.integers(2, 5), st.integers(0, 2**32 - 1))
def test_scores_of_classes_are_those_of_scikit_learn_where_probabilities_tie(
    classes: int, rows: int, parts: int, seed: int
) -> None:
    random = np.random.default_rng(seed)
    probabilities = random.multinomial(parts, np.ones(classes) / classes, rows) / parts
    agree_with_scikit_learn(probabilities, random.integers(0, random.integers(1, classes, endpoint=True), rows))


def agree_with_scikit_learn(probabilities: np.ndarray, truth: np.ndarray) -> None:
    """All scores but the loss of a certain mistake, which scikit-learn clips at another size."""
    predicted, classes = probabilities.argmax(1), probabilities.shape[1]
    is_of, present = np.eye(classes)[truth], np.unique(truth)
    found = classification(probabilities, truth)
    if probabilities[np.arange(len(truth)), truth].min() > 0:
        assert found["loss"] == pytest.approx(metrics.log_loss(truth, probabilities, labels=range(classes)))
    ranked = probabilities[:, present]
    expected = {
        "accuracy": metrics.accuracy_score(truth, predicted),
        "macro_f1": metrics.f1_score(truth, predicted, average="macro"),
        "balanced_accuracy": metrics.recall_score(truth, predicted, labels=present, average="macro"),
        "mcc": metrics.matthews_corrcoef(truth, predicted),
        "ece": calibration_error(probabilities.max(1), predicted == truth),
        "average_precision": metrics.average_precision_score(is_of[:, present], ranked, average="macro"),
    }
    if len(present) > 1:
        expected["auc"] = (
            metrics.roc_auc_score(truth, probabilities[:, 1])
            if classes == 2
            else metrics.roc_auc_score(is_of[:, present], ranked, average="macro")
        )
    assert {name: value for name, value in found.items() if name != "loss"} == pytest.approx(expected, abs=1e-12)


def calibration_error(confidence: np.ndarray, right: np.ndarray) -> float:
    """The expected calibration error bin by bin, as equations 3 to 5 of Guo et al. 2017 have it."""
    error = 0.0
    for bin_ in range(1, BINS + 1):
        inside = ((bin_ - 1) / BINS < confidence) & (confidence <= bin_ / BINS)
        if inside.any():
            error += inside.mean() * abs(right[inside].mean() - confidence[inside].mean())
    return error


def test_with_every_class_there_the_balanced_and_the_ranked_scores_are_those_that_scikit_learn_names() -> None:
    probabilities, truth = RANDOM.dirichlet(np.ones(4), 90), np.arange(90) % 4
    found = classification(probabilities, truth)
    assert found["auc"] == pytest.approx(metrics.roc_auc_score(truth, probabilities, multi_class="ovr"))
    assert found["average_precision"] == pytest.approx(metrics.average_precision_score(truth, probabilities))
    assert found["balanced_accuracy"] == pytest.approx(metrics.balanced_accuracy_score(truth, probabilities.argmax(1)))


def test_rows_of_one_class_have_no_auc_and_every_other_score() -> None:
    found = classification(np.array([[0.4, 0.6], [0.7, 0.3]], np.float32), np.array([1, 1]))
    assert "auc" not in found
    assert (found["balanced_accuracy"], found["mcc"], found["average_precision"]) == (0.5, 0, 1)


def test_many_rows_do_not_overflow_the_correlation() -> None:
    truth = np.tile([0, 1], 2_000_000)
    assert classification(np.eye(2, dtype=np.float32)[truth], truth)["mcc"] == pytest.approx(1)


@given(
    arrays.arrays(np.float64, (9, 2), elements=st.floats(-0.99, 1e6)),
    arrays.arrays(np.float64, (9, 2), elements=st.floats(-0.99, 1e6)),
)
def test_relative_scores_of_targets_are_those_of_scikit_learn(predicted: np.ndarray, truth: np.ndarray) -> None:
    found = regression(predicted, truth)
    assert found["mape"] == pytest.approx(metrics.mean_absolute_percentage_error(truth, predicted))
    assert found["rmsle"] == pytest.approx(np.sqrt(metrics.mean_squared_log_error(truth, predicted)))


def test_a_target_without_a_logarithm_leaves_the_log_error_out() -> None:
    assert "rmsle" not in regression(np.ones((2, 1)), np.array([2, -1]))


def test_a_prediction_without_a_logarithm_has_a_large_log_error() -> None:
    found = regression(np.array([[-7.0], [0.0]], np.float32), np.array([0, 0]))
    assert found["rmsle"] == pytest.approx(-np.log1p(LEAST_LOGARITHM) / np.sqrt(2))
    assert np.isfinite(found["rmsle"])


@given(
    arrays.arrays(np.float64, (9, 2), elements=st.floats(-100, 100)),
    arrays.arrays(np.float64, (9, 2), elements=st.floats(-100, 100)),
)
def test_scores_of_targets_are_those_of_scikit_learn(predicted: np.ndarray, truth: np.ndarray) -> None:
    found = regression(predicted, truth)
    assert found["rmse"] == pytest.approx(np.sqrt(metrics.mean_squared_error(truth, predicted)))
    assert found["mae"] == pytest.approx(metrics.mean_absolute_error(truth, predicted))
    if np.ptp(truth, axis=0).min() > 1e-3:  # scikit-learn leaves out the errors of a target that is constant
        r2 = metrics.r2_score(truth, predicted, multioutput="variance_weighted")
        assert found["r2"] == pytest.approx(r2, rel=1e-9, abs=1e-9)
    assert found["loss"] == pytest.approx(1 - found["r2"])


@pytest.mark.parametrize("scale", [1e-30, 1e-7, 1.0, 1e6, 1e30])
def test_r2_does_not_depend_on_the_unit_of_the_targets(scale: float) -> None:
    expected = regression(NOISY, TARGETS)
    found = regression((NOISY * scale).astype(np.float32), (TARGETS * scale).astype(np.float32))
    assert (found["r2"], found["loss"]) == pytest.approx((expected["r2"], expected["loss"]), abs=1e-5)
    assert found["rmse"] == pytest.approx(expected["rmse"] * scale, rel=1e-5)


def test_the_mean_of_small_targets_explains_nothing_of_them() -> None:
    noise = RANDOM.normal(3e-7, 1e-7, (60, 1)).astype(np.float32)
    assert regression(np.full_like(noise, noise.mean()), noise)["r2"] == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("constant", [0.0, 0.1, 1e-30, 1e30])
def test_constant_targets_are_explained_exactly_or_not_at_all(constant: float) -> None:
    truth = np.full((7, 1), constant, np.float32)
    assert regression(truth, truth) == {"rmse": 0, "mae": 0, "r2": 1, "loss": 0, "mape": 0, "rmsle": 0}
    wrong = regression(truth * 2 + 1, truth)
    assert (wrong["r2"], wrong["loss"]) == (0, 1)


def test_a_certain_mistake_has_the_largest_loss_that_a_network_can_have() -> None:
    certain = np.array([[1, 0]], np.float32)
    assert classification(certain, np.array([1]))["loss"] == pytest.approx(-np.log(LEAST_PROBABILITY))
    assert np.isfinite(LEAST_PROBABILITY)
    small = np.array([[1, 1e-30]], np.float32)
    assert classification(small, np.array([1]))["loss"] == pytest.approx(30 * np.log(10), rel=1e-6)


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("truth", [TARGETS[:3].astype(np.float32), np.ones((3, 2), np.float32)])
def test_an_answer_that_is_not_finite_has_no_finite_score(value: float, truth: np.ndarray) -> None:
    predicted = truth.copy()
    predicted[1, 0] = value
    assert not np.isfinite(list(regression(predicted, truth).values())).any()
    probabilities = np.array([[0.5, 0.5], [value, value]], np.float32)
    assert not np.isfinite(classification(probabilities, np.array([0, 0]))["loss"])


@pytest.mark.parametrize("task", ["classification", "regression"])
def test_validation_and_test_rows_with_the_same_answers_have_the_same_scores(task: Task) -> None:
    answers = RANDOM.dirichlet(np.ones(3), 40).astype(np.float32)
    truth = RANDOM.integers(0, 3, 40) if task == "classification" else RANDOM.normal(size=(40, 3))
    validation, test = (scores(task, answers, truth, prefix) for prefix in ("val", "test"))
    assert list(validation.values()) == list(test.values())
    assert [name.removeprefix("val_") for name in validation] == [name.removeprefix("test_") for name in test]


def repeated(rows: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Whole weights of rows, some 0, and the rows as often as they weigh."""
    weights = np.random.default_rng(seed).integers(0, 4, rows)
    weights[0] = 1
    return weights.astype(np.float32), np.repeat(np.arange(rows), weights)


@given(st.integers(2, 4), st.integers(2, 40), st.integers(2, 5), st.integers(0, 2**32 - 1))
def test_a_row_of_weight_three_counts_as_three_rows_and_one_of_weight_zero_as_none(
    classes: int, rows: int, parts: int, seed: int
) -> None:
    random = np.random.default_rng(seed)
    probabilities = random.multinomial(parts, np.ones(classes) / classes, rows) / parts
    truth = random.integers(0, classes, rows)
    weights, rows_of = repeated(rows, seed)
    expected = scores("classification", probabilities[rows_of], truth[rows_of], "val")
    assert scores("classification", probabilities, truth, "val", weights) == pytest.approx(expected)
    labelled = probabilities[:, 1] > 0.4
    expected = label_scores(truth[rows_of] == 1, labelled[rows_of])
    assert label_scores(truth == 1, labelled, weights) == pytest.approx(expected)


@given(st.integers(2, 40), st.integers(0, 2**32 - 1))
def test_so_it_does_where_targets_are_predicted(rows: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    predictions, truth = random.normal(size=(2, rows, 2)).round(1)
    weights, rows_of = repeated(rows, seed)
    expected = scores("regression", predictions[rows_of], np.abs(truth[rows_of]), "val")
    assert scores("regression", predictions, np.abs(truth), "val", weights) == pytest.approx(expected)


def test_rows_that_all_weigh_nothing_have_no_scores() -> None:
    with pytest.raises(ValueError, match="every val row weighs 0"):
        scores("regression", NOISY, TARGETS, "val", np.zeros(200, np.float32))


def test_metrics_of_ones_own_stand_beside_the_others_and_see_truth_and_answers() -> None:
    own = {"worst": lambda truth, answers: np.abs(answers - truth).max()}
    found = scores("regression", NOISY, TARGETS, "val", own=own)
    assert found.pop("val_worst") == np.abs(NOISY - TARGETS).max()
    assert found == scores("regression", NOISY, TARGETS, "val")
    one = scores("regression", NOISY[:, :1], TARGETS[:, 0], "val", own=own)
    assert one["val_worst"] == np.abs(NOISY[:, 0] - TARGETS[:, 0]).max()


@pytest.mark.parametrize(
    ("returned", "message"),
    [
        (float("nan"), "trainer.metrics.odd returned nan; allowed: a finite number"),
        ("high", "trainer.metrics.odd returned str; allowed: a number"),
        (None, "trainer.metrics.odd returned NoneType; allowed: a number"),
    ],
)
def test_a_metric_of_ones_own_is_a_finite_number(returned: object, message: str) -> None:
    with pytest.raises((TypeError, ValueError), match=message):
        scores("regression", NOISY, TARGETS, "val", own={"odd": lambda *_: returned})


def test_answers_that_are_not_finite_are_not_shown_to_metrics_of_ones_own() -> None:
    found = scores("regression", np.full_like(NOISY, np.nan), TARGETS, "val", own={"odd": lambda *_: 1 / 0})
    assert "val_odd" not in found and np.isnan(found["val_rmse"])


def test_each_of_several_targets_has_the_scores_that_it_has_alone() -> None:
    weights = np.arange(200, dtype=np.float32)
    found = of_targets(NOISY, TARGETS, "val", ("low", "high"), weights)
    assert found == {
        name: scores("regression", NOISY[:, [place]], TARGETS[:, place], "val", weights)
        for place, name in enumerate(("low", "high"))
    }


@given(st.integers(1, 4), st.integers(2, 40), st.integers(0, 2**32 - 1))
def test_scores_of_labels_are_those_of_scikit_learn(labels: int, rows: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    probabilities = random.integers(1, 20, (rows, labels)) / 20
    truth = random.integers(0, 2, (rows, labels))
    truth[0] = 1  # average precision is defined for every label
    given = probabilities >= 0.5
    found = multilabel(probabilities, truth.astype(np.float32))
    expected = {
        "accuracy": metrics.accuracy_score(truth, given),
        "macro_f1": metrics.f1_score(truth.T.tolist()[0], given[:, 0], zero_division=0)
        if labels == 1
        else metrics.f1_score(truth, given, average="macro", zero_division=0),
        "hamming_loss": metrics.hamming_loss(truth, given),
        "loss": np.mean([metrics.log_loss(truth[:, t], probabilities[:, t], labels=[0, 1]) for t in range(labels)]),
        "average_precision": metrics.average_precision_score(truth, probabilities, average="macro"),
    }
    varied = [t for t in range(labels) if not truth[:, t].all()]
    if varied:
        areas = [metrics.roc_auc_score(truth[:, t], probabilities[:, t]) for t in varied]
        expected["auc"] = np.mean(areas)
    assert found == pytest.approx(expected)


@given(st.integers(2, 40), st.integers(0, 2**32 - 1))
def test_labels_of_rows_that_weigh_more_count_more(rows: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    probabilities, truth = random.integers(1, 20, (rows, 3)) / 20, random.integers(0, 2, (rows, 3))
    weights, rows_of = repeated(rows, seed)
    expected = scores("multilabel", probabilities[rows_of], truth[rows_of], "val")
    assert scores("multilabel", probabilities, truth, "val", weights) == pytest.approx(expected)
