"""What surrounds a command does not change what it does: proxies, files in the working directory, a long TMPDIR."""

import os
import subprocess
import sys
from pathlib import Path
from urllib.request import proxy_bypass

import pytest
from atelier_cli.__main__ import prepare_environment

from tests.support.searches import Edit, Searches
from tests.support.server_process import free_port

pytestmark = pytest.mark.process

NETWORK = """
import torch
def build(input_shape, outputs, width: int = 8):
    return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, width), torch.nn.Linear(width, outputs))
"""


def up(
    searches: Searches, store: Path, folder: Path, *arguments: str, **environment: str
) -> subprocess.CompletedProcess[str]:
    """`atelier up --no-serve` as a person runs it, in this folder."""
    command = [str(Path(sys.executable).parent / "atelier"), "up", "--no-serve", "--port", str(free_port())]
    command += ["-f", str(searches.profile), "--store", str(store), *arguments]
    cleared = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, env=cleared | environment)


@pytest.mark.parametrize("proxy", [{"http_proxy": "http://127.0.0.1:9"}, {"ALL_PROXY": "socks5://127.0.0.1:9"}])
def test_a_proxy_is_not_asked_for_this_machine(
    searches: Searches, copied: Path, tmp_path: Path, proxy: dict[str, str]
) -> None:
    done = up(searches, copied, tmp_path, **proxy)
    assert done.returncode == 0, done.stderr
    assert "Predictions of test samples over HTTP" in done.stdout
    assert "Serving" not in done.stdout


@pytest.mark.parametrize(
    ("said", "through"), [("", ["example.org"]), ("example.org", []), ("other.example", ["example.org"]), ("*", [])]
)
def test_what_is_said_of_proxies_is_kept_beside_this_machine(
    monkeypatch: pytest.MonkeyPatch, said: str, through: list[str]
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.setenv(name, said)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setenv("PYTHONSAFEPATH", "1")

    prepare_environment()

    hosts = ("example.org", "localhost", "127.0.0.1", "::1")
    assert [host for host in hosts if not proxy_bypass(host)] == through


def test_files_named_like_modules_and_a_long_tmpdir_do_no_harm(
    searches: Searches, copied: Path, tmp_path: Path
) -> None:
    folder, long = tmp_path / "work", tmp_path.joinpath(*["a" * 20] * 5)
    long.mkdir(parents=True)
    folder.mkdir()
    for module in ("token", "http", "random", "socket", "logging", "numpy", "torch"):
        (folder / f"{module}.py").write_text(f"raise SystemExit('{module}')")
    one_more = ("--set", "experiment.maxTrialCount=6", "--set", "trainer.tailEpochs=0")
    done = up(searches, copied, folder, *one_more, TMPDIR=str(long))
    assert done.returncode == 0, done.stderr
    assert "Predictions of test samples over HTTP" in done.stdout


def test_a_network_of_ones_own_is_found_in_the_working_directory(edited: Edit, tmp_path: Path) -> None:
    own = edited(
        "stem_width, parameterType: discrete, feasibleSpace: {list: [8, 12]}",
        "width, parameterType: discrete, feasibleSpace: {list: [6, 7]}",
    )
    text = own.profile.read_text().replace("trainer:\n", "trainer:\n  network: nets_of_mine:build\n")
    own.profile.write_text("".join(line + "\n" for line in text.splitlines() if "stage1_width" not in line))
    (tmp_path / "nets_of_mine.py").write_text(NETWORK)
    few = (
        "--set",
        "experiment.maxTrialCount=1",
        "--set",
        "experiment.parallelTrialCount=1",
        "--set",
        "trainer.maxEpochs=1",
    )
    done = up(own, tmp_path / "store", tmp_path, *few)
    assert done.returncode == 0, done.stderr
    assert "Promoted" in done.stdout
