"""What a bundle's files must be: the digests that its manifest names."""

from __future__ import annotations

from pathlib import Path

from atelier_store.files import sha256_file
from atelier_store.records import Manifest, TornRecord

FILES = ("model.onnx", "reference.npz")


def problems(folder: Path, manifest: Manifest) -> list[str]:
    """Every file that is missing from the manifest, from the folder, or is not the one that was written; empty if all is well."""
    wrong = [f"manifest.json: files: {name} is missing" for name in FILES if name not in manifest.files]
    for name, expected in manifest.files.items():
        if name not in FILES:
            wrong.append(f"manifest.json: files: {name!r} does not belong into a bundle; allowed: {', '.join(FILES)}")
            continue
        try:
            found = sha256_file(folder / name)
        except OSError as error:
            wrong.append(f"{name}: cannot be read: {error.strerror}")
            continue
        if found != expected:
            wrong.append(f"{name}: its sha256 is {found}, the manifest says {expected}")
    return wrong


def check_digests(folder: Path) -> list[str]:
    """The same for a folder whose manifest is still to be read."""
    try:
        manifest = Manifest.read(folder / "manifest.json")
    except FileNotFoundError:
        return ["manifest.json: missing"]
    except TornRecord as error:
        return [str(error)]
    return problems(folder, manifest)
