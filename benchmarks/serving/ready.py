"""How long does the server take from its start to a ready model, beside the imports that any such server needs?

    uv run python -m benchmarks.serving.ready --runs 9

Timed from outside, in turn: the server until /v2/models/digits/ready answers 200, and a process that imports ONNX
Runtime, FastAPI and uvicorn and ends. CPU time is that of all processes of the server. Bytecode is compiled by the
first run, as it is in the image.
"""

from __future__ import annotations

import argparse
import http.client
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from benchmarks.serving.subject import MODEL, Subject, make, serve_command

WITH_BYTECODE = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
NEEDED = "import fastapi, onnxruntime, uvicorn"


@dataclass(frozen=True)
class Start:
    """Seconds by the clock, and of all processes' CPU time."""

    wall: float
    cpu: float


def ready(port: int) -> bool:
    """Whether the model is ready; False as well if nobody listens yet."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", f"/v2/models/{MODEL}/ready")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def start(subject: Subject, port: int, workers: int) -> Start:
    """One start of the server, which is then ended."""
    command = [sys.executable, *serve_command(subject, port), "--workers", str(workers)]
    began = time.perf_counter()
    with subprocess.Popen(command, env=WITH_BYTECODE) as process:
        while not ready(port):
            if process.poll() is not None:
                raise SystemExit(f"the server ended with exit code {process.returncode}")
            time.sleep(0.005)
        wall = time.perf_counter() - began
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text()
        cpu = sum(map(cpu_time, [process.pid, *map(int, children.split())]))
        process.terminate()
    return Start(wall, cpu)


def cpu_time(pid: int) -> float:
    """Seconds that a process has computed, of its own and for the kernel."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def imports() -> float:
    """Seconds that a process takes that imports what is needed and ends."""
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", NEEDED], check=True, env=WITH_BYTECODE)
    return time.perf_counter() - began


def main() -> None:
    """Print medians."""
    arguments = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    arguments.add_argument("--runs", type=int, default=9)
    arguments.add_argument("--port", type=int, default=18_080)
    options = arguments.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        subject = make(Path(folder))
        for workers in (1, os.cpu_count() or 1):
            pairs = [(imports(), start(subject, options.port, workers)) for _ in range(options.runs + 1)][
                1:
            ]  # the first warms up
            wall, cpu = median(one.wall for _, one in pairs), median(one.cpu for _, one in pairs)
            extra = median(one.wall - floor for floor, one in pairs)
            floor = median(floor for floor, _ in pairs)
            print(
                f"{workers} workers: ready after {wall:.2f} s ({extra:+.2f} s), "
                f"{cpu:.2f} s of CPU; imports {floor:.2f} s"
            )


if __name__ == "__main__":
    main()
