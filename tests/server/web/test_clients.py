"""The published clients of the Open Inference Protocol, unchanged, in environments with what ours must not contain."""

import json
import subprocess
from typing import Any

import pytest

from tests.support import ROOT
from tests.support.server_process import Server

pytestmark = pytest.mark.process

CLIENTS = ROOT / "tests" / "support" / "clients"
TRITON, KSERVE = "tritonclient[http]==2.73.0", "kserve==0.21.0"
EXPECTED = [[14.0], [32.0]]


def run(uv: str, package: str, script: str, server: Server) -> dict[str, Any]:
    """What the script says at its end."""
    command = [uv, "run", "--quiet", "--isolated", "--no-project", "--python", "3.11", "--with", package]
    done = subprocess.run(
        [*command, "python", str(CLIENTS / script), server.url], capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stderr
    said: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return said


def test_tritons_client_gets_what_it_asks_for(uv: str, rows: Server) -> None:
    said = run(uv, TRITON, "triton.py", rows)
    assert "must be 'input', is 'other'" in said.pop("refused")
    assert said == {
        "live": True,
        "ready": True,
        "model ready": True,
        "version ready": True,
        "other ready": False,
        "extensions": ["binary_tensor_data"],
        "inputs": [{"name": "input", "datatype": "FP32", "shape": [-1, 3]}],
        "answers": [EXPECTED] * 8,
        "all outputs": EXPECTED,
        "parameters": EXPECTED,
        "asynchronous": EXPECTED,
    }


def test_kserves_client_gets_what_it_asks_for(uv: str, rows: Server) -> None:
    said = run(uv, KSERVE, "kserve_client.py", rows)
    assert "must be 'input', is 'other'" in said.pop("refused")
    assert said == {"live": True, "ready": True, "model ready": True, "other ready": False, "answers": [EXPECTED] * 4}
