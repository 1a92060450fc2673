"""Promotion: a trial becomes a version of a model, and the model's pointer moves to it, or not.

A policy decides over the best trial of a search; a person decides over any trial or version, and over what was served
before. Idempotent, and safe to kill at any write: a version appears whole by a rename, and `pointer` moves safely. A
lease keeps two promotions of one model apart. The winner is chosen under it, so the second of two promotions sees
everything that the first one saw.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Protocol, get_args

from atelier_store import (
    answers,
    bundle,
    comparison,
    finish,
    history,
    int8,
    names,
    pointer,
    provenance,
    sealed,
    thresholds,
)
from atelier_store.answers import Answer
from atelier_store.clock import now
from atelier_store.comparison import Verdict
from atelier_store.errors import InvalidInput
from atelier_store.files import publish_folder, sha256_file, write_bytes
from atelier_store.layout import BundlePaths, ModelPaths, Store, VersionPaths
from atelier_store.lease import Holder, Lease
from atelier_store.pointer import Version
from atelier_store.ranking import leaderboard, rank, trial_records, verified
from atelier_store.records import (
    DEFAULT_POLICY,
    Comparison,
    Decision,
    Leaderboard,
    LeaderboardEntry,
    Manifest,
    Part,
    Policy,
    Promotion,
    Quality,
    Report,
    TornRecord,
    TrialConfig,
)
from atelier_store.report import report
from atelier_store.scores import OwnMetrics
from atelier_store.spec import Spec

Verify = Callable[[BundlePaths, Manifest], list[str]]
"""Everything that is wrong with a bundle."""


MOST_NAMED = 20
"""Trials or versions named in a message about one that does not exist."""


class Signs(Protocol):
    """Signs versions with somebody's key: `signing.models.Signer`."""

    def sign(self, files: VersionPaths, version: str) -> None:
        """Sign the files in a folder, which are or will be this version."""

    def has_signed(self, files: VersionPaths) -> bool:
        """Whether the version is signed, as it is."""


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
class Promoted:
    """What a promotion came to.

    is_new: the pointer has moved. served is the version that it is on now, None if it is on none. leaderboard and
    decision are None where a person decided.
    """

    promotion: Promotion
    manifest: Manifest
    is_new: bool
    served: str | None
    leaderboard: Leaderboard | None = None
    decision: Decision | None = None

    @property
    def is_served(self) -> bool:
        """Whether the version is the one that is served now."""
        return self.served == self.promotion.version


@dataclass(frozen=True)
class Promoter:
    """Promotes for one model; by says who does. on_wait is called with the promotion that this one waits for.

    metrics gives the metrics of the user's own for the test rows, of a search and the configuration of a trial of it.
    With a signer every version is signed before it is there, and one that was there is before the pointer moves to it.

    Its methods raise NothingToPromote, InvalidInput, LeaseLost, OSError, or what answer raises; the pointer is then
    where it was. best raises TornRecord if the pointer is damaged; what a person chooses mends it.
    """

    paths: ModelPaths
    verify: Verify
    answer: Answer
    by: str
    on_wait: Callable[[Holder], object] = lambda _: None
    metrics: Callable[[Spec, TrialConfig], OwnMetrics] = lambda *_: {}
    signer: Signs | None = None

    def best(self, experiment: str, policy: Policy = DEFAULT_POLICY, held: str | None = None) -> Promoted:
        """Let the policy decide over the best verified trial of the experiment.

        held is a version that a person wants to be served: the winner only waits. What was decided once stays decided:
        the same winner of the same search changes nothing, whatever a person has done since. Writes the experiment's
        leaderboard, even if it raises NothingToPromote.
        """
        spec = _spec(self.paths.store, experiment)
        with self._alone() as lease:
            winner = self._winner(spec)
            attempt = _promotion(winner, self.by)
            promotion = attempt if policy == "none" else self._published(winner, attempt)
            tested = {"test_metrics": promotion.test_metrics, "test_rows": promotion.test_rows}
            attempt = attempt.model_copy(update=tested)  # another search may have made the version
            served, last = pointer.served(self.paths), Decision.read_if_whole(self.paths.decision)
            is_new = False
            if served is not None and last is not None and _is_of(last, attempt, policy):
                decision = last
            else:
                decision = self._decision(winner, attempt, policy, held, served)
                if decision.outcome == "promoted":
                    is_new = self._follow(decision, attempt, winner.digest, lease)
                decision.write(self.paths.decision)
            after = pointer.served(self.paths)
        return Promoted(promotion, winner.manifest, is_new, after.name if after else None, winner.leaderboard, decision)

    def trial(self, experiment: str, trial: str, why: str = "") -> Promoted:
        """Serve a trial of the experiment, by its name or key, as a person has chosen."""
        spec = _spec(self.paths.store, experiment)
        with self._alone() as lease:
            winner = self._chosen(spec, trial)
            promotion = self._published(winner, _promotion(winner, self.by))
            return self._serve(promotion, winner.manifest, winner.digest, _because(f"trial {trial}", why), lease)

    def version(self, version: str, why: str = "") -> Promoted:
        """Serve a version that there is, as a person has chosen."""
        names.VERSION.checked(version)
        with self._alone() as lease:
            return self._serve_version(version, _because(f"version {version}", why), lease)

    def previous(self, why: str = "") -> Promoted:
        """Serve the version that was served before the current one, as a person has chosen."""
        with self._alone() as lease:
            lines = pointer.lines(self.paths)
            if not lines or lines[-1].previous is None:
                raise NothingToPromote([f"{self.paths.name} has served no version before"])
            return self._serve_version(lines[-1].previous, _because("the version before", why), lease)

    @contextmanager
    def _alone(self) -> Iterator[Lease]:
        """The model's lease, after what a killed promotion left is put in order."""
        what = f"promotion of {self.paths.name}"
        with Lease.acquire(self.paths.lease, what, keep_waiting=lambda: True, on_wait=self.on_wait) as lease:
            pointer.recover(self.paths)
            yield lease

    # which trial

    def _winner(self, spec: Spec) -> Winner:
        """The best trial whose bundle is verified; better ones are rejected on the leaderboard, with the reason."""
        store = self.paths.store
        candidates = verified(store, spec)
        rejected: dict[str, str] = {}
        while True:
            board = leaderboard(store, spec, candidates, rejected)
            best = board.entries[0] if board.entries else None
            if best is None or best.rank is None or best.key is None:
                board.write(store.experiment(spec.experiment_name).leaderboard)
                raise NothingToPromote(
                    [f"{e.trial}: {e.reason or e.status}" for e in board.entries] or ["no trial has run"]
                )
            winner, problems = self._examined(spec, board, best)
            if not problems:
                winner = self._in_int8(self._retrained(winner))
                winner.leaderboard.write(store.experiment(spec.experiment_name).leaderboard)
                return winner
            rejected[best.key] = "; ".join(problems)

    def _retrained(self, winner: Winner) -> Winner:
        """The winner; or what it was retrained to, if the spec's rule puts that in its place. The leaderboard says so.

        Its thresholds are the winner's: it has learnt from the rows that they are chosen on.
        """
        entry = finish.retrained(self.paths.store, winner.spec, winner.leaderboard.entries)
        if entry is None or entry.key is None:
            return winner
        files = self.paths.store.trial(entry.key).bundle
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
        entry = int8.in_its_place(self.paths.store, winner.spec, winner.leaderboard.entries)
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
        name = f"test_{objective.objective_metric_name.removeprefix('val_')}"
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

    def _chosen(self, spec: Spec, trial: str) -> Winner:
        """The trial of this name or key, if it can be promoted."""
        store = self.paths.store
        records = trial_records(store.experiment(spec.experiment_name))
        record = next((record for record in records if trial in (record.trial, record.key)), None)
        if record is None:
            known = _some(record.trial for record in records)
            raise InvalidInput([f"trial: {spec.experiment_name} has no trial {trial!r}; it has: {known}"])
        board = rank(store, spec)
        entry = next(e for e in board.entries if e.trial == record.trial or (e.key and e.key == record.key))
        if entry.rank is None:
            raise NothingToPromote([f"{trial}: {entry.reason or entry.status}"])
        winner, problems = self._examined(spec, board, entry)
        if problems:
            raise NothingToPromote([f"{trial}: {'; '.join(problems)}"])
        return winner

    def _examined(self, spec: Spec, board: Leaderboard, entry: LeaderboardEntry) -> tuple[Winner, list[str]]:
        """A trial that can be promoted with its bundle, and what is wrong with that."""
        assert entry.key is not None  # it has a bundle
        files = self.paths.store.trial(entry.key).bundle
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

    # what becomes of it

    def _decision(
        self, winner: Winner, promotion: Promotion, policy: Policy, held: str | None, served: Version | None
    ) -> Decision:
        last = Decision.read_if_whole(self.paths.decision)
        verdict = self._verdict(winner, promotion, policy, held, served)
        looks = max([line.test_looks for line in pointer.lines(self.paths)] + [last.test_looks if last else 0])
        by_test_rows = verdict.comparison is not None and verdict.comparison.rows == "test"
        return Decision(
            model=self.paths.name,
            experiment=promotion.experiment,
            trial=promotion.trial,
            key=promotion.key,
            version=promotion.version,
            policy=policy,
            outcome=verdict.outcome,
            reason=verdict.reason,
            served=served.name if served else None,
            comparison=verdict.comparison,
            test_looks=looks + (by_test_rows or winner.looked),
            decided_at=now(),
            decided_by=self.by,
        )

    def _verdict(
        self, winner: Winner, promotion: Promotion, policy: Policy, held: str | None, served: Version | None
    ) -> Verdict:
        if served is not None and served.name == promotion.version:
            return Verdict("promoted", "it is served already")
        objective = winner.spec.experiment.objective
        if policy == "neverWorse" and held is None and served is not None:
            return comparison.judge(
                self.paths.store,
                objective,
                winner.manifest,
                promotion,
                served.manifest,
                lambda: self._tested(served, self.metrics(winner.spec, winner.manifest.config)),
            )
        metric = objective.objective_metric_name
        beside = comparison.beside(winner.manifest, served.manifest, metric) if served else None
        if policy == "none":
            return Verdict("none", "promotion.policy is none", beside)
        if held is not None:
            return Verdict("waiting", f"version {held} is held", beside)
        if policy == "candidate":
            return Verdict("waiting", "promotion.policy is candidate", beside)
        return Verdict("promoted", "no version is served" if served is None else "promotion.policy is always", beside)

    def _tested(self, served: Version, own: OwnMetrics) -> dict[str, float] | None:
        """The served version's scores on the test set; None if it is damaged, or there is no test set."""
        if self.verify(served.files, served.manifest):
            return None
        tested = self.answer(served.files, served.manifest, "test")
        return answers.test_scores(served.manifest, tested, own) if tested else None

    def _published(self, winner: Winner, attempt: Promotion) -> Promotion:
        """The promotion of the winner's version: of the one that is there, if it is whole, or of a new one."""
        version = self.paths.version(attempt.version)
        stored = Promotion.read_if_whole(version.promotion)
        if stored is not None and _is_whole(version, stored, winner):
            self._sign_once(version)
            return stored
        origin = winner.original or winner.manifest
        summary = report(self.paths.store, winner.spec, winner.leaderboard, winner.manifest, origin)
        with publish_folder(version.folder) as folder:
            staged = VersionPaths(folder)
            for path in winner.bundle.contents:
                write_bytes(folder / path.name, path.read_bytes())
            write_bytes(staged.manifest, winner.content)
            if changed := _changed(staged, winner):
                raise OSError(f"{winner.bundle.folder}: changed while it was copied: {'; '.join(changed)}")
            found, quality = self._judged(staged, winner)
            promotion = attempt.model_copy(update=found)
            promotion.write(staged.promotion)
            summary.model_copy(update={"quality": quality}).write(staged.report)
            provenance.make(self.paths.store, staged).write(staged.provenance)
            if self.signer is not None:
                self.signer.sign(staged, version.version)
        return promotion

    def _judged(self, files: BundlePaths, winner: Winner) -> tuple[dict[str, Any], dict[Part, Quality]]:
        """What the promotion says of the test rows, and where the bundle errs, by part."""
        manifest, own = winner.manifest, self.metrics(winner.spec, winner.manifest.config)
        answered = {part: self.answer(files, manifest, part) for part in get_args(Part)}
        judged = {part: answers.mistakes(manifest, found) for part, found in answered.items() if found is not None}
        tested = answered["test"]
        of_the_test = answers.of_the_test(manifest, tested, own) if tested is not None else {}
        return of_the_test, {part: one for part, one in judged.items() if one is not None}

    def _sign_once(self, version: VersionPaths) -> None:
        """Sign a version from before there was a key, or that was signed with another."""
        if self.signer is not None and not self.signer.has_signed(version):
            self.signer.sign(version, version.version)

    # where the pointer goes

    def _follow(self, decision: Decision, promotion: Promotion, digest: str, lease: Lease) -> bool:
        """Move the pointer as the policy has decided; whether it was elsewhere."""
        line = history.line_of(promotion)
        update = {
            "reason": f"{line.reason}; {_with_scores(decision.reason, decision.comparison)}",
            "promoted_at": decision.decided_at,
            "promoted_by": self.by,
            "policy": decision.policy,
            "comparison": decision.comparison,
            "test_looks": decision.test_looks,
        }
        return pointer.move(self.paths, line.model_copy(update=update), digest, lease)

    def _remember(self, served: Version) -> None:
        """Keep that a policy has decided for what is served, in a store of an older release, which has no decision."""
        promotion = Promotion.read_if_whole(served.files.promotion)
        if promotion is not None:
            Decision(
                model=self.paths.name,
                experiment=promotion.experiment,
                trial=promotion.trial,
                key=promotion.key,
                version=promotion.version,
                policy=DEFAULT_POLICY,
                outcome="promoted",
                reason="it was promoted before decisions were kept",
                served=None,
                comparison=None,
                test_looks=0,
                decided_at=promotion.promoted_at,
                decided_by=promotion.promoted_by,
            ).write(self.paths.decision)

    def _serve_version(self, name: str, reason: str, lease: Lease) -> Promoted:
        files = self.paths.version(name)
        if not files.folder.is_dir():
            known = _some(sorted(path.name for path in self.paths.versions.glob("[!.]*")))
            raise InvalidInput([f"version: {self.paths.name} has no version {name!r}; it has: {known}"])
        version, promotion = pointer.read_version(files), Promotion.read_if_whole(files.promotion)
        if version is None or promotion is None:
            damaged = (files.manifest if version is None else files.promotion).name
            raise NothingToPromote([f"version {name}: its {damaged} is missing or damaged; promote its trial again"])
        if problems := self.verify(files, version.manifest):
            raise NothingToPromote([f"version {name}: {'; '.join(problems)}"])
        self._sign_once(files)
        return self._serve(promotion, version.manifest, version.digest, reason, lease)

    def _serve(self, promotion: Promotion, manifest: Manifest, digest: str, reason: str, lease: Lease) -> Promoted:
        """Move the pointer as a person has chosen, whatever the scores; the line of history has them."""
        try:
            before = pointer.served(self.paths)
        except TornRecord:
            before = None  # what a person has chosen mends it
        metric = promotion.objective_metric_name
        if before is not None and not self.paths.decision.exists():
            self._remember(before)
        scores = comparison.beside(manifest, before.manifest, metric) if before and metric in manifest.metrics else None
        update = {
            "reason": _with_scores(reason, scores),
            "promoted_at": now(),
            "promoted_by": self.by,
            "comparison": scores,
        }
        line = history.line_of(promotion).model_copy(update=update)
        is_new = pointer.move(self.paths, line, digest, lease)
        return Promoted(promotion, manifest, is_new, promotion.version)


def _spec(store: Store, experiment: str) -> Spec:
    paths = store.experiment(experiment)
    try:
        return Spec.read(paths.spec)
    except FileNotFoundError:
        known = ", ".join(other.folder.name for other in store.experiments()) or "none"
        raise NothingToPromote([f"{store.root} has no experiment {experiment!r}; it has: {known}"]) from None
    except sealed.Altered as error:
        raise NothingToPromote([str(error)]) from error
    except ValueError as error:
        raise NothingToPromote([f"{paths.spec}: cannot be read: {error}"]) from error


def _promotion(winner: Winner, promoted_by: str) -> Promotion:
    """Why this winner is promoted now; the test metrics are not known yet."""
    objective = winner.spec.experiment.objective.objective_metric_name
    return Promotion(
        version=winner.digest[:12],
        experiment=winner.spec.experiment_name,
        trial=winner.entry.trial,
        key=winner.manifest.config.key,
        metric=winner.manifest.metrics.get(objective),
        objective_metric_name=objective,
        test_metrics=None,
        test_rows=0,
        promoted_at=now(),
        promoted_by=promoted_by,
    )


def _is_of(decision: Decision, promotion: Promotion, policy: Policy) -> bool:
    """Whether this decision was about the same winner of the same search, by the same policy."""
    decided = decision.experiment, decision.version, decision.policy
    return decided == (promotion.experiment, promotion.version, policy)


def _because(chosen: str, why: str) -> str:
    return f"{chosen} was chosen" + (f": {why}" if why else "")


def _with_scores(reason: str, scores: Comparison | None) -> str:
    """The reason and both scores, unless it has them already."""
    words = comparison.in_words(scores) if scores else ""
    return reason if words in reason else f"{reason}; {words}"


def _some(known: Iterator[str] | list[str]) -> str:
    every = list(known)
    return ", ".join(every[:MOST_NAMED]) + (", …" if len(every) > MOST_NAMED else "") or "none"


def _is_whole(version: VersionPaths, stored: Promotion, winner: Winner) -> bool:
    """Whether a version need not be made again; an older one has no report or no statement, and stays so."""
    others = ((Report, version.report), (provenance.Statement, version.provenance))
    is_torn = any(path.exists() and record.read_if_whole(path) is None for record, path in others)
    return stored.version == version.version and not is_torn and not _changed(version, winner)


def _changed(files: BundlePaths, winner: Winner) -> list[str]:
    """What in a bundle is not what was verified."""
    if not files.manifest.exists() or sha256_file(files.manifest) != winner.digest:
        return [files.manifest.name]
    return bundle.problems(files, winner.manifest)
