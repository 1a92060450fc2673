"""A release without a search, in a namespace that Katib does not watch, serves the models of another's store."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.cluster_access import ONE_SHORT_TRIAL, Release, a_release_that_serves_only


@pytest.fixture(scope="module")
def apart(release: Release) -> Iterator[Release]:
    release.upgrade(values=ONE_SHORT_TRIAL, flags=("--wait", "--timeout=10m"))
    with release.client() as client:
        release.model_of(release.experiment, client)
    with a_release_that_serves_only(release) as made:
        yield made


def test_it_serves_the_other_releases_model(release: Release, apart: Release) -> None:
    with release.client() as searched, apart.client() as served:
        card = apart.model(served)
        assert card is not None
        assert card == release.model(searched)
    assert "reference inputs give their reference outputs" in apart.helm("test", apart.name, "--logs", "--timeout=10m")


def test_it_follows_what_is_promoted_elsewhere(release: Release, apart: Release) -> None:
    with apart.client() as client:
        before = apart.model(client)
        release.upgrade("trainer.maxEpochs=2", "promotion.policy=always", values=ONE_SHORT_TRIAL)
        after = release.model_of(release.experiment, client)
    assert before is not None
    assert after["version"] != before["version"]
