"""The tables: two small spaces of the built-in networks, whose networks were all trained, with their curves.

Two public benchmarks can stand beside them.

A table is one npz file, in the order of `points`: val_loss and val_accuracy (points, epochs) of a training by seed 0,
which is what a search sees; again (points, seeds - 1), the last val_loss of trainings by other seeds; scores by each
proxy (points,). NaN where a network is not recorded.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
from atelier_cli.profile.facts import OF_BUILT_IN
from atelier_searcher.decision import Networks
from atelier_searcher.shortlist import Shortlist, aggregate
from atelier_store.records import Candidate
from atelier_store.spec import AlgorithmName, Proxy, Spec
from numpy.typing import NDArray

FOLDER = Path(__file__).parent / "tables"
METRICS = ("val_loss", "val_accuracy")
PROXIES: tuple[Proxy, ...] = ("synflow", "naswot", "params", "macs")
EPOCHS = 27
SEEDS = 3
"""Trainings of a network, by which it is judged: by one, the best of a space would be those with luck."""

FREE: dict[str, Any] = {**OF_BUILT_IN, "proxies": tuple(OF_BUILT_IN["proxies"])}
"""The shortlist of a search whose profile says nothing of it."""

Believed = Literal["as they are", "shuffled", "reversed"]
"""What becomes of the proxies' scores before a search sees them."""


def _choice(name: str, *values: str | float) -> dict[str, Any]:
    kind = "categorical" if isinstance(values[0], str) else "discrete"
    return {"name": name, "parameterType": kind, "feasibleSpace": {"list": [str(value) for value in values]}}


SPACES: dict[str, list[dict[str, Any]]] = {
    "images": [
        _choice("head", "avg", "max"),
        _choice("activation", "relu", "silu"),
        _choice("stage1_depth", 1, 2),
        _choice("stage1_op", "conv3", "res3", "sep3", "mbconv3"),
        _choice("stage1_width", 8, 16, 32),
        _choice("stage2_depth", 1, 2),
        _choice("stage2_op", "conv3", "sep3", "mbconv3"),
        _choice("stage2_width", 16, 48),
    ],
    "rows": [
        _choice("stem_width", 16, 32, 64),
        _choice("stage1_depth", 1, 2),
        _choice("stage1_op", "dense", "residual", "gated"),
        _choice("stage1_width", 16, 32, 64),
        _choice("stage2_depth", 0, 1),
        _choice("activation", "relu", "silu"),
        _choice("dropout", 0, 0.2),
        _choice("lr", 0.003, 0.01, 0.03),
    ],
}
"""1,152 convolutional networks of two stages; 1,296 dense ones, with their learning rates."""

PUBLIC: dict[str, list[dict[str, Any]]] = {
    "cells": [
        _choice(f"edge{n}", "none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3") for n in range(6)
    ],
    "stages": [_choice(f"layer{n}", "identity", "mb3_k3", "mb6_k5") for n in range(8)],
}
"""The spaces of NAS-Bench-201 (Dong and Yang 2020), 15,625 networks, and of NAS-Bench-Macro (Su et al. 2021), 6,561.
Their results are no part of the repository: `public` reads them."""


def parameters(name: str) -> list[dict[str, Any]]:
    """The space of a table."""
    return SPACES[name] if name in SPACES else PUBLIC[name]


FIXED = {
    "images": {"stem_width": "8", "stage1_stride": "2", "lr": "0.01", "batch": "256"},
    "rows": {"batch": "256", "stage2_width": "32"},
}
"""What every network of a table has, beside the defaults."""

DATA = {
    "images": {"source": "sklearn", "name": "digits"},
    "rows": {"source": "benchmarks.search.digits:rows", "kind": "rows"},
}
"""8 x 8 pixels, as pictures or as rows of 64 numbers; 862 to learn from, 575 to validate."""


def spec(name: str, algorithm: AlgorithmName = "multivariate-tpe", trials: int = 100, seed: int = 0) -> Spec:
    """The search of a table; seed is the algorithm's."""
    experiment = {
        "name": f"table-{name}",
        "objective": {"type": "minimize", "objectiveMetricName": "val_loss"},
        "algorithm": {
            "algorithmName": algorithm,
            "algorithmSettings": [{"name": "random_state", "value": str(seed)}],
        },
        "earlyStopping": {"algorithmName": "none"},
        "parameters": parameters(name),
        "maxTrialCount": trials,
        "maxFailedTrialCount": 0,
    }
    trainer = {"data": DATA.get(name, DATA["images"]) | {"validationFraction": 0.4}, "maxEpochs": EPOCHS}
    return Spec.model_validate({"experiment": experiment, "trainer": trainer})


def points(name: str) -> list[dict[str, str]]:
    """The params of every point of a table's space, as suggested."""
    axes = {parameter["name"]: parameter["feasibleSpace"]["list"] for parameter in parameters(name)}
    return [dict(zip(axes, values, strict=True)) for values in itertools.product(*axes.values())]


@dataclass(frozen=True)
class Table:
    """A table as it was recorded. A network's key is its place in `points`, as text."""

    name: str
    columns: dict[str, NDArray[np.float32]]

    @classmethod
    def read(cls, name: str) -> Table:
        """The table in the repository; what it lacks is NaN."""
        count, path = len(points(name)), FOLDER / f"{name}.npz"
        columns: dict[str, NDArray[np.float32]] = {}
        for metric in METRICS:
            columns[metric] = np.full((count, EPOCHS), np.nan, np.float32)
        columns["again"] = np.full((count, SEEDS - 1), np.nan, np.float32)
        for proxy in PROXIES:
            columns[proxy] = np.full(count, np.nan, np.float32)
        if path.exists():
            with np.load(path) as file:
                columns |= dict(file)
        return cls(name, columns)

    def write(self) -> None:
        """Write the table to the repository, whole."""
        FOLDER.mkdir(exist_ok=True)
        path = FOLDER / f"{self.name}.npz"
        partial = path.with_name(f".{path.name}")
        np.savez_compressed(partial, allow_pickle=False, **self.columns)
        partial.replace(path)

    @cached_property
    def points(self) -> list[dict[str, str]]:
        return points(self.name)

    @cached_property
    def places(self) -> dict[tuple[str, ...], int]:
        return {tuple(params.values()): place for place, params in enumerate(self.points)}

    @cached_property
    def recorded(self) -> NDArray[np.int64]:
        """The places of networks that were trained."""
        return np.flatnonzero(~np.isnan(self.columns["val_loss"][:, -1]))

    @cached_property
    def networks(self) -> Networks:
        """What a search is told of them: only recorded ones may be trained."""
        known = frozenset(self.recorded.tolist())
        return Networks(
            key=lambda params: str(self.places[tuple(params.values())]),
            refusal=lambda params: None if self.places[tuple(params.values())] in known else "not recorded",
        )

    def values(self, key: str) -> tuple[float, ...]:
        """The objective after each epoch."""
        return tuple(self.columns["val_loss"][int(key)].tolist())

    @cached_property
    def qualities(self) -> NDArray[np.float32]:
        """What each network is worth (points,): the mean over its seeds of the objective after the last epoch."""
        once = self.columns["val_loss"][:, -1:]
        every: NDArray[np.float32] = np.concatenate([once, self.columns.get("again", once[:, :0])], axis=1)
        return np.asarray(every.mean(axis=1))

    def quality(self, key: str) -> float:
        """What a network is worth."""
        return float(self.qualities[int(key)])

    def bound(self, share: float) -> float:
        """The quality that the best of this share of the networks reach; of three at least."""
        best = np.sort(self.qualities[self.recorded])
        return float(best[max(3, round(share * len(best))) - 1])

    def shortlist(
        self, seed: int, proxies: tuple[Proxy, ...], candidates: int, believed: Believed = "as they are"
    ) -> Shortlist:
        """A shortlist of networks drawn at random; of the scores, those of the parameters that build the network."""
        draw = np.random.default_rng(seed)
        drawn = self._architectures(draw.permutation(self.recorded))[:candidates]
        scores: list[dict[Proxy, float]] = [
            {proxy: float(self.columns[proxy][place]) for proxy in proxies} for place in drawn
        ]
        if believed != "as they are":
            total = aggregate(scores)
            total = -total if believed == "reversed" else draw.permutation(total)
            scores = [{"synflow": score} for score in total]
        chosen = [self._scored_params(place) for place in drawn]
        return Shortlist(tuple(Candidate(params=params, scores=of) for params, of in zip(chosen, scores, strict=True)))

    def _scored_params(self, place: int) -> dict[str, str]:
        return {name: text for name, text in self.points[place].items() if name not in ("lr", "dropout")}

    def _architectures(self, places: NDArray[np.int64]) -> list[int]:
        """The first of the places that have each network, whatever its training."""
        first: dict[tuple[str, ...], int] = {}
        for place in places.tolist():
            first.setdefault(tuple(self._scored_params(place).values()), place)
        return list(first.values())
