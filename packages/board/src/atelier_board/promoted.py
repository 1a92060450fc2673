"""What a trial came to as a version: where it errs, which a promotion computes and keeps."""

from __future__ import annotations

from typing import Any

from atelier_store.layout import ModelPaths, Store
from atelier_store.records import Manifest, Promotion, Report

from atelier_board.damage import read


def of_trial(store: Store, key: str, problems: list[str]) -> dict[str, Any] | None:
    """The last version of the trial with this key, by model: its report of quality, and what the page needs to show it.

    None if it was not promoted. What cannot be read of that version is added to problems.
    """
    found = [(promotion, paths) for paths in store.models() for promotion in _of_key(paths, key)]
    for promotion, paths in sorted(found, key=lambda one: one[0].promoted_at, reverse=True):
        files = paths.version(promotion.version)
        manifest = read(Manifest, files.manifest, problems, with_folder=True)
        report = read(Report, files.report, problems, with_folder=True)
        if manifest is not None:
            shown = {"task", "labels", "metrics", "target_name", "target_names"}
            return {
                "model": paths.name,
                "version": promotion.version,
                "report": report.model_dump(mode="json", include={"quality", "folds"}) if report else {"quality": {}},
                "manifest": manifest.model_dump(mode="json", include=shown),
            }
    return None


def _of_key(paths: ModelPaths, key: str) -> list[Promotion]:
    """Versions of the trial; one that cannot be read may be anybody's, and is told of among the models."""
    folders = paths.versions.glob("[!.]*")
    every = (read(Promotion, paths.version(folder.name).promotion, []) for folder in folders)
    return [one for one in every if one is not None and one.key == key]
