"""The pages of the documentation, read for what they list and show."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

from tests.support import ROOT

PAGES = sorted(
    page for page in ROOT.rglob("*.md") if not any(part.startswith(".") for part in page.relative_to(ROOT).parts)
)
DOCS = ROOT / "docs"
PROFILES, DATA, NETWORKS, SEARCHING = (DOCS / f"{name}.md" for name in ("profiles", "data", "networks", "searching"))
STORE, SERVING = (DOCS / f"{name}.md" for name in ("store", "serving"))
BENCHMARKS = ROOT / "benchmarks" / "README.md"


def first(pattern: str, text: str) -> str:
    """The first group of a pattern in a text that must have it, `^` and `$` at any line."""
    found = re.search(pattern, text, re.MULTILINE)
    assert found, f"no {pattern}"
    return str(found[1])


def fenced(page: Path, language: str) -> list[str]:
    """The code blocks of this language."""
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)


def named(language: str) -> dict[str, str]:
    """Code blocks of data and networks whose first line is a comment with the name of their file, by that name."""
    return {first(r"\A# (\S+)\n", block): block for page in (DATA, NETWORKS) for block in fenced(page, language)}


def anchors(page: Path) -> set[str]:
    """What a link to a heading of this page may say after `#`, as GitHub makes it of the heading's words."""
    text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def table(page: Path, *header: str) -> list[list[str]]:
    """The rows of the table with this header, without back ticks."""
    lines = iter(page.read_text().splitlines())
    wanted = [*header]
    for line in lines:
        if cells(line) == wanted:
            next(lines)
            rows = [cells(row) for row in iter(lambda: next(lines, ""), "")]
            assert rows and all(len(row) == len(wanted) for row in rows)
            return rows
    raise AssertionError(f"{page.name} has no table with the columns {wanted}")


def cells(line: str) -> list[str]:
    return [cell.strip().replace("`", "") for cell in line.strip("|").split("|")] if line.startswith("|") else []


def shown_commands() -> list[str]:
    """Every line in an indented block that runs a command of this project, each once."""
    lines = [line.strip() for page in PAGES for line in page.read_text().splitlines() if line.startswith("    ")]
    ours = re.compile(r"([A-Z]+=\S+ )*(uv run (?!python -m benchmarks|--locked)|make |atelier )")
    return list(dict.fromkeys(line for line in lines if ours.match(line)))


def words_of(line: str) -> list[str]:
    """The arguments of a command line, from the program on."""
    return [word for word in shlex.split(line, comments=True) if not re.match(r"[A-Z]+=", word)]
