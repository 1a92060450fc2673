"""What tasks, algorithms and data sources accept, as tables.

The command reads them here. tools/chart_facts.py writes them into the chart: as conditions of values.schema.json,
and as files/facts.json.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from atelier_store.spec import AlgorithmName, Data, EarlyStoppingName, Kind, Task
from atelier_trial.data.sources import BUNDLED
from atelier_trial.space import BUILT_IN, is_scored_in_all

from atelier_cli.profile.findings import allowed
from atelier_cli.profile.merging import Values
from atelier_cli.profile.texts import TEXTS

METRICS: dict[Task, dict[str, str]] = {
    "classification": {
        "val_accuracy": "maximize",
        "val_balanced_accuracy": "maximize",
        "val_macro_f1": "maximize",
        "val_mcc": "maximize",
        "val_auc": "maximize",
        "val_average_precision": "maximize",
        "val_ece": "minimize",
        "val_loss": "minimize",
        "train_loss": "minimize",
    },
    "multilabel": {
        "val_accuracy": "maximize",
        "val_macro_f1": "maximize",
        "val_auc": "maximize",
        "val_average_precision": "maximize",
        "val_hamming_loss": "minimize",
        "val_loss": "minimize",
        "train_loss": "minimize",
    },
    "regression": {
        "val_rmse": "minimize",
        "val_mae": "minimize",
        "val_mape": "minimize",
        "val_rmsle": "minimize",
        "val_r2": "maximize",
        "val_loss": "minimize",
        "train_loss": "minimize",
    },
}
"""Metrics of a task, and the direction in which each is better."""


@dataclass(frozen=True)
class Number:
    """A setting that is a number, whole or real; an open bound is itself not allowed."""

    low: float
    high: float = math.inf
    whole: bool = True
    is_open: bool = False

    @property
    def allowed(self) -> str:
        """The allowed numbers, in words."""
        low, high = ("above", " and below") if self.is_open else ("from", " to")
        bound = f"{low} {self.low:g}" + (f"{high} {self.high:g}" if self.high < math.inf else "")
        return f"{'whole numbers' if self.whole else 'numbers'} {bound}"

    def refuse(self, text: str) -> str | None:
        """Why the text is not allowed, or None. The store reads whole settings with int(), which takes no "3.0"."""
        is_number = TEXTS["whole" if self.whole else "number"].refuse(text) is None
        value = float(text) if is_number else math.nan
        inside = self.low < value < self.high if self.is_open else self.low <= value <= self.high
        return None if inside else f'"{text}" is not allowed; allowed: {self.allowed}'


@dataclass(frozen=True)
class Choice:
    """A setting that is one of a few words."""

    words: tuple[str, ...]

    def refuse(self, text: str) -> str | None:
        """Why the text is not allowed, or None."""
        return None if text in self.words else f'"{text}" is not allowed; {allowed(self.words, text)}'


SEED = Number(0, 2**32 - 1)
ALGORITHM_SETTINGS: dict[AlgorithmName | Literal["auto"], dict[str, Number | Choice]] = {
    "auto": {"n_startup_trials": Number(0), "n_ei_candidates": Number(1), "random_state": SEED},
    "atelier": {"n_startup_trials": Number(0), "n_ei_candidates": Number(1), "random_state": SEED},
    "random": {"random_state": SEED},
    "tpe": {
        "gamma": Number(0, 1, whole=False, is_open=True),
        "prior_weight": Number(0, whole=False, is_open=True),
        "n_EI_candidates": Number(1),
        "random_state": SEED,
    },
    "multivariate-tpe": {"n_startup_trials": Number(0), "n_ei_candidates": Number(1), "random_state": SEED},
    "grid": {"random_state": SEED},
    "cmaes": {
        "random_state": SEED,
        "sigma": Number(0, whole=False, is_open=True),
        "restart_strategy": Choice(("ipop", "bipop", "none")),
    },
    "sobol": {},
    "bayesianoptimization": {
        "base_estimator": Choice(("GP", "RF", "ET", "GBRT")),
        "n_initial_points": Number(1),
        "acq_func": Choice(("gp_hedge", "LCB", "EI", "PI", "EIps", "PIps")),
        "acq_optimizer": Choice(("auto", "sampling", "lbfgs")),
        "random_state": SEED,
    },
}
"""Katib's settings (v0.19, pkg/suggestion/v1beta1); those of atelier are this project's own, of auto those that both
have which it may be."""
EARLY_STOPPING_SETTINGS: dict[EarlyStoppingName, dict[str, Number | Choice]] = {
    "halving": {"eta": Number(2), "min_epochs": Number(1)},
    "medianstop": {"min_trials_required": Number(1), "start_step": Number(1)},
    "none": {},
}
ON_ONE_MACHINE: AlgorithmName = "atelier"
ON_A_CLUSTER: AlgorithmName = "multivariate-tpe"
"""What algorithmName: auto is. Katib has multivariate-tpe in every cluster; ours would have to be registered first."""

PARALLEL_ON_A_CLUSTER = 3
"""What parallelTrialCount: auto is on a cluster, unless there are fewer trials: Katib's default."""

OF_BUILT_IN: dict[str, Any] = {"candidates": 200, "proxies": ["params", "macs"]}
OF_OWN: dict[str, Any] = {"candidates": 500, "proxies": ["synflow", "params", "macs"]}
"""What shortlist: auto is on one machine, where atelier suggests: of the built-in networks, and of one's own. Of the
built-in ones parameters and multiply-adds tell as much as other scores do."""


def shortlist(experiment: Values, network: str, names: Sequence[str]) -> Values | None:
    """What shortlist: auto is in an experiment whose algorithm is known, and that searches parameters of these names.

    It is none for other algorithms than atelier, and where no parameter builds the network.
    """
    if experiment["algorithm"]["algorithmName"] != "atelier" or experiment.get("objectives"):
        return None
    if names and not any(map(is_scored_in_all, names)):
        return None
    return OF_BUILT_IN if network == BUILT_IN else OF_OWN


DRAWS_NORMAL: tuple[AlgorithmName, ...] = ("random", "tpe")
"""Algorithms of Katib that can draw from the distributions normal and logNormal."""

KINDS: dict[str, Kind] = {
    "idx": "images",
    "images": "images",
    "csv": "rows",
    "table": "rows",
    **{f"sklearn {name}": "images" if name == "digits" else "rows" for name in BUNDLED},
}
"""What the examples of a source are, by its name and that of the bundled set. The arrays of npz decide."""


def known_kind(data: Data) -> Kind | None:
    """What the examples are, as far as that is known before the data are opened."""
    return data.kind if data.kind != "auto" else kind_of_source(data.source, data.name)


def kind_of_source(source: str | None, name: str | None) -> Kind | None:
    """What the examples of a source are, if their arrays do not decide it."""
    return KINDS.get(f"{source} {name}" if source == "sklearn" else str(source))
