"""A new process decodes its first requests in several threads at once."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from atelier_store.layout import Store

from tests.support.onnx_bundles import publish, rows_bundle

DECODES = """
import sys, threading
from pathlib import Path
from atelier_server.codecs import v2
from atelier_server.models.model import load
from atelier_store.layout import Store

model = load(Store(Path(sys.argv[1])).model("house"), sys.argv[2])
content = sys.argv[3].encode()
sys.setswitchinterval(1e-6)
together = threading.Barrier(8)

def decode():
    together.wait()
    print(v2.decode(content, len(content), model).inputs["input"].tolist(), end=" ")

threads = [threading.Thread(target=decode) for _ in range(8)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
"""
UNUSUAL = {
    "outputs": [{"name": "prediction", "parameters": None}],
    "inputs": [{"name": "input", "shape": [1, 3], "datatype": "FP32", "data": [[1, 2, 3]], "parameters": None}],
}
"""What is decoded by the checks that read value by value."""


@pytest.mark.process
def test_requests_of_an_unusual_form_may_be_the_first_ones(tmp_path: Path) -> None:
    version = publish(Store(tmp_path), rows_bundle(), "house")
    command = [sys.executable, "-c", DECODES, str(tmp_path), version, json.dumps(UNUSUAL)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.count("[[1.0, 2.0, 3.0]]")) == (0, 8), done.stderr
