"""The settings of a server; each is also an option of `serve`."""

from __future__ import annotations

from argparse import ArgumentParser, ArgumentTypeError, Namespace
from dataclasses import MISSING, Field, dataclass, field, fields
from pathlib import Path
from typing import Any

from atelier_store import machine
from atelier_store.layout import ModelPaths

from atelier_server.arguments import number, seconds
from atelier_server.web import prefix

MEBIBYTE = 2**20


def _root_path(text: str) -> str:
    parsed = prefix.parse(text)
    if parsed is None:
        raise ArgumentTypeError(
            f"{text!r}: must be a path such as /digits: letters, digits, '.', '_', '~', '-' and '/'"
        )
    return parsed


def _url(text: str) -> str:
    if text and not text.startswith(("https://", "http://")):
        raise ArgumentTypeError(f"{text!r}: must begin with https:// or http://")
    return text


def _option(help: str, *, default: Any = MISSING, default_factory: Any = MISSING, **argument: Any) -> Any:
    """A field that is an option as well; its metadata are what ArgumentParser.add_argument() takes."""
    return field(default=default, default_factory=default_factory, metadata={"help": help, **argument})


@dataclass(frozen=True)
class Settings:
    """Without metrics_port (0) the metrics are on port; without token_file every client is served."""

    paths: ModelPaths
    host: str = _option("address to listen on (default: %(default)s, this machine only)", default="127.0.0.1")
    port: int = _option("0 takes a free one (default: %(default)s)", type=number(0, 65535), default=8000)
    metrics_port: int = _option(
        "for /metrics alone; 0: the same (default: %(default)s)", type=number(0, 65535), default=0
    )
    root_path: str = _option(
        "path below which a proxy shows the server, such as /digits; requests are answered with and without it",
        type=_root_path,
        default="",
    )
    workers: int = _option("processes (default: the cores)", type=number(1, 256), default_factory=machine.cores)
    max_body_mib: int = _option("largest request (default: %(default)s)", type=number(1, 1024), default=16)
    poll_interval: float = _option(
        "seconds between looks at the pointer (default: %(default)s)", type=seconds, default=1.0
    )
    deadline: float = _option("seconds a request may take (default: %(default)s)", type=seconds, default=30.0)
    max_requests: int = _option("under way in a worker (default: %(default)s)", type=number(1, 100_000), default=256)
    cache_mib: int = _option(
        "for other models, per worker (default: %(default)s)", type=number(0, 1_000_000), default=256
    )
    hang_after: float = _option("seconds until a worker has hung (default: %(default)s)", type=seconds, default=10.0)
    grace: int = _option("seconds to finish in (default: %(default)s)", type=number(0, 3600), default=25)
    # _option() gives a field: no value is shared between instances
    token_file: Path | None = _option("ask for the bearer token in this file", type=Path, default=None)  # noqa: RUF009
    signed_by: Path | None = _option(  # noqa: RUF009
        "serve only what a public key in this file, or folder of files, has signed (PEM)", type=Path, default=None
    )
    board_url: str = _option("where the board of all searches is: the page links there", type=_url, default="")
    access_log: bool = _option("log every request as JSON on standard output", action="store_true", default=False)

    @property
    def max_body(self) -> int:
        """In bytes."""
        return self.max_body_mib * MEBIBYTE

    @property
    def cache(self) -> int:
        """In bytes."""
        return self.cache_mib * MEBIBYTE

    @classmethod
    def add_options(cls, parser: ArgumentParser) -> None:
        """Add an option for every setting but the paths."""
        for setting in _options():
            default = setting.default if setting.default_factory is MISSING else setting.default_factory()
            parser.add_argument("--" + setting.name.replace("_", "-"), default=default, **setting.metadata)

    @classmethod
    def of(cls, paths: ModelPaths, options: Namespace) -> Settings:
        """The settings that a command line gives."""
        return cls(paths, **{setting.name: getattr(options, setting.name) for setting in _options()})


def _options() -> list[Field[Any]]:
    return [setting for setting in fields(Settings) if setting.metadata]
