"""The program of the pod: it serves on its port, needs no folder that it may write to, and ends with SIGTERM."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys

import grpc
import pytest
from atelier_suggestion.__main__ import main

from tests.suggestion.katib_search import Search, over, spec

pytestmark = pytest.mark.process

NOWHERE = dict.fromkeys(("HOME", "TMPDIR", "XDG_CACHE_HOME", "XDG_CONFIG_HOME"), "/proc")
"""Where nobody can write, as in a pod whose root is read-only."""


def test_the_program_suggests_until_it_is_asked_to_end() -> None:
    command = [sys.executable, "-m", "atelier_suggestion", "--port", "0"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd="/", env=os.environ | NOWHERE)
    try:
        assert process.stderr is not None
        said = process.stderr.readline()
        port = re.search(r"listening on port (\d+)", said)
        assert port, said + process.stderr.read()
        with grpc.insecure_channel(f"localhost:{port[1]}") as channel:
            search = Search(spec(), over(channel), most=2)
            search.run()
        assert len(search.trials) == 2
        process.send_signal(signal.SIGTERM)
        rest = process.communicate(timeout=60)[1]
        assert process.returncode == 0, rest
        assert f"{search.trials[0].name} resumed at 0: stem_width=" in rest
    finally:
        process.kill()


def test_a_port_that_is_taken_is_wrong_input(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("", 0)) as taken:
        port = taken.getsockname()[1]
        assert main(["--port", str(port)]) == 2
    assert capsys.readouterr().err.startswith(f"--port: {port}: ")
