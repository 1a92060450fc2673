"""What earlier searches of a store came to: their good trials are suggested first, and they teach who goes on early.

A search of a few dozen trials spends its first ten at random. Where earlier ones have searched the same parameters, the
best of each is a better beginning, also on other data (Feurer et al. 2015, Initializing Bayesian Hyperparameter
Optimization via Meta-Learning). Values of other data are not comparable, so only the order within a search counts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import zip_longest

from atelier_store.records import EarlierSearch, EarlierTrial
from atelier_store.spec import Objective, Spec

from atelier_searcher import sampling
from atelier_searcher.history import History, Trial, by_key
from atelier_searcher.rank_model import RankModel
from atelier_searcher.space import Point, Space

OPENING = 10
"""Suggestions that may be those of earlier searches; as many as other searches draw at random."""

EVERY = 4
"""One of so many is the algorithm's all the same."""

GOOD = 3
"""The best of so many trials of a search are good: as many as go on by halving."""


@dataclass(frozen=True)
class Experience:
    """Earlier searches, those to learn most from first, and the data of the search that learns.

    model is what they teach of trials in their first epochs, if that is known.
    """

    data_digest: str
    searches: tuple[EarlierSearch, ...]
    model: RankModel | None = None


def points(spec: Spec, space: Space, history: History, experience: Experience) -> Iterator[tuple[Point, str]]:
    """Points for the next trial, the best first, each with the reason; none where others are to suggest.

    The best trial of each earlier search, then the second of each, as far as they lie in the space. A parameter that
    the earlier search had not has the value of the algorithm.
    """
    number = len(history)
    if not experience.searches or number >= OPENING or number % EVERY == EVERY - 1:
        return
    proposed: Point | None = None
    for search, place, trial in _good(spec.experiment.objective, experience):
        shared = space.shared(trial.params)
        if shared is None:
            continue
        reason = _reason(experience, search, place, trial)
        if lacking := [name for name in space.distributions if name not in shared]:
            proposed = proposed or next(sampling.proposals(spec, space, history))
            shared |= {name: proposed[name] for name in lacking}
            reason += f"; {', '.join(lacking)} from {spec.experiment.algorithm.algorithm_name}"
        yield space.ordered(shared), reason


def _good(objective: Objective, experience: Experience) -> Iterator[tuple[EarlierSearch, int, EarlierTrial]]:
    """The good trials with their places from 1: the first of every search, the second of every search, and so on."""
    good = [
        [(search, place, trial) for place, trial in enumerate(best_first(objective, search), 1)][: _count(search)]
        for search in experience.searches
    ]
    for of_place in zip_longest(*good):
        yield from (one for one in of_place if one is not None)


def _count(search: EarlierSearch) -> int:
    return -(-len(search.trials) // GOOD)


def best_first(objective: Objective, search: EarlierSearch) -> list[EarlierTrial]:
    """The trials of a search in their order: who came further is better; of those, who has the better last value."""
    return sorted(search.trials, key=lambda trial: (-len(trial.values), objective.rank_key(trial.values[-1])))


def _reason(experience: Experience, search: EarlierSearch, place: int, trial: EarlierTrial) -> str:
    words = f"from search {search.name}'s {trial.trial}, place {place} of {len(search.trials)}"
    if search.store is not None:
        words += f", in {search.store}"
    return words if search.data_digest == experience.data_digest else f"{words}, on other data"


# the rung before halving's first


def early_rung(history: History, experience: Experience) -> int | None:
    """The rung at which a new trial pauses before halving's first; None unless there is a model that is trusted."""
    model = experience.model
    return model.rung if model is not None and _is_right(model, _reached(model, history)) else None


def to_resume(
    spec: Spec, history: History, paused: Mapping[str, int], experience: Experience
) -> tuple[str, str] | None:
    """The key of the trial that paused at the model's rung and goes on next, and why.

    It is the best of the best 1/eta there, by the model; if that is not trusted any more, the first, as there is no
    such rung then.
    """
    model = experience.model
    if model is None or model.rung not in paused.values():
        return None
    reached = _reached(model, history)
    waiting = [key for key in reached if paused.get(key) == model.rung]
    if not _is_right(model, reached):
        return waiting[0], f"what earlier searches teach is not right here, so epoch {model.rung} decides nothing"
    places = dict(zip(reached, model.places(*_sides(reached)), strict=True))
    order = sorted(places, key=lambda key: -places[key])
    for place, key in enumerate(order[: len(order) // spec.experiment.early_stopping.eta], 1):
        if key in waiting:
            return key, f"place {place} of {len(order)} by what earlier searches teach: {model.words}"
    return None


def _reached(model: RankModel, history: History) -> dict[str, Trial]:
    """The trials that reached the model's rung, by key."""
    return {key: trial for key, trial in by_key(history).items() if len(trial.values) >= model.rung}


def _is_right(model: RankModel, reached: Mapping[str, Trial]) -> bool:
    return model.is_right(*_sides(reached))


def _sides(trials: Mapping[str, Trial]) -> tuple[list[dict[str, str]], list[tuple[float, ...]]]:
    return [trial.params for trial in trials.values()], [trial.values for trial in trials.values()]
