"""Which trial of a search is promoted: the best that can be, or what was made of it at the end, or one by its name."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from atelier_store import answers, finish, int8, thresholds
from atelier_store.answers import Answer
from atelier_store.comparison import Verdict
from atelier_store.errors import InvalidInput
from atelier_store.layout import BundlePaths, Store
from atelier_store.ranking import leaderboard, rank, trial_records, verified
from atelier_store.records import Leaderboard, LeaderboardEntry, Manifest, TrialConfig
from atelier_store.scores import OwnMetrics
from atelier_store.spec import Spec, at_test

Verify = Callable[[BundlePaths, Manifest], list[str]]
"""Everything that is wrong with a bundle."""

MOST_NAMED = 20
"""Trials or versions named in a message about one that does not exist."""


class NothingToPromote(RuntimeError):
    """Nothing can be promoted; reasons holds one reason for each trial or version."""

    def __init__(self, reasons: list[str]) -> None:
        super().__init__("; ".join(reasons))
        self.reasons = reasons


@dataclass(frozen=True)
class Winner:
    """A trial whose bundle is verified; content is that of its manifest, with the thresholds that were chosen.

    original is the manifest of what it was made from: retrained, or brought to int8. looked: test rows have said
    whether what was retrained takes its place.
    """

    spec: Spec
    entry: LeaderboardEntry
    bundle: BundlePaths
    manifest: Manifest
    content: bytes
    leaderboard: Leaderboard
    original: Manifest | None = None
    looked: bool = False

    @property
    def digest(self) -> str:
        """The sha256 of the manifest, which names the version."""
        return hashlib.sha256(self.content).hexdigest()


@dataclass(frozen=True)
class Winners:
    """The trials of a store, of which one is promoted.

    metrics gives the metrics of the user's own for the test rows, of a search and the configuration of a trial of it.
    """

    store: Store
    verify: Verify
    answer: Answer
    metrics: Callable[[Spec, TrialConfig], OwnMetrics]

    def best(self, spec: Spec) -> Winner:
        """The best trial whose bundle is verified; better ones are rejected on the leaderboard, with the reason.

        Writes the leaderboard, also if it raises NothingToPromote.
        """
        candidates = verified(self.store, spec)
        rejected: dict[str, str] = {}
        while True:
            board = leaderboard(self.store, spec, candidates, rejected)
            best = board.entries[0] if board.entries else None
            if best is None or best.rank is None or best.key is None:
                board.write(self.store.experiment(spec.experiment_name).leaderboard)
                raise NothingToPromote(
                    [f"{e.trial}: {e.reason or e.status}" for e in board.entries] or ["no trial has run"]
                )
            winner, problems = self._examined(spec, board, best)
            if not problems:
                winner = self._in_int8(self._retrained(winner))
                winner.leaderboard.write(self.store.experiment(spec.experiment_name).leaderboard)
                return winner
            rejected[best.key] = "; ".join(problems)

    def named(self, spec: Spec, trial: str) -> Winner:
        """The trial of this name or key. InvalidInput if there is none, NothingToPromote if it cannot be promoted."""
        records = trial_records(self.store.experiment(spec.experiment_name))
        record = next((record for record in records if trial in (record.trial, record.key)), None)
        if record is None:
            known = some(record.trial for record in records)
            raise InvalidInput([f"trial: {spec.experiment_name} has no trial {trial!r}; it has: {known}"])
        board = rank(self.store, spec)
        entry = next(e for e in board.entries if e.trial == record.trial or (e.key and e.key == record.key))
        if entry.rank is None:
            raise NothingToPromote([f"{trial}: {entry.reason or entry.status}"])
        winner, problems = self._examined(spec, board, entry)
        if problems:
            raise NothingToPromote([f"{trial}: {'; '.join(problems)}"])
        return winner

    def _retrained(self, winner: Winner) -> Winner:
        """The winner; or what it was retrained to, if the spec's rule puts that in its place. The leaderboard says so.

        Its thresholds are the winner's: it has learnt from the rows that they are chosen on.
        """
        entry = finish.retrained(self.store, winner.spec, winner.leaderboard.entries)
        if entry is None or entry.key is None:
            return winner
        files = self.store.trial(entry.key).bundle
        content = files.manifest.read_bytes()
        manifest = Manifest.parse(content, files.manifest)
        looked = winner.spec.trainer.finish.retrain == "neverWorse"
        problems = self.verify(files, manifest)
        why = (
            Verdict("not_comparable", "; ".join(problems))
            if problems
            else self._beside_original(winner, files, manifest)
        )
        kept = why.outcome == "promoted"
        judged = replace(
            winner,
            leaderboard=finish.with_verdict(winner.leaderboard, "retraining", kept, why.reason),
            looked=looked and not problems,
        )
        if not kept:
            return judged
        if winner.manifest.thresholds is not None:
            manifest = manifest.model_copy(update={"thresholds": winner.manifest.thresholds})
            content = manifest.document.encode()
        return replace(judged, entry=entry, bundle=files, manifest=manifest, content=content, original=winner.manifest)

    def _in_int8(self, winner: Winner) -> Winner:
        """The winner; or that in int8, if it takes its place and can be served. The leaderboard says so."""
        entry = int8.in_its_place(self.store, winner.spec, winner.leaderboard.entries)
        if entry is None:
            return winner
        found, problems = self._examined(winner.spec, winner.leaderboard, entry)
        if problems:
            board = finish.with_verdict(winner.leaderboard, "int8", False, "; ".join(problems))
            return replace(winner, leaderboard=board)
        return replace(found, original=winner.manifest)

    def _beside_original(self, winner: Winner, files: BundlePaths, manifest: Manifest) -> Verdict:
        """Whether what was retrained takes the winner's place: always, or if it is not worse on the test rows."""
        if winner.spec.trainer.finish.retrain == "always":
            return Verdict("promoted", "trainer.finish.retrain is always")
        objective = winner.spec.experiment.objective
        name = at_test(objective.objective_metric_name)
        own = self.metrics(winner.spec, winner.manifest.config)
        values = []
        for of, its in ((files, manifest), (winner.bundle, winner.manifest)):
            tested = self.answer(of, its, "test")
            values.append(answers.test_scores(its, tested, own).get(name) if tested else None)
        value, before = values
        if value is None or before is None:
            return Verdict("not_comparable", f"the test rows give no {name} to compare it by")
        is_worse = objective.better(before, value)
        words = f"{name} {value:.6g}, {winner.entry.trial} {before:.6g}: {'worse' if is_worse else 'not worse'}"
        return Verdict("worse" if is_worse else "promoted", words)

    def _examined(self, spec: Spec, board: Leaderboard, entry: LeaderboardEntry) -> tuple[Winner, list[str]]:
        """A trial that can be promoted with its bundle, and what is wrong with that."""
        assert entry.key is not None  # it has a bundle
        files = self.store.trial(entry.key).bundle
        content = files.manifest.read_bytes()
        manifest = Manifest.parse(content, files.manifest)
        problems = self.verify(files, manifest)
        rule = spec.trainer.threshold
        if rule is not None and not problems:
            try:
                found = answers.chosen_thresholds(rule, manifest, self.answer(files, manifest, "validation"))
                manifest = manifest.model_copy(update={"thresholds": found})
            except thresholds.NoThreshold as error:
                problems = [f"trainer.threshold: {rule}: {error}"]
            content = manifest.document.encode()
        return Winner(spec, entry, files, manifest, content, board), problems


def some(known: Iterable[str]) -> str:
    """The first of these names, for a message."""
    every = list(known)
    return ", ".join(every[:MOST_NAMED]) + (", …" if len(every) > MOST_NAMED else "") or "none"
