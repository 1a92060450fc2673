"""What an operator may set, as the command line gives it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from atelier_store.layout import ModelPaths


@dataclass(frozen=True)
class Settings:
    """Sizes in bytes, times in seconds. metrics_port 0: metrics are on port. token_file None: everybody may ask."""

    paths: ModelPaths
    host: str
    port: int
    metrics_port: int
    workers: int
    max_body: int
    max_requests: int
    deadline: float
    cache: int
    poll_interval: float
    hang_after: float
    grace: int
    token_file: Path | None
    access_log: bool
