"""Files that daemons are configured by."""

from __future__ import annotations

from pathlib import Path


def write(file: Path, text: str) -> None:
    """Only if the text differs: kube-proxy ends when its file is written, even with the same text."""
    if not file.exists() or file.read_text() != text:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
