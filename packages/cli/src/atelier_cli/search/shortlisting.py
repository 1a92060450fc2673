"""The untrained networks of a search, scored before it: by several processes, and kept in the store as it goes."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from itertools import accumulate, islice
from queue import SimpleQueue
from typing import Any

from atelier_searcher import sampling
from atelier_searcher.decision import NO_SHORTLIST, SMALL_SPACE
from atelier_searcher.shortlist import Shortlist
from atelier_searcher.space import Space
from atelier_store import machine
from atelier_store.in_words import counted
from atelier_store.layout import Store
from atelier_store.records import Candidate, DataDescription, ScoredNetworks
from atelier_store.spec import Parameter, Proxy, Spec, canonical_json, sha256_of
from atelier_trial import identity, space

from atelier_cli.search.appraising import Appraisers

RECIPE_VERSION = 1
"""Incremented whenever an equal network would get another score."""

MOST_DRAWN = 3
"""Times the candidates that are wanted: so many are drawn, if the budget refuses some."""

BATCH = 20
"""Networks after which the store has what was scored, and a person hears of it."""

EXAMPLES: dict[Proxy, int] = {"synflow": 3, "naswot": 32}
"""Examples whose predictions take as long as a score; forwards and backwards are three."""

MOST_WORK = 200e9
"""Multiply-adds of these predictions, after which no more networks are scored: about two minutes of two cores. It is no
time, so that every machine has the same shortlist."""

LEAST_SCORED = 20
"""Networks that are scored whatever it takes: those that a profile may ask for at least."""

Progress = Callable[[str | None], object]
"""Called with a line for people or with None, now and then; what it raises ends the scoring."""


def ensure(spec: Spec, store: Store, description: DataDescription, progress: Progress) -> Shortlist:
    """The shortlist of a search, from the store or else made and kept there; empty if the spec asks for none."""
    if spec.experiment.shortlist is None:
        return NO_SHORTLIST
    if spec.experiment.algorithm.algorithm_name == "grid":
        progress("No shortlist: grid tries every point in an order of its own.")
        return NO_SHORTLIST
    parameters = scored_parameters(spec, description)
    if not parameters:
        progress("No shortlist: no parameter of the search space builds the network.")
        return NO_SHORTLIST
    wanted = spec.experiment.shortlist.candidates
    scoring = _Scoring(spec, store, description, parameters)
    networks = scoring.known(wanted)
    if networks is None:
        networks = scoring.complete(wanted, progress)
    for line in unscored(networks):
        progress(line)
    return Shortlist(networks)


def scored_parameters(spec: Spec, description: DataDescription) -> list[Parameter]:
    """The parameters of the search space that build the network, as far as a score can tell."""
    kind, task = description.kind, description.task
    return [parameter for parameter in spec.experiment.parameters if space.is_scored(parameter.name, kind, task)]


def unscored(networks: Sequence[Candidate]) -> Iterator[str]:
    """A line for each proxy that could not score some networks, with its most frequent reason."""
    reasons = Counter((proxy, reason) for network in networks for proxy, reason in network.unscored.items())
    for proxy in dict.fromkeys(proxy for proxy, _ in reasons):
        own = [(count, reason) for (of, reason), count in reasons.items() if of == proxy]
        total = sum(count for count, _ in own)
        of = f"{total} of {counted(len(networks), 'network')}"
        yield f"Shortlist: {proxy} could not score {of}; most often: {max(own)[1]}"


class _Scoring:
    """Scores of the networks of one space on one data set."""

    def __init__(self, spec: Spec, store: Store, description: DataDescription, parameters: Sequence[Parameter]) -> None:
        assert spec.experiment.shortlist is not None
        self._spec, self._store, self._description = spec, store, description
        self._parameters, self._proxies = parameters, spec.experiment.shortlist.proxies
        self._digest = self._identity()
        self._path = store.shortlist(self._digest)
        self._record = ScoredNetworks.read_if_whole(self._path) or ScoredNetworks(
            digest=self._digest, drawn=0, networks=()
        )

    def known(self, wanted: int) -> tuple[Candidate, ...] | None:
        """The first networks, if the store has as many as are wanted, or all that there are."""
        record, enough = self._record, self._enough(wanted)
        if len(record.networks) < enough and next(self._drawn(wanted, record.drawn), None) is not None:
            return None
        return record.networks[:enough]

    def complete(self, wanted: int, progress: Progress) -> tuple[Candidate, ...]:
        """The first networks, after what is missing was scored."""
        started, cores = time.monotonic(), machine.cores()
        progress(f"Scoring {wanted} untrained networks by {', '.join(self._proxies)}, {cores} at a time …")
        messages = self._store.experiment(self._spec.experiment_name).messages
        with ExitStack() as stack:
            idle: SimpleQueue[Appraisers] = SimpleQueue()
            for number in range(cores):
                log = messages(f"shortlist-{number}")
                idle.put(stack.enter_context(Appraisers(self._spec, self._store, self._description, log)))
            threads = stack.enter_context(ThreadPoolExecutor(cores))
            drawn = self._drawn(wanted, self._record.drawn)
            while len(self._record.networks) < self._enough(wanted) and (batch := list(islice(drawn, BATCH))):
                self._add(list(threads.map(lambda params: self._candidate(idle, params), batch)))
                progress(f"Shortlist: {min(len(self._record.networks), wanted)} of {counted(wanted, 'network')} scored")
        enough = self._enough(wanted)
        networks = self._record.networks[:enough]
        less = "" if len(networks) == wanted else ", which are all there are within the budget"
        if len(networks) == enough < wanted:
            less = f" of {wanted}: they are slow, and {MOST_WORK / 1e9:.0f} thousand million multiply-adds are enough"
        progress(f"Shortlist: {counted(len(networks), 'network')} scored in {time.monotonic() - started:.0f} s{less}")
        return networks

    def _enough(self, wanted: int) -> int:
        """How many networks are enough: as many as are wanted, or after how many of them scoring takes too long."""
        examples = sum(EXAMPLES.get(proxy, 0) for proxy in self._proxies)
        totals = accumulate((network.macs or 0) * examples for network in self._record.networks)
        slow = next((count for count, total in enumerate(totals, 1) if total >= MOST_WORK), wanted)
        return min(wanted, max(slow, LEAST_SCORED))

    def _candidate(self, idle: SimpleQueue[Appraisers], params: dict[str, str]) -> Candidate | None:
        appraisers = idle.get()
        try:
            return appraisers.candidate(params, self._proxies)
        finally:
            idle.put(appraisers)

    def _add(self, scored: Sequence[Candidate | None]) -> None:
        """Keep what was scored, in the store as well."""
        networks = (*self._record.networks, *(candidate for candidate in scored if candidate is not None))
        drawn = self._record.drawn + len(scored)
        self._record = ScoredNetworks(digest=self._digest, drawn=drawn, networks=networks)
        self._record.write(self._path)

    def _drawn(self, wanted: int, start: int) -> Iterator[dict[str, str]]:
        """Networks of the space, each once, in an order drawn from the seed; those before start are passed over."""
        return islice(self._networks(wanted), start, wanted * MOST_DRAWN)

    def _networks(self, wanted: int) -> Iterator[dict[str, str]]:
        of, seed = Space(self._parameters), sampling.seed_of(self._spec)
        points = of.points(seed) if of.size <= SMALL_SPACE else islice(sampling.draws(of, seed, 0), 10 * wanted)
        seen: set[str] = set()
        for point in points:
            params = of.params(point)
            network = canonical_json(self._architecture(params))
            if network not in seen:
                seen.add(network)
                yield params

    def _architecture(self, params: dict[str, str]) -> dict[str, Any]:
        kind, task = self._description.kind, self._description.task
        return space.architecture(params, kind, task, self._spec.trainer.network)

    def _identity(self) -> str:
        """sha256 of what the scores depend on; not of how many there are."""
        trainer, description = self._spec.trainer, self._description
        return sha256_of(
            {
                "recipe": RECIPE_VERSION,
                "parameters": [parameter.model_dump(exclude_none=True) for parameter in self._parameters],
                "proxies": self._proxies,
                "data": description.digest,
                "validation_fraction": trainer.data.validation_fraction,
                "network": identity.network_digest(trainer.network, {}, of_table=description.columns is not None),
                "budget": trainer.budget.model_dump(include={"params", "macs"}, exclude_none=True),
                "seeds": [trainer.seed, sampling.seed_of(self._spec)],
            }
        )
