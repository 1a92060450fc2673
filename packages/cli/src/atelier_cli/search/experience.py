"""What a search knows of earlier ones: found in the store and in others when it begins, and kept with it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

from atelier_searcher.decision import NO_EXPERIENCE
from atelier_searcher.experience import Experience
from atelier_searcher.rank_model import RankModel, taught
from atelier_store import keeping
from atelier_store.curve import read_curve
from atelier_store.in_words import counted
from atelier_store.layout import ExperimentPaths, Store
from atelier_store.ranking import trial_records
from atelier_store.records import (
    Card,
    DataDescription,
    EarlierSearch,
    EarlierSearches,
    EarlierTrial,
    TrialConfig,
)
from atelier_store.spec import Spec

MOST_TRIALS = 5_000
"""Trials of earlier searches that a search learns from at most; those of the latest searches."""

ENDED = ("paused", "stopped", "succeeded")
"""A curve that grows meanwhile would not be what was decided from."""

FIELD = "experiment.experience"


def ensure(spec: Spec, store: Store, description: DataDescription, say: Callable[[str], object]) -> Experience:
    """What a search knows of earlier ones: as it was when it began. Nothing, if its spec does not ask for it.

    say is told what it starts from. TornRecord, if the file is not as it was written: the search would go on otherwise.
    """
    if not spec.experiment.experience.enabled:
        if spec.experiment.experience.stores:
            say(f"{FIELD}.stores is not used: {FIELD}.enabled is false.")
        return NO_EXPERIENCE
    if spec.experiment.algorithm.algorithm_name == "grid":
        say("No experience: grid tries every point in an order of its own.")
        return NO_EXPERIENCE
    path = store.experiment(spec.experiment_name).experience
    earlier, unlike = EarlierSearches.read_if_there(path), Counter[str]()
    if earlier is None:
        found = tuple(_searches(spec, store, description, unlike))
        earlier = EarlierSearches(data_digest=description.digest, searches=found)
        earlier.write(path)
    known = [_as_kept(spec, search) for search in earlier.searches]
    model = taught(spec, known)
    for line in lines(earlier, model, unlike):
        say(line)
    searches = tuple(sorted(known, key=lambda one: _rank(spec, earlier, one)))
    return Experience(earlier.data_digest, searches, model)


def _as_kept(spec: Spec, search: EarlierSearch) -> EarlierSearch:
    """An earlier search with the values of the weights that its trials would keep in this one."""
    trials = [one.model_copy(update={"values": tuple(keeping.values(spec, one.values))}) for one in search.trials]
    return search.model_copy(update={"trials": tuple(trials)})


def lines(earlier: EarlierSearches, model: RankModel | None, unlike: Counter[str]) -> Iterator[str]:
    """What the search starts from, for people. unlike counts why earlier searches teach it nothing, if it begins."""
    searches = earlier.searches
    if not searches:
        why = (
            f"of {counted(unlike.total(), 'earlier search')}, {_each(unlike)}" if unlike else "there was none before it"
        )
        yield f"No experience: {why}."
        return
    count, names = sum(len(search.trials) for search in searches), ", ".join(search.name for search in searches)
    yield f"Learns from {counted(len(searches), 'search')}, {counted(count, 'trial')}: {names}"
    others = [search.name for search in searches if search.data_digest != earlier.data_digest]
    if len(others) == len(searches):
        yield "Their data differ: only their order counts."
    elif others:
        yield f"The data of {', '.join(others)} differ: only their order counts."
    if model is not None:
        decides = "who goes on is decided" if model.is_worth_asking else "nothing is decided"
        yield f"At epoch {model.rung} {decides} by what they teach: {model.words}."


def _each(reasons: Counter[str]) -> str:
    return ", ".join(
        f"{count} {reason}" for reason, count in sorted(reasons.items(), key=lambda one: (-one[1], one[0]))
    )


def _rank(spec: Spec, earlier: EarlierSearches, search: EarlierSearch) -> tuple[bool, int]:
    """Of searches on the same data is most to learn, then of those that have most of the parameters."""
    names = {parameter.name for parameter in spec.experiment.parameters}
    shared = max(len(names & trial.params.keys()) for trial in search.trials)
    return search.data_digest != earlier.data_digest, -shared


def _searches(spec: Spec, store: Store, description: DataDescription, unlike: Counter[str]) -> Iterator[EarlierSearch]:
    """The related searches of all stores, the latest first, up to MOST_TRIALS; unlike counts why others are none."""
    found: list[tuple[str | None, ExperimentPaths]] = [
        (None, one) for one in store.experiments() if one.folder.name != spec.experiment_name
    ]
    for other in spec.experiment.experience.stores:
        if Path(other).resolve() != store.root.resolve():
            found += [(other, one) for one in Store(Path(other).absolute()).experiments()]
    left = MOST_TRIALS
    for folder, paths in sorted(found, key=lambda one: (-_began(one[1]), one[1].folder.name)):
        search = _search(spec, description, paths, folder)
        if isinstance(search, str):
            unlike[search] += 1
        elif left > 0:
            search = search.model_copy(update={"trials": search.trials[:left]})
            left -= len(search.trials)
            yield search


def _began(paths: ExperimentPaths) -> int:
    try:
        return paths.spec.stat().st_mtime_ns
    except OSError:
        return 0


def _search(
    spec: Spec, description: DataDescription, paths: ExperimentPaths, folder: str | None
) -> EarlierSearch | str:
    """What a search has come to by now, or why there is nothing to learn from it.

    It has to be of the same network function and objective, of data of the same kind and task, and with half of the
    parameters at least.
    """
    try:
        other = Spec.read(paths.spec)
    except (OSError, ValueError):
        return "cannot be read"
    mine, theirs = spec.experiment, other.experiment
    names, others = ({parameter.name for parameter in one.parameters} for one in (mine, theirs))
    aims = [(one.objective.type, one.objective.objective_metric_name) for one in (mine, theirs)]
    if spec.trainer.network != other.trainer.network:
        return "of another network"
    if aims[0] != aims[1]:
        return "for another objective"
    if 2 * len(names & others) < len(names):
        return "with less than half of the parameters"
    trials = [(digest, trial) for digest, trial in _trials(paths, aims[0][1])]
    digests = Counter(digest for digest, _ in trials if _is_of_kind(paths.store, digest, description))
    if not digests:
        return "on data of another kind or task" if trials else "without a trial that has ended"
    ((digest, _),) = digests.most_common(1)  # data under one name may have changed meanwhile
    of_data = tuple(trial for its, trial in trials if its == digest)
    return EarlierSearch(name=paths.folder.name, store=folder, data_digest=digest, trials=of_data)


def _is_of_kind(store: Store, digest: str, description: DataDescription) -> bool:
    other = DataDescription.read_if_whole(store.data(digest).description)
    return other is not None and (other.kind, other.task) == (description.kind, description.task)


def _trials(paths: ExperimentPaths, metric: str) -> Iterator[tuple[str, EarlierTrial]]:
    """The trials that ended with values of the metric, each key once, and the digests of their data."""
    seen: set[str] = set()
    for record in trial_records(paths):
        if record.key is None or (record.number is None and not record.params) or record.key in seen:
            continue
        trial = paths.store.trial(record.key)
        card, config = Card.read_if_whole(trial.card), TrialConfig.read_if_whole(trial.config)
        if card is None or config is None or card.status not in ENDED or config.parent is not None:
            continue
        curve = [epoch.metrics.get(metric) for epoch in read_curve(trial.metrics)[: card.epochs]]
        values = tuple(value for value in curve if value is not None)
        if values and len(values) == len(curve):
            seen.add(record.key)
            yield (
                config.data_digest,
                EarlierTrial(trial=record.trial, key=record.key, params=record.params, values=values),
            )
