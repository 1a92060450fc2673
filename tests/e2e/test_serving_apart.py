"""A release without a search, in a namespace that Katib does not look at: it serves what another release's store holds."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.cluster_access import MODEL, Release, a_claim, a_release, without_katib

pytestmark = pytest.mark.alone

UNKNOWN_TO_KATIB = "atelier.test/serves=only"


@pytest.fixture(scope="module")
def apart(release: Release) -> Iterator[Release]:
    """A release that serves, with a second claim of the first one's volume, as an NFS share or another shared file system gives it."""
    release.upgrade(flags=("--wait", "--timeout=3m"))
    with release.client() as client:
        release.model_of(release.experiment, client)
    (claim,) = release.namespace.get("persistentvolumeclaims")
    (volume,) = release.namespace.get("persistentvolumes", claim["spec"]["volumeName"])
    sources = {key: volume["spec"][key] for key in ("hostPath", "nfs") if key in volume["spec"]}
    if not sources:
        pytest.skip(f"no second claim can be made here of {volume['spec']}")
    with a_release(UNKNOWN_TO_KATIB) as made, a_claim(made.namespace, "models", sources):
        made.upgrade(
            "experiment.enabled=false",
            "storage.existingClaim=models",
            f"server.model={MODEL}",
            flags=("--wait", "--timeout=3m"),
        )
        yield made


def test_it_serves_the_other_releases_model(release: Release, apart: Release) -> None:
    with release.client() as searched, apart.client() as served:
        card = apart.model(served)
        assert card is not None
        assert card == release.model(searched)
    assert "reference inputs give their reference outputs" in apart.helm("test", apart.name, "--logs", "--timeout=3m")


def test_its_pods_start_while_katib_is_away(apart: Release) -> None:
    with without_katib():
        apart.namespace.kubectl("delete", "pod", apart.server)
        apart.server_is_ready()
        with apart.client() as client:
            assert apart.model(client)


def test_it_follows_what_is_promoted_elsewhere(release: Release, apart: Release) -> None:
    release.upgrade("trainer.maxEpochs=14")
    with apart.client() as client:
        before = apart.model(client)
        after = release.model_of(release.experiment, client)
        assert before is not None
        assert after["version"] != before["version"]
