"""What the commands need: `doctor`, `audit` and `leaderboard` run where neither torch nor a server is installed."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import ROOT
from tests.support.clusters import ApiServer
from tests.support.searches import Finished

pytestmark = pytest.mark.process

HEAVY = {
    "PIL",
    "atelier_server",
    "atelier_trainer",
    "fastapi",
    "onnx",
    "onnxruntime",
    "optuna",
    "pooch",
    "scipy",
    "sklearn",
    "starlette",
    "torch",
    "uvicorn",
}
MAIN = "import sys; from atelier_cli.__main__ import main; import atexit; atexit.register(lambda: print('loaded', *"
MAIN += "{name.partition('.')[0] for name in sys.modules}, file=sys.stderr)); main()"
NO_PROXY = {"NO_PROXY": "*", "no_proxy": "*"}


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[tuple[str, str]]:
    """Options of a cluster that has everything."""
    with ApiServer() as server:
        yield ("--kubeconfig", str(server.kubeconfig(tmp_path)))
        server.shutdown()


@pytest.mark.parametrize("command", ["--help", "up", "leaderboard", "audit", "doctor"])
def test_what_starts_without_training_or_serving_loads_nothing_for_it(
    command: str, cluster: tuple[str, str], finished: Finished
) -> None:
    arguments = {
        "up": ["--help"],
        "leaderboard": ["--store", str(finished[0])],
        "audit": ["--store", str(finished[0])],
        "doctor": cluster,
    }.get(command, [])
    completed = subprocess.run(
        [sys.executable, "-c", MAIN, command, *arguments], capture_output=True, text=True, env=os.environ | NO_PROXY
    )
    assert completed.returncode == 0, completed.stderr
    loaded = set(completed.stderr.rpartition("loaded ")[2].split())
    assert "atelier_cli" in loaded
    assert loaded & HEAVY == set()
    if "--help" in (command, *arguments):
        assert loaded & {"atelier_store", "numpy"} == set()


@pytest.fixture(scope="session")
def light(uv: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with atelier-cli alone: no extra."""
    folder = tmp_path_factory.mktemp("light") / "venv"
    arguments = ["--locked", "--offline", "--no-default-groups", "--no-editable", "--python", sys.executable]
    completed = synced(uv, folder, "--package", "atelier-cli", *arguments)
    assert completed.returncode == 0, completed.stderr
    return folder


def synced(uv: str, environment: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    variables = os.environ | {"UV_PROJECT_ENVIRONMENT": str(environment)}
    return subprocess.run([uv, "sync", *arguments], cwd=ROOT, capture_output=True, text=True, env=variables)


def run(light: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [str(light / "bin" / "atelier"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=os.environ | NO_PROXY, cwd=light.parent)


def test_without_the_extra_there_is_no_torch_and_the_light_commands_run(
    light: Path, cluster: tuple[str, str], finished: Finished
) -> None:
    installed = {path.name.partition("-")[0] for path in light.glob("lib/*/site-packages/*.dist-info")}
    assert "atelier_store" in installed
    assert installed & (HEAVY | {"scikit_learn", "prometheus_client"}) == set()
    assert "val_accuracy" in run(light, "leaderboard", "--store", str(finished[0])).stdout
    assert "0 do not match" in run(light, "audit", "--store", str(finished[0])).stdout
    profile = str(ROOT / "values" / "quickstart.yaml")
    checked = run(light, "doctor", *cluster, "-f", profile)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert "missing: 0" in checked.stdout


@pytest.mark.parametrize(
    ("command", "arguments"),
    [
        ("up", ["-f", "x.yaml"]),
        ("search", ["-f", "x.yaml"]),
        ("promote", ["--model", "x"]),
        ("serve", ["--model", "x"]),
        ("replay", ["0123456789abcdef"]),
    ],
)
def test_a_command_that_needs_the_extra_names_the_command_that_installs_it(
    light: Path, uv: str, command: str, arguments: list[str]
) -> None:
    completed = run(light, command, *arguments)
    assert (completed.returncode, completed.stdout) == (2, "")
    (line,) = completed.stderr.splitlines()
    install = re.search(r"uv sync (.*)$", line)
    assert install and "atelier-trainer, atelier-server" in line
    if command == "search":
        installed = synced(uv, light, *install[1].split(), "--dry-run", "--offline", "--no-default-groups")
        assert installed.returncode == 0, installed.stderr
        assert re.search(r"\+ torch==", installed.stderr)
