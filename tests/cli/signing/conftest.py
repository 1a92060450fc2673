"""A key, and a promoted version to sign."""

from pathlib import Path

import pytest
from atelier_store.layout import Store, VersionPaths
from cryptography.hazmat.primitives.asymmetric import ec

from tests.support.experiments import promote_best, two_trials
from tests.support.private_keys import write_key


@pytest.fixture
def key(tmp_path: Path) -> Path:
    return write_key(tmp_path / "key.pem", ec.generate_private_key(ec.SECP256R1()))


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


@pytest.fixture
def version(store: Store) -> VersionPaths:
    """The version of digits that is served."""
    promoted = promote_best(store, two_trials(store), "digits")
    return store.model("digits").version(promoted.promotion.version)
