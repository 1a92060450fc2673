"""What a search does next: resume a paused trial, or suggest a new one.

Asynchronous successive halving (Li et al. 2020), with every suggestion a training that can matter: never a network that
the search knows already, nor one that is known to be over budget.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain, islice

from atelier_store import halving
from atelier_store.in_words import counted
from atelier_store.spec import Spec

from atelier_searcher import experience, latency, sampling, several, stopping
from atelier_searcher.experience import Experience
from atelier_searcher.history import History, by_key
from atelier_searcher.shortlist import Features, Shortlist, points
from atelier_searcher.space import Point, Space

NO_SHORTLIST = Shortlist(())
NO_EXPERIENCE = Experience("", ())

MOST_NEAR = 500
"""Points around the algorithm's proposal, nearest first, that are tried if it is refused."""

SMALL_SPACE = 10_000
"""Of a space with as many points, every one is tried before it is called exhausted."""

MOST_DRAWN = 2_000
"""Random points of a larger space that are tried before it is called exhausted."""

ENOUGH_SLOW = 3
"""Trials in a row that are measured over budget, after which a search ends where all others are foretold to be."""

MOST_SLOW = 500
"""Networks in one decision that are foretold to be over budget, after which no other is looked for."""

MOST_REFUSED = 100
"""Trials in a row that their process found over budget, after which a search ends."""


@dataclass(frozen=True)
class Resume:
    """The trial with this key goes on from the rung where it paused. reason: why, if not by its value there."""

    key: str
    rung: int
    reason: str | None = field(default=None, compare=False)


@dataclass(frozen=True)
class Suggestion:
    """A new trial, with its place in the order of suggestions from 0."""

    number: int
    params: dict[str, str]
    key: str
    reason: str | None = field(default=None, compare=False)
    """Why it is this one; None if an earlier run of the search made it."""


@dataclass(frozen=True)
class Nothing:
    """Nothing to do, until a trial that runs gives more. reason says why a search ends before maxTrialCount."""

    reason: str | None = None


Decision = Resume | Suggestion | Nothing


@dataclass(frozen=True)
class Networks:
    """What can be known of a network before it is trained. All are functions of params.

    key: equal networks have equal ones. refusal: why it is not to be trained, or None; it is asked for new keys only.
    operations counts what it computes, by kind; it is asked where a latency is foretold.
    """

    key: Callable[[dict[str, str]], str]
    refusal: Callable[[dict[str, str]], str | None] = lambda _: None
    operations: Callable[[dict[str, str]], Mapping[str, float] | None] = lambda _: None


def decide(
    spec: Spec,
    history: History,
    networks: Networks,
    made: Mapping[int, dict[str, str]] | None = None,
    shortlist: Shortlist = NO_SHORTLIST,
    known: Experience = NO_EXPERIENCE,
) -> Decision:
    """What to do next, from what is known now; equal arguments give equal decisions.

    made has the params of suggestions that were made before, by number: they are kept, whatever would be suggested now.
    known is what earlier searches came to.
    """
    experiment = spec.experiment
    if any(trial.values and experiment.objective.reaches(trial.values[-1]) for trial in history):
        return Nothing()
    if (resumed := _resume(spec, history, known)) is not None:
        return resumed
    if sum(trial.counts for trial in history) >= experiment.max_trial_count:
        return Nothing()
    number = len(history)
    if (params := (made or {}).get(number)) is not None:
        return Suggestion(number, params, networks.key(params))
    if len(history) >= MOST_REFUSED and all(trial.status == "over_budget" for trial in history[-MOST_REFUSED:]):
        return Nothing(f"the last {MOST_REFUSED} networks were over trainer.budget")
    if (reason := stopping.reason(spec, history)) is not None:
        return Nothing(reason)
    return _suggest(spec, history, networks, shortlist, known)


def values_at(history: History, rung: int) -> dict[str, float]:
    """The value at a rung of every trial that reached it, by key, in the order of suggestion."""
    return {key: trial.values[rung - 1] for key, trial in by_key(history).items() if len(trial.values) >= rung}


def _resume(spec: Spec, history: History, known: Experience) -> Resume | None:
    """The paused trial that goes on by halving's rule, or before its first rung by what earlier searches teach."""
    early = spec.experiment.early_stopping
    paused = {key: len(trial.values) for key, trial in by_key(history).items() if trial.status == "paused"}
    values = {rung: values_at(history, rung) for rung in halving.rungs(early, spec.trainer.max_epochs)}
    if spec.experiment.objectives:
        key = several.to_resume(spec, history, values, paused)
    else:
        key = halving.to_resume(values, paused, spec.experiment.objective, early.eta)
    if key is not None:
        return Resume(key, paused[key])
    early_one = experience.to_resume(spec, history, paused, known)
    return None if early_one is None else Resume(early_one[0], paused[early_one[0]], early_one[1])


def _suggest(
    spec: Spec, history: History, networks: Networks, shortlist: Shortlist, earlier: Experience
) -> Suggestion | Nothing:
    """The first point of those that come into question whose network is new and not refused."""
    space = Space(spec.experiment.parameters)
    known = {trial.key for trial in history}
    bound, line = spec.trainer.budget.latency_ms, latency.line([t.measured for t in history if t.measured is not None])
    refused: dict[str, str] = {}
    slow: list[tuple[float, Suggestion]] = []
    proposed = chain(
        experience.points(spec, space, history, earlier),
        points(spec, space, history, shortlist),
        _points(spec, space, history, shortlist),
    )
    for point, why in proposed:
        params = space.params(point)
        key = networks.key(params)
        if key in known or key in refused:
            continue
        reason = networks.refusal(params)
        foretold = line.foretell(networks.operations(params)) if reason is None and line is not None else None
        if foretold is not None:
            why = f"{why}; latencyMs {foretold.words}"
            reason = foretold.over(bound) if bound is not None else None
        if reason is not None and foretold is not None:
            slow.append((foretold.ms, Suggestion(len(history), params, key, f"{why}: the fastest that is left")))
        if reason is None:
            return Suggestion(len(history), params, key, why)
        if len(slow) == MOST_SLOW:
            break
        refused[key] = reason
    if slow and any(trial.status != "over_budget" for trial in history[-ENOUGH_SLOW:]):
        return min(slow, key=lambda one: one[0])[1]
    return Nothing(_exhausted(space, len(known), refused))


def _points(spec: Spec, space: Space, history: History, shortlist: Shortlist) -> Iterator[tuple[Point, str]]:
    """What the algorithm proposes and what is near that; then all of a small space, or random points of a larger one.

    An algorithm that learns proposes the best region again and again, so what is new there is better than another draw:
    local search is as good as any (White et al. 2021, Exploring the Loss Landscape in Neural Architecture Search).
    """
    features = Features(shortlist, space) if shortlist.is_scored else None
    proposals = sampling.proposals(spec, space, history, features)
    seed, number = sampling.seed_of(spec), len(history)
    name, suggests = spec.experiment.algorithm.algorithm_name, sampling.suggests(spec, history, features is not None)
    if name == "grid":
        yield from ((point, "next of the grid") for point in islice(proposals, number + SMALL_SPACE))
        return
    proposal = next(proposals)
    reason = _reason(spec, history, features is not None)
    yield proposal, reason
    if suggests:
        yield from ((point, f"{reason}: what is better is known or not trained") for point in proposals)
        near = islice(space.around(proposal, seed + number), MOST_NEAR)
        yield from ((point, f"near what {name} proposed, which is known or not trained") for point in near)
    is_small = space.size <= SMALL_SPACE
    rest = space.points(seed) if is_small else islice(sampling.draws(space, seed, number), MOST_DRAWN)
    yield from ((point, f"at random: what {name} proposed is known or not trained") for point in rest)


def _reason(spec: Spec, history: History, has_features: bool) -> str:
    """Why the algorithm proposes what it does."""
    name = spec.experiment.algorithm.algorithm_name
    if sampling.learns(spec, history, has_features):
        return f"{name}, from {counted(len(history), 'trial')}"
    if sampling.suggests(spec, history, has_features):
        return f"{name}, by scores of untrained networks, until it has results to learn from"
    if name in sampling.LEARNS_FROM_NOTHING:
        return name
    drawn = "at random" if sampling.opening(spec) == "random" else "a Sobol point"
    return f"{drawn}, until {name} has results to learn from"


def _exhausted(space: Space, known: int, refused: Mapping[str, str]) -> str:
    """Why no other network is suggested."""
    where = "the search space" if space.size <= SMALL_SPACE else "the points of the search space that were tried"
    others = f": {known} were suggested"
    if refused:
        others += f", and {len(refused)} are not trained, such as one with {next(iter(refused.values()))}"
    return f"no other network in {where}{others}"
