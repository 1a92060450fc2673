"""Whether a version has the signature that a server asks for."""

from __future__ import annotations

from pathlib import Path

from atelier_store.errors import InvalidInput
from atelier_store.layout import ModelPaths, VersionPaths
from atelier_store.signing import keys, models

from atelier_server.models.errors import Unsigned


def signer(paths: ModelPaths, version: VersionPaths, trusted: Path) -> str:
    """The fingerprint of the key in this file that has signed the version. Raises Unsigned; OSError.

    The file is read each time, since a mounted one may change: a key can be replaced without a restart.
    """
    try:
        key = models.signed_by(version, paths.signature(version.version), keys.read_public(trusted))
    except models.NotSigned as error:
        raise Unsigned(version.folder, error.problems) from error
    except InvalidInput as error:
        raise Unsigned(version.folder, error.violations) from error
    return keys.fingerprint(key)
