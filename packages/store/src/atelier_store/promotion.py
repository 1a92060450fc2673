"""Promotion: the best trial of an experiment becomes a version, and the model's pointer is put on it.

Idempotent, and safe to kill at any write: a version appears whole by a rename, the pointer is replaced by a rename, and whatever is missing
after that (a line of history) is added by the next run. A lease keeps two promotions of one model apart; the winner is chosen under it, so
of two at once the later has seen all that the earlier saw.
"""

from __future__ import annotations

import contextlib
import hashlib
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from atelier_store import bundle
from atelier_store.clock import now
from atelier_store.files import fsync_folder, sha256_file, temporary_beside, write_bytes
from atelier_store.layout import ModelPaths, Store
from atelier_store.lease import Holder, Lease
from atelier_store.ranking import rank
from atelier_store.records import Current, HistoryLine, Leaderboard, LeaderboardEntry, Manifest, Promotion, Report
from atelier_store.report import report
from atelier_store.spec import Spec

Verify = Callable[[Path, Manifest], list[str]]
"""Everything that is wrong with the bundle in a folder."""

Evaluate = Callable[[Path, Manifest], tuple[dict[str, float], int] | None]
"""Test metrics of the bundle in a folder and the number of test rows; None if there is no test set."""


class NothingToPromote(RuntimeError):
    """No trial can be promoted; reasons says why, trial by trial."""

    def __init__(self, reasons: list[str]) -> None:
        super().__init__("; ".join(reasons))
        self.reasons = reasons


@dataclass(frozen=True)
class Winner:
    """The best trial whose bundle is verified; digest is the sha256 of the very manifest that was."""

    entry: LeaderboardEntry
    manifest: Manifest
    digest: str
    leaderboard: Leaderboard


@dataclass(frozen=True)
class Promoted:
    """What a promotion came to. is_new is false if the pointer was on this version already."""

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
    """Put the model's pointer on the best verified trial of the experiment; waits while another promotion of this model is at work.

    Writes the experiment's leaderboard, also if there is NothingToPromote. That, LeaseLost, OSError as the file system says it, or what
    evaluate raises: the pointer is then as it was.
    """
    spec, paths = _spec(store, experiment), store.model(model)
    with Lease.acquire(paths.lease, f"promotion of {model}", keep_waiting=lambda: True, on_wait=on_wait) as lease:
        winner = _winner(store, spec, verify)
        now_promoted = _promotion(spec, winner, promoted_by)
        told = report(store, spec, winner.leaderboard, winner.manifest)
        promotion = _publish(paths, store.trial(now_promoted.key).bundle, winner, now_promoted, told, evaluate)
        before = Current.read_if_whole(paths.current)
        after = Current(
            model=model, version=promotion.version, manifest_sha256=winner.digest, promoted_at=now_promoted.promoted_at
        )
        is_new = before is None or before.model_copy(update={"promoted_at": after.promoted_at}) != after
        lines = _history_with(paths, before, now_promoted)
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
    except ValueError as error:
        raise NothingToPromote([f"{store.experiment(experiment).spec}: cannot be read: {error}"]) from error


def _winner(store: Store, spec: Spec, verify: Verify) -> Winner:
    """The best entry whose bundle is verified; what is better and does not verify is rejected with its reason."""
    rejected: dict[str, str] = {}
    while True:
        leaderboard = rank(store, spec, rejected)
        best = leaderboard.entries[0] if leaderboard.entries else None
        if best is None or best.rank is None or best.key is None:
            leaderboard.write(store.experiment(spec.experiment_name).leaderboard)
            raise NothingToPromote(
                [f"{e.trial}: {e.reason or e.status}" for e in leaderboard.entries] or ["no trial has run"]
            )
        folder = store.trial(best.key).bundle
        written = (folder / "manifest.json").read_bytes()
        manifest = Manifest.model_validate_json(written)
        problems = verify(folder, manifest)
        if not problems:
            leaderboard.write(store.experiment(spec.experiment_name).leaderboard)
            return Winner(best, manifest, hashlib.sha256(written).hexdigest(), leaderboard)
        rejected[best.key] = "; ".join(problems)


def _promotion(spec: Spec, winner: Winner, promoted_by: str) -> Promotion:
    """Why this winner is promoted now; not tested yet."""
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
    paths: ModelPaths, source: Path, winner: Winner, now_promoted: Promotion, told: Report, evaluate: Evaluate
) -> Promotion:
    """The winner's version: as it stands there already, or copied, checked again, tested, and put in place whole."""
    folder = paths.versions / now_promoted.version
    there = Promotion.read_if_whole(folder / "promotion.json")
    if (
        there is not None
        and there.version == folder.name
        and not _changed(folder, winner)
        and not _is_torn(folder / "report.json")
    ):
        return there
    staged, damaged = temporary_beside(folder), temporary_beside(folder)
    try:
        for name in (*bundle.FILES, "manifest.json"):
            write_bytes(staged / name, (source / name).read_bytes())
        if changed := _changed(staged, winner):
            raise OSError(f"{source}: changed while it was copied: {'; '.join(changed)}")
        tested = evaluate(staged, winner.manifest)
        promotion = now_promoted.model_copy(
            update={"test_metrics": tested[0], "test_rows": tested[1]} if tested else {}
        )
        promotion.write(staged / "promotion.json")
        told.write(staged / "report.json")
        if folder.exists():  # not whole, or we would not be here
            folder.rename(damaged)
        staged.rename(folder)
        fsync_folder(paths.versions)
    except BaseException:
        shutil.rmtree(staged, ignore_errors=True)
        raise
    shutil.rmtree(damaged, ignore_errors=True)
    return promotion


def _changed(folder: Path, winner: Winner) -> list[str]:
    """What in a folder is not the bundle that was verified."""
    if not (folder / "manifest.json").exists() or sha256_file(folder / "manifest.json") != winner.digest:
        return ["manifest.json"]
    return bundle.problems(folder, winner.manifest)


def _is_torn(report: Path) -> bool:
    """Versions of before reports were kept have none, and stay as they are."""
    return report.exists() and Report.read_if_whole(report) is None


def history(paths: ModelPaths) -> list[HistoryLine]:
    """Every change of the pointer, oldest first; a line that is not whole is left out."""
    return _whole_lines(paths.history.read_bytes()) if paths.history.exists() else []


def _whole_lines(text: bytes) -> list[HistoryLine]:
    lines = []
    for line in text.splitlines():
        with contextlib.suppress(ValidationError):
            lines.append(HistoryLine.model_validate_json(line))
    return lines


def _history_with(paths: ModelPaths, before: Current | None, now_promoted: Promotion) -> bytes:
    """The history with a line for this promotion, and with the one that a promotion killed right after it moved the pointer left out.

    What is there stays as it is, torn lines too: they are for audit to name.
    """
    text = paths.history.read_bytes() if paths.history.exists() else b""
    unsaid = Promotion.read_if_whole(paths.versions / before.version / "promotion.json") if before else None
    for promotion in (unsaid, now_promoted):
        lines = _whole_lines(text)
        previous = lines[-1].version if lines else None
        if promotion is not None and promotion.version != previous:
            text += b"\n" if text and not text.endswith(b"\n") else b""
            text += _line(promotion, previous).model_dump_json().encode() + b"\n"
    return text


def _line(promotion: Promotion, previous: str | None) -> HistoryLine:
    return HistoryLine(
        version=promotion.version,
        previous=previous,
        experiment=promotion.experiment,
        trial=promotion.trial,
        key=promotion.key,
        reason=f"best {promotion.objective_metric_name} of {promotion.experiment}: {promotion.metric:.6g}",
        promoted_at=promotion.promoted_at,
        promoted_by=promotion.promoted_by,
    )


@contextmanager
def _replaced_after(path: Path, text: bytes) -> Iterator[None]:
    """Put text at path after the block. It is on the disk before, so that a full disk is noticed while nothing is done."""
    if path.exists() and path.read_bytes() == text:
        yield
        return
    staged = temporary_beside(path)
    try:
        write_bytes(staged, text)
        yield
        staged.replace(path)
    except BaseException:
        staged.unlink(missing_ok=True)
        raise
    fsync_folder(path.parent)
