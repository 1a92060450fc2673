"""Scores of untrained networks: known values, any network, and why there is none."""

import math

import pytest
import torch
from atelier_trainer.model import Model
from atelier_trainer.proxies import naswot, synflow
from torch import nn

from tests.support.workplace import Workplace
from tests.trainer.test_appraisal import appraiser

STANDARD = {
    "mean": torch.zeros(1),
    "scale": torch.ones(1),
    "target_mean": torch.zeros(1),
    "target_scale": torch.ones(1),
}


def rows(*layers: nn.Module) -> Model:
    return Model(nn.Sequential(*layers), "rows", False, STANDARD)


def linear(*weights: list[float]) -> nn.Linear:
    layer = nn.Linear(len(weights[0]), len(weights), bias=False)
    layer.weight = nn.Parameter(torch.tensor(weights))
    return layer


def test_synflow_is_the_flow_through_absolute_weights() -> None:
    built = rows(linear([1.0, -2.0], [3.0, 0.0]), nn.ReLU(), linear([-1.0, 2.0]))
    # ones flow to 3 and 3, then to 3 + 6 = 9: each of two layers holds all of it
    assert synflow(built, torch.zeros(4, 2)) == pytest.approx(math.log(18))
    assert built.network[0].weight[0, 1] == -2  # type: ignore[index]  # the network is as it was


def test_naswot_counts_the_signs_that_examples_share() -> None:
    built = rows(linear([1.0], [-1.0]), nn.SiLU())
    apart = naswot(built, torch.tensor([[1.0], [-1.0]]))
    assert apart == pytest.approx(math.log(2 * 2), abs=0.01)  # each agrees with itself at both units, with no other
    assert naswot(built, torch.tensor([[1.0], [2.0]])) < apart


def test_a_network_without_activations_has_no_naswot() -> None:
    with pytest.raises(ValueError, match="no activation module"):
        naswot(rows(linear([1.0])), torch.ones(2, 1))


def test_a_candidate_has_each_score_and_is_the_same_again(work: Workplace) -> None:
    asked = appraiser(work)
    small, large = ({"stem_width": "4", "stage1_width": width} for width in ("4", "32"))
    first = asked.candidate(small, ("synflow", "naswot", "params", "macs"))
    assert first and list(first.scores) == ["synflow", "naswot", "params", "macs"] and not first.unscored
    assert appraiser(work).candidate(small, ("synflow", "naswot", "params", "macs")) == first
    larger = asked.candidate(large, ("synflow", "naswot"))
    assert larger and all(larger.scores[proxy] > first.scores[proxy] for proxy in ("synflow", "naswot"))


def test_what_cannot_be_scored_says_why_and_what_is_over_budget_is_no_candidate(work: Workplace) -> None:
    own = appraiser(work, network="tests.trainer.test_appraisal:from_data")
    broken = own.candidate({"broken": "true"}, ("synflow", "params"))
    assert broken and not broken.scores
    assert "no such network" in broken.unscored["synflow"]
    assert broken.unscored["params"].startswith("ValueError: it cannot be built")
    scored = own.candidate({"width": "4"}, ("synflow", "naswot"))
    assert scored and scored.scores and not scored.unscored
    assert appraiser(work, budget={"params": 10}).candidate({}, ("params",)) is None
