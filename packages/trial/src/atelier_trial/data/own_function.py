"""Data from a function of the user's own: arrays, or batches of them one after the other."""

from __future__ import annotations

import inspect
import logging
import traceback
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from atelier_store.arrays import Stored, StoredArray
from atelier_store.errors import InvalidInput
from atelier_store.in_words import counted

from atelier_trial import own_code
from atelier_trial.data.errors import DataError
from atelier_trial.data.raw import ARRAYS, Array, Examples, InFiles, Part, RawData, few, weight_arrays

log = logging.getLogger("atelier.data")

FIELD = "trainer.data.source"
WANTED = "allowed: (x, y), (x, y, x_test, y_test), a dict with these names, or batches (x, y) one after the other"


def digest(named: str) -> str:
    """What the function is told from others by. DataError if there is no such module."""
    with _as_data_error():
        return own_code.digest(FIELD, named)


def read(named: str, files: Mapping[str, Path], folder: Path, weight: str | None = None) -> RawData:
    """What the function `module:function` returns.

    It is given the paths of trainer.data.files, by name, if it has a parameter `files`. It returns arrays as an .npz
    holds them, as a tuple or by name, with feature_names and weights if they have some; or it yields batches of
    training examples, of which pictures are kept in the folder. weight names the array of weights. DataError for what
    it raises, with the line that did, and for anything else that it returns.
    """
    with _as_data_error():
        function = own_code.function(FIELD, named)
    takes_files = "files" in inspect.signature(function).parameters
    if files and not takes_files:
        raise DataError([f"trainer.data.files: {named} has no parameter files; allowed: none"])
    try:
        returned = function(files=dict(files)) if takes_files else function()
        arrays = _by_name(returned, folder)
    except DataError:
        raise
    except (Exception, SystemExit) as error:  # whatever the user's code raises
        log.error("%s", traceback.format_exc())
        raise DataError([f"{FIELD}: {named} raised {own_code.reason(error)}"]) from error
    return _checked(named, arrays, weight)


@contextmanager
def _as_data_error() -> Iterator[None]:
    try:
        yield
    except InvalidInput as error:
        raise DataError(error.violations) from error


def _by_name(returned: Any, folder: Path) -> dict[str, Any]:
    if isinstance(returned, Mapping):
        return dict(returned)
    if isinstance(returned, tuple):
        if len(returned) not in (2, 4):
            raise DataError([f"{FIELD}: it returned a tuple of {len(returned)}; {WANTED}"])
        return dict(zip(ARRAYS, returned, strict=False))
    if not isinstance(returned, Iterable) or isinstance(returned, (str, bytes, np.ndarray)):
        raise DataError([f"{FIELD}: it returned {_words(returned)}; {WANTED}"])
    xs: list[Stored] = []
    ys: list[Any] = []
    for number, batch in enumerate(returned):
        parts = () if isinstance(batch, Mapping) else tuple(batch)
        if len(parts) != 2:
            what = _words(batch) if isinstance(batch, Mapping) else f"of {counted(len(parts), 'part')}"
            raise DataError([f"{FIELD}: batch {number} is {what}; {WANTED}"])
        xs.append(_kept(_array(parts[0], "x"), folder / f"batch-{number}.npy"))
        ys.append(_array(parts[1], "y"))
    if not xs:
        raise DataError([f"{FIELD}: it gave no batch; {WANTED}"])
    return {"x": _together(xs), "y": np.concatenate(ys)}


def _kept(x: Array, path: Path) -> Stored:
    """Pictures in a file; anything else as it is."""
    if x.dtype != np.uint8 or x.ndim < 3:
        return x
    np.save(path, np.ascontiguousarray(x), allow_pickle=False)
    return StoredArray(path)


def _together(parts: Sequence[Stored]) -> Examples:
    files = [part for part in parts if isinstance(part, StoredArray)]
    if len(files) == len(parts) and len({file.shape[1:] for file in files}) == 1:
        return InFiles(files)
    return np.concatenate([part[:] for part in parts])


def _checked(named: str, arrays: dict[str, Any], weight: str | None) -> RawData:
    known = (*ARRAYS, *weight_arrays(weight))
    names = arrays.pop("feature_names", None)
    missing = [name for name in ("x", "y") if name not in arrays]
    missing += [name for name in ("x_test", "y_test") if name not in arrays and {"x_test", "y_test"} & set(arrays)]
    violations = [f"{FIELD}: {named}: array {name!r} is missing; {WANTED}" for name in missing]
    if unknown := [str(name) for name in arrays if name not in known]:
        violations.append(f"{FIELD}: {named}: unknown: {few(unknown)}; allowed: {', '.join(known)}, feature_names")
    found: dict[str, Any] = {}
    for name in known:
        if name in arrays:
            found[name] = arrays[name] if isinstance(arrays[name], InFiles) else _array(arrays[name], name)
            if found[name].dtype == object:
                violations.append(f"{FIELD}: {named}: {name} holds Python objects; allowed: numbers, for y also texts")
            elif found[name].ndim == 0:
                violations.append(f"{FIELD}: {named}: {name} is {_words(arrays[name])}; allowed: an array of examples")
    if names is not None and "x" in found and (found["x"].ndim != 2 or len(names) != found["x"].shape[1]):
        violations.append(f"{FIELD}: {named}: {len(names)} feature_names for x of shape {found['x'].shape}")
    if violations:
        raise DataError(violations)
    test = None
    if "x_test" in found:
        where = f"{named} (x_test, y_test)"
        test = Part(where, found["x_test"], found["y_test"], weight=found.get(f"{weight}_test"))
    return RawData(
        Part(named, found["x"], found["y"], weight=found.get(weight or "")),
        test,
        feature_names=None if names is None else tuple(map(str, names)),
    )


def _array(values: Any, name: str) -> Array:
    """The values as an array; texts that are objects of Python, as pandas has them, as texts. DataError if masked."""
    if np.ma.is_masked(values):
        count = int(np.ma.getmaskarray(values).sum())
        raise DataError([f"{FIELD}: {name} has {counted(count, 'masked value')}; allowed: none"])
    array: Array = np.asarray(values)
    if array.dtype.kind not in ("O", "T") or not array.size or not all(isinstance(value, str) for value in array.flat):
        return array
    return np.array(array.tolist(), dtype=str)


def _words(value: Any) -> str:
    return f"a {type(value).__name__}" if value is not None else "nothing"
