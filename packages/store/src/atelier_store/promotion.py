"""Promotion: the best trial of an experiment becomes a version, and the model's pointer moves to it.

Idempotent, and safe to kill at any write: a version appears whole by a rename, the pointer is replaced by a rename, and
what is still missing then (a line of history) is added by the next run. A lease keeps two promotions of one model
apart. The winner is chosen under it, so the second of two promotions sees everything that the first one saw.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from atelier_store import bundle, history, sealed
from atelier_store.clock import now
from atelier_store.files import fsync_folder, publish_folder, sha256_file, temporary_beside, write_bytes
from atelier_store.layout import BundlePaths, ModelPaths, Store, VersionPaths
from atelier_store.lease import Holder, Lease
from atelier_store.ranking import leaderboard, standings
from atelier_store.records import Current, Leaderboard, LeaderboardEntry, Manifest, Promotion, Report
from atelier_store.report import report
from atelier_store.spec import Spec

Verify = Callable[[BundlePaths, Manifest], list[str]]
"""Everything that is wrong with a bundle."""

Evaluate = Callable[[BundlePaths, Manifest], tuple[dict[str, float], int] | None]
"""Test metrics of a bundle and the number of test rows; None if there is no test set."""


class NothingToPromote(RuntimeError):
    """No trial can be promoted; reasons holds one reason for each trial."""

    def __init__(self, reasons: list[str]) -> None:
        super().__init__("; ".join(reasons))
        self.reasons = reasons


@dataclass(frozen=True)
class Winner:
    """The best trial whose bundle is verified; digest is the sha256 of the manifest that was verified."""

    entry: LeaderboardEntry
    bundle: BundlePaths
    manifest: Manifest
    digest: str
    leaderboard: Leaderboard


@dataclass(frozen=True)
class Promoted:
    """The result of a promotion. is_new is false if the pointer was on this version already."""

    promotion: Promotion
    manifest: Manifest
    leaderboard: Leaderboard
    is_new: bool


def promote(
    store: Store,
    experiment: str,
    model: str,
    *,
    verify: Verify,
    evaluate: Evaluate,
    promoted_by: str,
    on_wait: Callable[[Holder], object] = lambda _: None,
) -> Promoted:
    """Move the model's pointer to the best verified trial of the experiment; waits for another promotion of this model.

    Writes the experiment's leaderboard, even if it raises NothingToPromote. Raises that, LeaseLost, TornRecord if the
    pointer is damaged, OSError, or what evaluate raises; the pointer is then where it was.
    """
    spec, paths = _spec(store, experiment), store.model(model)
    with Lease.acquire(paths.lease, f"promotion of {model}", keep_waiting=lambda: True, on_wait=on_wait) as lease:
        winner = _winner(store, spec, verify)
        attempt = _promotion(spec, winner, promoted_by)
        summary = report(store, spec, winner.leaderboard, winner.manifest)
        promotion = _publish(paths.version(attempt.version), winner, attempt, summary, evaluate)
        before = Current.read_if_there(paths.current)
        after = Current(
            model=model, version=promotion.version, manifest_sha256=winner.digest, promoted_at=attempt.promoted_at
        )
        is_new = before is None or before.model_copy(update={"promoted_at": after.promoted_at}) != after
        lines = _history_with(paths, before, attempt)
        lease.check()
        with _replaced_after(paths.history, lines):
            if is_new:
                after.write(paths.current)
    return Promoted(promotion, winner.manifest, winner.leaderboard, is_new)


def _spec(store: Store, experiment: str) -> Spec:
    try:
        return Spec.read(store.experiment(experiment).spec)
    except FileNotFoundError:
        known = ", ".join(paths.folder.name for paths in store.experiments()) or "none"
        raise NothingToPromote([f"{store.root} has no experiment {experiment!r}; it has: {known}"]) from None
    except sealed.Altered as error:
        raise NothingToPromote([str(error)]) from error
    except ValueError as error:
        raise NothingToPromote([f"{store.experiment(experiment).spec}: cannot be read: {error}"]) from error


def _winner(store: Store, spec: Spec, verify: Verify) -> Winner:
    """The best trial whose bundle is verified; better ones are rejected on the leaderboard, with the reason."""
    candidates = standings(store, spec)
    rejected: dict[str, str] = {}
    while True:
        board = leaderboard(spec, candidates, rejected)
        best = board.entries[0] if board.entries else None
        if best is None or best.rank is None or best.key is None:
            board.write(store.experiment(spec.experiment_name).leaderboard)
            raise NothingToPromote(
                [f"{e.trial}: {e.reason or e.status}" for e in board.entries] or ["no trial has run"]
            )
        files = store.trial(best.key).bundle
        content = files.manifest.read_bytes()
        manifest = Manifest.parse(content, files.manifest)
        problems = verify(files, manifest)
        if not problems:
            board.write(store.experiment(spec.experiment_name).leaderboard)
            return Winner(best, files, manifest, hashlib.sha256(content).hexdigest(), board)
        rejected[best.key] = "; ".join(problems)


def _promotion(spec: Spec, winner: Winner, promoted_by: str) -> Promotion:
    """Why this winner is promoted now; the test metrics are not known yet."""
    objective = spec.experiment.objective.objective_metric_name
    return Promotion(
        version=winner.digest[:12],
        experiment=spec.experiment_name,
        trial=winner.entry.trial,
        key=winner.manifest.config.key,
        metric=winner.manifest.metrics[objective],
        objective_metric_name=objective,
        test_metrics=None,
        test_rows=0,
        promoted_at=now(),
        promoted_by=promoted_by,
    )


def _publish(
    version: VersionPaths, winner: Winner, attempt: Promotion, summary: Report, evaluate: Evaluate
) -> Promotion:
    """The promotion of the winner's version: of the one that is there, if it is whole, or of a new one."""
    stored = Promotion.read_if_whole(version.promotion)
    if stored is not None and _is_whole(version, stored, winner):
        return stored
    with publish_folder(version.folder) as folder:
        staged = VersionPaths(folder)
        for path in (*winner.bundle.contents, winner.bundle.manifest):
            write_bytes(folder / path.name, path.read_bytes())
        if changed := _changed(staged, winner):
            raise OSError(f"{winner.bundle.folder}: changed while it was copied: {'; '.join(changed)}")
        tested = evaluate(staged, winner.manifest)
        update = {"test_metrics": tested[0], "test_rows": tested[1]} if tested else {}
        promotion = attempt.model_copy(update=update)
        promotion.write(staged.promotion)
        summary.write(staged.report)
    return promotion


def _is_whole(version: VersionPaths, stored: Promotion, winner: Winner) -> bool:
    """Whether a version need not be made again. Versions from before there were reports have none, and stay so."""
    torn_report = version.report.exists() and Report.read_if_whole(version.report) is None
    return stored.version == version.version and not torn_report and not _changed(version, winner)


def _changed(files: BundlePaths, winner: Winner) -> list[str]:
    """What in a bundle is not what was verified."""
    if not files.manifest.exists() or sha256_file(files.manifest) != winner.digest:
        return [files.manifest.name]
    return bundle.problems(files, winner.manifest)


def _history_with(paths: ModelPaths, before: Current | None, attempt: Promotion) -> bytes:
    """The history and a line for this promotion, and before it the line of a promotion that was killed too early."""
    content = paths.history.read_bytes() if paths.history.exists() else b""
    unrecorded = Promotion.read_if_whole(paths.version(before.version).promotion) if before else None
    for promotion in (unrecorded, attempt):
        if promotion is not None:
            content = history.with_line(content, promotion)
    return content


@contextmanager
def _replaced_after(path: Path, content: bytes) -> Iterator[None]:
    """Replace path by content after the block. It is written before: a full disk is noticed while nothing is done."""
    if path.exists() and path.read_bytes() == content:
        yield
        return
    staged = temporary_beside(path)
    try:
        write_bytes(staged, content)
        yield
        staged.replace(path)
    except BaseException:
        staged.unlink(missing_ok=True)
        raise
    fsync_folder(path.parent)
