"""A winner becomes a version: a folder that is there whole, with what it answers to the test rows, and signed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, get_args

from atelier_store import answers, bundle, provenance
from atelier_store.answers import Answer
from atelier_store.files import publish_folder, sha256_file, write_bytes
from atelier_store.layout import BundlePaths, ModelPaths, VersionPaths
from atelier_store.records import Part, Promotion, Quality, Report, TrialConfig
from atelier_store.report import report
from atelier_store.scores import OwnMetrics
from atelier_store.spec import Spec
from atelier_store.winners import Winner


class Signs(Protocol):
    """Signs versions with somebody's key: `signing.models.Signer`."""

    def sign(self, files: VersionPaths, version: str) -> None:
        """Sign the files in a folder, which are or will be this version."""

    def has_signed(self, files: VersionPaths) -> bool:
        """Whether the version is signed, as it is."""


@dataclass(frozen=True)
class Versions:
    """The versions of a model. With a signer each is signed before it is there."""

    paths: ModelPaths
    answer: Answer
    metrics: Callable[[Spec, TrialConfig], OwnMetrics]
    signer: Signs | None

    def publish(self, winner: Winner, attempt: Promotion) -> Promotion:
        """The promotion of the winner's version: of the one that is there, if it is whole, or of a new one."""
        version = self.paths.version(attempt.version)
        stored = Promotion.read_if_whole(version.promotion)
        if stored is not None and _is_whole(version, stored, winner):
            self.sign_once(version)
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

    def sign_once(self, version: VersionPaths) -> None:
        """Sign a version from before there was a key, or that was signed with another."""
        if self.signer is not None and not self.signer.has_signed(version):
            self.signer.sign(version, version.version)

    def _judged(self, files: BundlePaths, winner: Winner) -> tuple[dict[str, Any], dict[Part, Quality]]:
        """What the promotion says of the test rows, and where the bundle errs, by part."""
        manifest, own = winner.manifest, self.metrics(winner.spec, winner.manifest.config)
        answered = {part: self.answer(files, manifest, part) for part in get_args(Part)}
        judged = {part: answers.mistakes(manifest, found) for part, found in answered.items() if found is not None}
        tested = answered["test"]
        of_the_test = answers.of_the_test(manifest, tested, own) if tested is not None else {}
        return of_the_test, {part: one for part, one in judged.items() if one is not None}


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
