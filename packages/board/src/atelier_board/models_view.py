"""The models of a store as the page shows them: every version, what is served, and how that came about."""

from __future__ import annotations

from typing import Any

from atelier_store import pointer
from atelier_store.layout import ModelPaths, Store, VersionPaths
from atelier_store.records import Decision, Promotion, TornRecord

from atelier_board.damage import attempt, read

ALTERED = "its manifest is not as it was"


def whole(store: Store) -> list[dict[str, Any]]:
    """Every model by name: its versions and the moves of its pointer, the last ones first."""
    return [_model(paths) for paths in store.models()]


def _model(paths: ModelPaths) -> dict[str, Any]:
    problems: list[str] = []
    decision = read(Decision, paths.decision, problems, with_folder=True)
    versions = [paths.version(folder.name) for folder in paths.versions.glob("[!.]*")]
    promoted = [one for files in versions if (one := read(Promotion, files.promotion, problems, with_folder=True))]
    lines = attempt(lambda: pointer.lines(paths), (), problems)
    return {
        "name": paths.name,
        "served": attempt(lambda: _served(paths, problems), None, problems),
        "versions": [
            {
                **promotion.model_dump(mode="json", exclude={"schema_version"}),
                "signed": paths.signature(promotion.version).exists(),
                "problem": None if _is_whole(paths.version(promotion.version), problems) else ALTERED,
            }
            for promotion in sorted(promoted, key=lambda one: one.promoted_at, reverse=True)
        ],
        "moves": [line.model_dump(mode="json", exclude={"schema_version"}) for line in reversed(lines)],
        "decision": decision and decision.model_dump(mode="json", exclude={"schema_version"}),
        "problems": problems,
    }


def _served(paths: ModelPaths, problems: list[str]) -> str | None:
    try:
        found = pointer.served(paths)
    except TornRecord as error:
        problems.append(f"{paths.current.name}: {error.problem}")
        return None
    return found.name if found else None


def _is_whole(files: VersionPaths, problems: list[str]) -> bool:
    """Whether its manifest is the one that the version is named by; other files are hashed by an audit."""
    return attempt(lambda: pointer.read_version(files), None, problems) is not None
