"""A model with a version, and keys."""

from pathlib import Path

import pytest
from atelier_store.layout import ModelPaths, Store, VersionPaths
from cryptography.hazmat.primitives.asymmetric import ec

from tests.support.experiments import promote_best, two_trials
from tests.support.private_keys import write_key


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_key(tmp_path_factory.mktemp("keys") / "key.pem", ec.generate_private_key(ec.SECP256R1()))


@pytest.fixture(scope="module")
def other_key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_key(tmp_path_factory.mktemp("keys") / "other.pem", ec.generate_private_key(ec.SECP384R1()))


@pytest.fixture
def model(tmp_path: Path) -> ModelPaths:
    return Store(tmp_path / "store").model("digits")


@pytest.fixture
def version(model: ModelPaths) -> VersionPaths:
    """The version of the model that is served; nobody has signed it."""
    return model.version(promote_best(model.store, two_trials(model.store), "digits").promotion.version)
