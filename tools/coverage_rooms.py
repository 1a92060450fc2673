"""Print the coverage of each room, from coverage's JSON report: python tools/coverage_rooms.py REPORT."""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path, PurePath
from typing import Any


def room(path: str) -> str:
    """The package and the folder in it: `atelier_server.web` for the files of web and of the folders below."""
    parts = PurePath(path.partition("src/")[2]).parts
    return ".".join(parts[: min(len(parts) - 1, 2)])


def rooms(report: dict[str, Any]) -> dict[str, float]:
    """Percent of statements and branches that ran, by room and in all."""
    all_of, run_of = Counter[str](), Counter[str]()
    for path, file in report["files"].items():
        for name in (room(path), "all"):
            summary = file["summary"]
            all_of[name] += summary["num_statements"] + summary.get("num_branches", 0)
            run_of[name] += summary["covered_lines"] + summary.get("covered_branches", 0)
    return {name: 100 * run_of[name] / count for name, count in sorted(all_of.items()) if count}


if __name__ == "__main__":
    for name, percent in rooms(json.loads(Path(sys.argv[1]).read_text())).items():
        print(f"{percent:5.1f} %  {name}")
