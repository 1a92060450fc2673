"""Promotion: a trial becomes a version of a model, and the model's pointer moves to it, or not.

A policy decides over the best trial of a search; a person decides over any trial or version, and over what was served
before. Idempotent, and safe to kill at any write: a version appears whole by a rename, and `pointer` moves safely. A
lease keeps two promotions of one model apart. The winner is chosen under it, so the second of two promotions sees
everything that the first one saw.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from atelier_store import answers, comparison, history, names, pointer, sealed
from atelier_store.answers import Answer
from atelier_store.clock import now
from atelier_store.comparison import Verdict
from atelier_store.errors import InvalidInput
from atelier_store.layout import ModelPaths, Store
from atelier_store.lease import Holder, Lease
from atelier_store.pointer import Version
from atelier_store.records import (
    DEFAULT_POLICY,
    Comparison,
    Decision,
    Leaderboard,
    Manifest,
    Policy,
    Promotion,
    TornRecord,
    TrialConfig,
)
from atelier_store.scores import OwnMetrics
from atelier_store.spec import Spec
from atelier_store.versions import Signs, Versions
from atelier_store.winners import NothingToPromote, Verify, Winner, Winners, some


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
            winner = self._winners.best(spec)
            attempt = _promotion(winner, self.by)
            promotion = attempt if policy == "none" else self._versions.publish(winner, attempt)
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
            winner = self._winners.named(spec, trial)
            promotion = self._versions.publish(winner, _promotion(winner, self.by))
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

    @property
    def _winners(self) -> Winners:
        return Winners(self.paths.store, self.verify, self.answer, self.metrics)

    @property
    def _versions(self) -> Versions:
        return Versions(self.paths, self.answer, self.metrics, self.signer)

    @contextmanager
    def _alone(self) -> Iterator[Lease]:
        """The model's lease, after what a killed promotion left is put in order."""
        what = f"promotion of {self.paths.name}"
        with Lease.acquire(self.paths.lease, what, keep_waiting=lambda: True, on_wait=self.on_wait) as lease:
            pointer.recover(self.paths)
            yield lease

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
            known = some(sorted(path.name for path in self.paths.versions.glob("[!.]*")))
            raise InvalidInput([f"version: {self.paths.name} has no version {name!r}; it has: {known}"])
        version, promotion = pointer.read_version(files), Promotion.read_if_whole(files.promotion)
        if version is None or promotion is None:
            damaged = (files.manifest if version is None else files.promotion).name
            raise NothingToPromote([f"version {name}: its {damaged} is missing or damaged; promote its trial again"])
        if problems := self.verify(files, version.manifest):
            raise NothingToPromote([f"version {name}: {'; '.join(problems)}"])
        self._versions.sign_once(files)
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
