"""Functions of the user's own: the source files that decide what they return, and where in them an error arose."""

from __future__ import annotations

import ast
import importlib
import sys
import sysconfig
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import find_spec, resolve_name
from pathlib import Path
from typing import Any

from atelier_store.errors import InvalidInput
from atelier_store.files import sha256_file
from atelier_store.spec import sha256_of

OURS = ("atelier_cli", "atelier_searcher", "atelier_server", "atelier_store", "atelier_trainer", "atelier_trial")
LIBRARIES = {"site-packages", "dist-packages"}
PARSING = threading.Lock()
"""Python counts the depth of all trees that it builds in one place: of two threads, one gets a SystemError."""
LONGEST_REASON = 400
"""Characters of an error's own text on a card; the trial's log has it whole, with its traceback."""


def is_library(path: Path) -> bool:
    """Whether a source file is Python's, an installed package's or this project's: the environment, not the user's."""
    standard = (Path(sysconfig.get_path("stdlib")), Path(sysconfig.get_path("platstdlib")))
    is_ours = any(part in OURS for part in path.parts)
    return is_ours or bool(LIBRARIES & set(path.parts)) or any(path.is_relative_to(folder) for folder in standard)


def reason(error: BaseException) -> str:
    """An error as one line: its type, what it says, and the innermost line of the user's own code that it came from."""
    text = f"{type(error).__name__}: {' '.join(str(error).split())}"
    text = text if len(text) <= LONGEST_REASON else text[: LONGEST_REASON - 1] + "…"
    for raised in (error.__cause__, error):
        for frame in reversed(traceback.extract_tb(raised.__traceback__) if raised else []):
            path = Path(frame.filename)
            if path.is_file() and not is_library(path):
                return f"{text} ({path.name}:{frame.lineno}, in {frame.name})"
    return text


def function(field: str, named: str) -> Any:
    """The function that a field of the profile names as module:function. InvalidInput, which says what is missing."""
    module_name, _, name = named.partition(":")
    try:
        with _without_bytecode():
            found = getattr(importlib.import_module(module_name), name)
    except (ImportError, AttributeError) as error:
        raise InvalidInput([f"{field}: {named!r} cannot be imported: {error}"]) from error
    except (Exception, SystemExit) as error:  # whatever a user's module raises
        raise InvalidInput([f"{field}: {named!r} cannot be imported: {reason(error)}"]) from error
    if not callable(found):
        raise InvalidInput([f"{field}: {named!r} is not a function"])
    return found


@contextmanager
def _without_bytecode() -> Iterator[None]:
    """Leave no bytecode of what is imported: Python would run it after an edit of equal size in the same second."""
    before, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        yield
    finally:
        sys.dont_write_bytecode = before


def digest(field: str, named: str) -> str:
    """sha256 of a function's name and of every local module that it imports; after any edit it is another function.

    Whatever else decides what it returns (a data file that it reads, an installed package) cannot be known.
    InvalidInput if there is no such module.
    """
    module, _, name = named.partition(":")
    sources = files(module)
    if module not in sources:
        raise InvalidInput([f"{field}: module {module!r} not found"])
    digests = {each: sha256_file(path) for each, path in sources.items()}
    return sha256_of({"module": module, "function": name, "files": digests})


def files(module: str) -> dict[str, Path]:
    """The files of a module, of the packages around it and of the local modules that they import, by module name.

    Found by reading, without running anything, wherever in a file an import stands. Not found is what only running it
    would tell: data files that it opens, and modules whose names it computes. Empty if there is no such module.
    """
    own = module.partition(".")[0]
    found: dict[str, Path] = {}
    waiting = [module]
    while waiting:
        for name, spec in _chain(waiting.pop(), own):
            if name in found or not spec.has_location or spec.origin is None:
                continue
            found[name] = Path(spec.origin)
            waiting += _imports(found[name], name if spec.submodule_search_locations is not None else spec.parent or "")
    return found


def _chain(name: str, own: str) -> Iterator[tuple[str, ModuleSpec]]:
    """A module and the packages around it, outermost first, as far as they exist; nothing of a library."""
    top, *rest = name.split(".")
    try:
        spec = find_spec(top)
    except ValueError:  # __main__ has none
        return
    if spec is None or (top != own and (top in OURS or any(map(is_library, _places(spec))))):
        return
    yield top, spec
    for part in rest:
        if spec.submodule_search_locations is None:
            return
        top = f"{top}.{part}"
        spec = PathFinder.find_spec(top, list(spec.submodule_search_locations))
        if spec is None:
            return
        yield top, spec


def _places(spec: ModuleSpec) -> list[Path]:
    if spec.has_location and spec.origin is not None:
        return [Path(spec.origin)]
    return [Path(folder) for folder in spec.submodule_search_locations or ()]


def _imports(path: Path, package: str) -> Iterator[str]:
    """The modules that a source file may import, and names that may be modules. package resolves relative imports."""
    if path.suffix != ".py":
        return
    try:
        with PARSING:
            tree = ast.parse(path.read_bytes())
    except SyntaxError:  # of another Python; its own bytes are all that counts
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            relative = "." * node.level + (node.module or "")
            with suppress(ImportError):  # beyond the outermost package
                base = resolve_name(relative, package)
                yield from (f"{base}.{alias.name}" for alias in node.names)
