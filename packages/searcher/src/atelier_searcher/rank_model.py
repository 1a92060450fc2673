"""What earlier searches teach of the first epochs: which trials are worth more than those.

After one epoch the values alone say too little of who will win: halving that asks so early loses the best one. Together
with the parameters they say as much as the values of a later rung do (a learned curve model, as in Wistuba and Pedapati
2020, Learning to Rank Learning Curves). So a model that other searches have taught asks at one more rung, before the
first of halving. Where it is not right, there is no such rung.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from atelier_store.in_words import counted
from atelier_store.records import EarlierSearch
from atelier_store.spec import Objective, Spec
from numpy.typing import NDArray

from atelier_searcher.shortlist import ranked

LEAST_SEARCHES = 2
"""Earlier searches, of which each can be foretold from the others."""

LEAST_TRIALS = 10
"""Trials that ended past the model's rung, of an earlier search that counts."""

MOST_FOLDS = 5
"""Groups of earlier searches, of which each is foretold from the others."""

BETTER = 0.02
"""By how much the model has to be more right than the values are; else the parameters tell nothing beside them."""

MOST_CATEGORIES = 200
"""Texts of a parameter that are kinds to the model; of more, the order of their spelling counts."""

LEAST_RESULTS = 6
"""Results of this search, below which they say nothing of the model."""

Params = Mapping[str, str]
Values = tuple[float, ...]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Curves:
    """Trials of one search: their parameters, and the objective after each epoch, turned so that more is better."""

    params: Sequence[Params]
    values: Sequence[Values]

    @classmethod
    def of(cls, objective: Objective, params: Sequence[Params], values: Sequence[Values]) -> Curves:
        """The trials of a search with this objective."""
        turned = [tuple(-objective.rank_key(value) for value in curve) for curve in values]
        return cls(params, turned)

    @property
    def standing(self) -> Floats:
        """The place of each trial (N,), from 0 to 1 for the best: who came further, then who has the better value."""
        order = [(len(curve), curve[-1]) for curve in self.values]
        places = {stand: float(place) for place, stand in enumerate(sorted(set(order)))}
        return place_of([places[stand] for stand in order])


def place_of(values: Sequence[float] | Floats) -> Floats:
    """The place of each value (N,) among all, between 0 and 1, where more is better; equal ones share theirs."""
    return (ranked(np.asarray(values, dtype=float)) - 0.5) / max(1, len(values))


def correlation(one: Sequence[float] | Floats, other: Sequence[float] | Floats) -> float:
    """Spearman's rank correlation; 0 where all values of a side are equal."""
    sides = np.array([ranked(np.asarray(side, dtype=float)) for side in (one, other)])
    sides -= sides.mean(axis=1, keepdims=True)
    scale = float(np.sqrt((sides**2).sum(axis=1).prod()))
    return float((sides[0] * sides[1]).sum() / scale) if scale else 0.0


class Encoding:
    """Parameters as numbers: those of numbers are themselves, of other texts their place among those that are known."""

    def __init__(self, names: Sequence[str], known: Sequence[Params]) -> None:
        self.names, self._texts = names, dict[str, dict[str, float]]()
        for name in names:
            texts = sorted({params[name] for params in known if name in params})
            if not all(map(_is_number, texts)):
                self._texts[name] = {text: float(place) for place, text in enumerate(texts)}

    @property
    def is_category(self) -> list[bool]:
        return [0 < len(self._texts.get(name, ())) <= MOST_CATEGORIES for name in self.names]

    def rows(self, params: Sequence[Params]) -> Floats:
        """The numbers (N, parameters); NaN for what is not there or not known."""
        return np.array([[self._number(name, of.get(name)) for name in self.names] for of in params], dtype=float)

    def _number(self, name: str, text: str | None) -> float:
        if text is None:
            return np.nan
        if name in self._texts:
            return self._texts[name].get(text, np.nan)
        return float(text) if _is_number(text) else np.nan


def _is_number(text: str) -> bool:
    try:
        return bool(np.isfinite(float(text)))
    except ValueError:
        return False


class Predictor:
    """The place in the end by parameters and the place after `rung` epochs, or by parameters alone."""

    def __init__(self, names: Sequence[str], rung: int, searches: Sequence[Curves]) -> None:
        from sklearn.ensemble import HistGradientBoostingRegressor

        self.rung = rung
        self._encoding = Encoding(names, [params for search in searches for params in search.params])
        self._model = HistGradientBoostingRegressor(
            max_leaf_nodes=15,
            min_samples_leaf=10,
            early_stopping=False,
            random_state=0,
            categorical_features=[*self._encoding.is_category, False],
        )
        rows = [self._rows(search, told) for search in searches for told in (False, True)]
        with _one_thread():
            self._model.fit(np.concatenate(rows), np.concatenate([one.standing for one in searches for _ in (1, 2)]))

    def places(self, of: Curves, told: bool = True) -> Floats:
        """The places in the end (N,), from 0 to 1; told: by the place at the rung too, which every trial has."""
        with _one_thread():
            places: Floats = self._model.predict(self._rows(of, told))
        return places

    def _rows(self, of: Curves, told: bool) -> Floats:
        so_far = place_of([curve[self.rung - 1] for curve in of.values]) if told else np.full(len(of.params), np.nan)
        return np.column_stack([self._encoding.rows(of.params), so_far])


def _one_thread() -> Any:
    """Sums of several threads would depend on how many there are."""
    from threadpoolctl import threadpool_limits

    return threadpool_limits(1)


@dataclass(frozen=True)
class RankModel:
    """What earlier searches taught, and how right it was of those that were left out.

    right and values_right are rank correlations with the place in the end: of the model at its rung, and of the values
    there alone.
    """

    predictor: Predictor
    searches: int
    right: float
    values_right: float
    _of: Objective = field(repr=False)

    @property
    def rung(self) -> int:
        """The epoch at which it is asked."""
        return self.predictor.rung

    @property
    def is_worth_asking(self) -> bool:
        """Whether it told more than the values do, of searches that it had not seen."""
        return self.right >= self.values_right + BETTER

    @property
    def words(self) -> str:
        """How right it was, for people."""
        of = f"of {counted(self.searches, 'search')}, each foretold from the others"
        return f"rank correlation {self.right:.2f} {of}, that of the values {self.values_right:.2f}"

    def places(self, params: Sequence[Params], values: Sequence[Values]) -> list[float]:
        """The place in the end of trials that reached the rung, from 0 to 1 for the best."""
        return [float(place) for place in self.predictor.places(Curves.of(self._of, params, values))]

    def is_right(self, params: Sequence[Params], values: Sequence[Values]) -> bool:
        """Whether it is trusted: by the earlier searches, and by this one's trials that reached the rung.

        Those that it would have placed higher by their parameters alone must be those of better values there; with
        fewer than LEAST_RESULTS nobody can tell.
        """
        if not self.is_worth_asking or len(params) < LEAST_RESULTS:
            return self.is_worth_asking
        curves = Curves.of(self._of, params, values)
        told = [curve[self.rung - 1] for curve in curves.values]
        return correlation(self.predictor.places(curves, told=False), told) > 0


def taught(spec: Spec, searches: Sequence[EarlierSearch]) -> RankModel | None:
    """What earlier searches teach; None if they are too few, or there is no epoch before halving's first rung."""
    early, objective = spec.experiment.early_stopping, spec.experiment.objective
    rung = early.min_epochs // early.eta
    if early.algorithm_name != "halving" or spec.experiment.objectives or rung < 1:
        return None
    names = [parameter.name for parameter in spec.experiment.parameters]
    curves = []
    for search in searches:
        trials = [trial for trial in search.trials if len(trial.values) >= rung]
        if sum(len(trial.values) > rung for trial in trials) >= LEAST_TRIALS:
            curves.append(Curves.of(objective, [one.params for one in trials], [one.values for one in trials]))
    if len(curves) < LEAST_SEARCHES:
        return None
    right, values_right = np.mean(_foretold(names, rung, curves), axis=0)
    return RankModel(Predictor(names, rung, curves), len(curves), float(right), float(values_right), objective)


def _foretold(names: Sequence[str], rung: int, searches: Sequence[Curves]) -> list[tuple[float, float]]:
    """Of each search, the rank correlations with the place in the end: of what the others foretell, and of the values.

    Only of trials that went past the rung: the others' place is their value there.
    """
    found = []
    folds = min(MOST_FOLDS, len(searches))
    for fold in range(folds):
        predictor = Predictor(names, rung, [one for place, one in enumerate(searches) if place % folds != fold])
        for search in searches[fold::folds]:
            told = np.array([curve[rung - 1] for curve in search.values])
            past = np.array([len(curve) > rung for curve in search.values])
            standing, places = search.standing[past], predictor.places(search)[past]
            found.append((correlation(places, standing), correlation(told[past], standing)))
    return found
