"""A bundle's files: whether they are those that its manifest names, and the rows that it is verified with."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from atelier_store import names
from atelier_store.columns import Inputs, referred
from atelier_store.errors import InvalidInput
from atelier_store.files import sha256_file
from atelier_store.layout import BundlePaths, Store
from atelier_store.records import Manifest, TornRecord


def problems(bundle: BundlePaths, manifest: Manifest) -> list[str]:
    """Each file that is missing from the manifest or the folder, or whose content is another; empty if all is well."""
    contents = {path.name: path for path in bundle.contents}
    listed = f"{bundle.manifest.name}: files:"
    wrong = [f"{listed} {name} is missing" for name in contents if name not in manifest.files]
    for name, expected in manifest.files.items():
        if name not in contents:
            wrong.append(f"{listed} {name!r} does not belong into a bundle; allowed: {', '.join(contents)}")
            continue
        try:
            actual = sha256_file(contents[name])
        except OSError as error:
            wrong.append(f"{name}: cannot be read: {error.strerror}")
            continue
        if actual != expected:
            wrong.append(f"{name}: its sha256 is {actual}, the manifest says {expected}")
    return wrong


def check_digests(bundle: BundlePaths) -> list[str]:
    """The problems of a bundle whose manifest has not been read yet."""
    try:
        manifest = Manifest.read(bundle.manifest)
    except FileNotFoundError:
        return [f"{bundle.manifest.name}: missing"]
    except TornRecord as error:
        return [str(error)]
    return problems(bundle, manifest)


def reference(bundle: BundlePaths, manifest: Manifest) -> tuple[Inputs, NDArray[Any]]:
    """The reference inputs by name, and the outputs as trained. Raises OSError, ValueError or KeyError if torn."""
    with np.load(bundle.reference, allow_pickle=False) as kept:
        return referred(kept, [tensor.name for tensor in manifest.inputs]), kept["output"]


def manifest_of(store: Store, key: str, option: str) -> Manifest:
    """The manifest of the trial whose key is given by an option. InvalidInput if none has it, or no whole bundle."""
    if not names.KEY.accepts(key):
        raise InvalidInput([f"{option}: {key}: {names.KEY.refusal(key)}"])
    try:
        return Manifest.read(store.trial(key).bundle.manifest)
    except (FileNotFoundError, TornRecord) as error:
        raise InvalidInput([f"{option}: {key}: no trial with a whole bundle has this key: {error}"]) from error
