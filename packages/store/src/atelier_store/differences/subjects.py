"""What two things are compared: two searches, or two trials, by the names that a person gives them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from atelier_store import names, sealed
from atelier_store.errors import InvalidInput
from atelier_store.layout import ExperimentPaths, Store, TrialPaths
from atelier_store.ranking import trial_records
from atelier_store.records import TrialRecord
from atelier_store.spec import Spec

MOST_NAMED = 8
"""Searches or trials named in a message about one that does not exist."""


@dataclass(frozen=True)
class SearchSubject:
    """A search with its spec."""

    paths: ExperimentPaths
    spec: Spec

    @property
    def name(self) -> str:
        return self.paths.folder.name

    @property
    def described(self) -> dict[str, str | None]:
        """Which search it is, for programs."""
        return {"search": self.name}


@dataclass(frozen=True)
class TrialSubject:
    """A trial that has a key. search and name say where it was suggested; None if no search of the store has it."""

    paths: TrialPaths
    search: str | None
    name: str | None

    @property
    def key(self) -> str:
        return self.paths.key

    @property
    def described(self) -> dict[str, str | None]:
        """Which trial it is, for programs."""
        return {"search": self.search, "trial": self.name, "key": self.key}


Subject = SearchSubject | TrialSubject


def two(store: Store, a: str, b: str) -> tuple[SearchSubject, SearchSubject] | tuple[TrialSubject, TrialSubject]:
    """Two searches or two trials. InvalidInput with everything that is wrong."""
    found: list[Subject] = []
    violations: list[str] = []
    for text in (a, b):
        try:
            found.append(find(store, text))
        except InvalidInput as error:
            violations += error.violations
    if violations:
        raise InvalidInput(list(dict.fromkeys(violations)))
    one, other = found
    if isinstance(one, SearchSubject) and isinstance(other, SearchSubject):
        return one, other
    if isinstance(one, TrialSubject) and isinstance(other, TrialSubject):
        return one, other
    search, trial = (a, b) if isinstance(one, SearchSubject) else (b, a)
    raise InvalidInput([f"{search} is a search and {trial} is a trial; compare two searches, or two trials"])


def find(store: Store, text: str) -> Subject:
    """The search of this name, else the trial: a key, a name that one search has, or SEARCH/TRIAL. InvalidInput."""
    searches = {paths.folder.name: paths for paths in store.experiments() if paths.spec.exists()}
    if text in searches:
        return SearchSubject(searches[text], _spec(searches[text]))
    search, slash, trial = text.rpartition("/")
    if slash and search not in searches:
        raise InvalidInput([f"{text}: {store.root} has no search {search!r}; it has: {_some(searches)}"])
    within = [searches[search]] if slash else list(searches.values())
    trials = [(paths, record) for paths in within for record in trial_records(paths) if _is(record, trial)]
    if names.KEY.accepts(trial) and (trials or (not slash and store.trial(trial).folder.is_dir())):
        first = trials[0] if trials else None
        return TrialSubject(store.trial(trial), first and first[0].folder.name, first and first[1].trial)
    if len(trials) > 1:
        full = [f"{paths.folder.name}/{record.trial}" for paths, record in trials]
        raise InvalidInput([f"{text} is a trial of {len(full)} searches; say which: {_some(full)}"])
    if not trials:
        raise InvalidInput([_unknown(store, text, within if slash else None, list(searches))])
    paths, record = trials[0]
    if record.key is None:
        raise InvalidInput([f"{text} was refused, and has no key: {record.error or 'no reason is known'}"])
    return TrialSubject(store.trial(record.key), paths.folder.name, record.trial)


def _is(record: TrialRecord, text: str) -> bool:
    return text in (record.trial, record.key)


def _unknown(store: Store, text: str, within: Sequence[ExperimentPaths] | None, searches: Sequence[str]) -> str:
    if within is not None:
        trials = [record.trial for record in trial_records(within[0])]
        return f"{text}: the search {within[0].folder.name} has no such trial; it has: {_some(trials)}"
    has = f"searches: {_some(searches)}; their trials go by name, SEARCH/NAME or key"
    return f"{store.root} has no search and no trial {text!r}; {has if searches else 'it has no search'}"


def _spec(paths: ExperimentPaths) -> Spec:
    try:
        return Spec.read(paths.spec)
    except sealed.Altered as error:
        raise InvalidInput([str(error)]) from error
    except ValueError as error:
        raise InvalidInput([f"{paths.spec}: cannot be read: {error}"]) from error


def _some(known: Sequence[str] | dict[str, ExperimentPaths]) -> str:
    every = list(known)
    more = [f"{len(every) - MOST_NAMED} more"] if len(every) > MOST_NAMED else []
    return ", ".join(every[:MOST_NAMED] + more) or "none"
