"""Backup and restore as docs/operations.md has them: files out by the inspector, in by a pod that may write."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import yaml

from tests.e2e.cluster_access import EXPERIMENT, INSPECTOR, STORE, Release, eventually, kubectl_program, run
from tests.support import ROOT

PAGE = ROOT / "docs" / "operations.md"
PARTS = ("models", "trials", "experiments", "data")
TWO = "experiment.maxTrialCount=2"


def test_a_store_that_was_backed_up_serves_and_is_searched_again_without_training(
    release: Release, tmp_path: Path
) -> None:
    where = release.namespace
    kubectl = [kubectl_program(), "-n", where.name]
    release.upgrade(TWO, "inspector.enabled=true", flags=("--wait", "--timeout=10m"))
    with release.client() as client:
        version = release.model_of(release.experiment, client)["version"]
    trained = {key: card["updated_at"] for key, card in release.store(STORE)["trials"].items()}

    (inspector,) = where.names("pods", INSPECTOR)
    out = ["exec", inspector, "--", "tar", "-cf", "-", "--exclude=.tmp-*", "--exclude=lease", "-C", "/store", *PARTS]
    with (tmp_path / "store.tar").open("wb") as archive:
        subprocess.run([*kubectl, *out], stdout=archive, check=True)
    (tmp_path / "backup").mkdir()
    run("tar", "-xf", tmp_path / "store.tar", "-C", tmp_path / "backup")
    run(sys.executable, "-m", "atelier_cli", "audit", "--store", tmp_path / "backup")

    release.uninstall()
    where.kubectl("delete", EXPERIMENT, "--all")
    where.kubectl("delete", "pods,jobs,persistentvolumeclaims", "--all")
    release.upgrade("experiment.enabled=false", flags=("--wait", "--timeout=10m"))
    (writer,) = re.findall(r"^```yaml\n# writer.yaml\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    where.apply(yaml.safe_load(writer))
    where.kubectl("wait", "--for=condition=Ready", "pod/store-writer", "--timeout=180s")
    into = ["exec", "-i", "store-writer", "--", "tar", "-xf", "-", "-C", "/store"]
    with (tmp_path / "store.tar").open("rb") as archive:
        subprocess.run([*kubectl, *into], stdin=archive, check=True)
    with release.client() as client:
        card = eventually(lambda: release.model(client), 20, "the restored model")
        assert card["version"] == version

    release.upgrade(TWO)
    release.search_ends()
    with release.client() as client:
        release.model_of(release.experiment, client)
    after = release.store(STORE)
    again = {record["key"] for record in after["records"][release.experiment].values()} & set(trained)
    assert again, "a search with the same seed meets what it met before"
    assert all(after["trials"][key]["updated_at"] == trained[key] for key in again)
