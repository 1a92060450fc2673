"""How many predictions a second, beside the limit and beside the servers that people would otherwise take?

    uv run python benchmarks/serving --seconds 6

One small network as ONNX, the same requests of the Open Inference Protocol, wrk on the same machine, loopback only. The peers run from
their published packages, in environments of their own that uv makes, with as many processes as there are cores; each has a small runtime
of ours, since none serves ONNX by itself. MLServer runs once without and once with its pool of workers, and the better counts. Every
server is asked once before it is loaded, and must give what ONNX Runtime gives. The last line is JSON.
Exit code 1 if a request failed.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import numpy as np
from atelier_store import machine
from subject import LENGTH, MODEL, Payload, Subject, make

HERE = Path(__file__).parent
CONNECTIONS = (1, 8, 32, 128)
WARM_UP = 2
INFER = f"/v2/models/{MODEL}/infer"
PEERS = {
    "mlserver": ("mlserver==1.7.1", "uvloop<0.22"),  # the next uvloop breaks MLServer's pool of workers
    "kserve": ("kserve==0.21.0",),
}


@dataclass(frozen=True)
class Load:
    """What came of one run of wrk."""

    rate: float
    p50_ms: float
    p99_ms: float
    failed: int


@dataclass(frozen=True)
class Contender:
    """A server, how it is started, and what it is sent."""

    name: str
    command: Sequence[str]
    payload: Payload
    environment: dict[str, str] = field(default_factory=dict)
    folder: Path = HERE


def uv(peer: str, *command: str) -> list[str]:
    """The command in an environment with this peer's packages, ONNX Runtime and nothing of ours."""
    program = os.environ.get("UV") or shutil.which("uv")
    if program is None:
        raise SystemExit("uv is missing: make bench-serving has it")
    packages = [word for package in (*PEERS[peer], "onnxruntime") for word in ("--with", package)]
    return [program, "run", "--quiet", "--isolated", "--no-project", "--python", "3.11", *packages, *command]


def contenders(subject: Subject, port: int, folder: Path) -> Iterator[Contender]:
    """Everything that is measured, in its order."""
    cores = machine.cores()
    network, as_json = str(subject.network), subject.as_json
    yield Contender("raw limit", [sys.executable, str(HERE / "raw.py"), network, str(port), str(cores)], as_json)
    serve = [sys.executable, "-m", "atelier_server", "--log-level", "warning", "serve", "--store", str(subject.store.root)]
    serve += ["--model", MODEL, "--port", str(port)]
    yield Contender("ours", serve, as_json)
    yield Contender("ours, binary", serve, subject.as_bytes)
    for name, workers in (("MLServer", 0), ("MLServer, pool", cores)):
        settings = folder / f"mlserver-{workers}"
        settings.mkdir()
        ports = {"http_port": port, "grpc_port": free_port(), "metrics_port": free_port()}
        (settings / "settings.json").write_text(json.dumps({"host": "127.0.0.1", "debug": False, "parallel_workers": workers, **ports}))
        model = {"name": MODEL, "implementation": "mlserver_runtime.OnnxModel", "parameters": {"uri": network}}
        (settings / "model-settings.json").write_text(json.dumps(model))
        shutil.copy(HERE / "mlserver_runtime.py", settings)
        yield Contender(name, uv("mlserver", "mlserver", "start", "."), as_json, folder=settings)
    kserve = uv("kserve", "python", str(HERE / "kserve_server.py"), network, str(port), str(cores))
    yield Contender("KServe", kserve, as_json)


@contextmanager
def running(contender: Contender, url: str, log: Path) -> Iterator[None]:
    """The server, ready, and all its processes ended afterwards."""
    with log.open("wb") as file:
        process = subprocess.Popen(contender.command, cwd=contender.folder, stdout=file, stderr=file, start_new_session=True)
    try:
        deadline = time.monotonic() + 600  # uv may have an environment to make
        while not answers(url, contender.payload):
            if process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit(f"{contender.name} does not run:\n{log.read_text()[-3000:]}")
            time.sleep(0.1)
        yield
    finally:
        for ending in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.killpg(process.pid, ending)
                process.wait(timeout=15)
            except (ProcessLookupError, subprocess.TimeoutExpired):
                pass


def answers(url: str, payload: Payload) -> bool:
    """Whether the server answers an inference by now."""
    try:
        return httpx.post(url, content=payload.body, headers=payload.headers, timeout=30).status_code == 200
    except httpx.TransportError:
        return False


def check(contender: Contender, url: str, subject: Subject) -> None:
    """The server must say what ONNX Runtime says."""
    response = httpx.post(url, content=contender.payload.body, headers=contender.payload.headers).raise_for_status()
    if length := response.headers.get(LENGTH):
        given = np.frombuffer(response.content[int(length) :], np.float32)
    else:
        given = np.array(response.json()["outputs"][0]["data"])
    np.testing.assert_allclose(given.ravel(), subject.probabilities.ravel(), rtol=1e-4, atol=1e-6)


def load(url: str, payload: Payload, body: Path, connections: int, seconds: int) -> Load:
    """Ask as fast as so many connections can."""
    body.write_bytes(payload.body)
    headers = "\n".join(f"{name}: {value}" for name, value in payload.headers.items())
    command = ["wrk", "--threads", str(min(2, connections)), "--connections", str(connections), "--duration", f"{seconds}s", "--timeout", "20s"]
    done = subprocess.run(
        [*command, "--script", str(HERE / "post.lua"), url],
        env=os.environ | {"BODY": str(body), "HEADERS": headers},
        capture_output=True,
        text=True,
        check=True,
        timeout=seconds + 60,
    )
    said = json.loads(done.stdout.splitlines()[-1])
    return Load(said["requests"] / said["seconds"], said["p50_ms"], said["p99_ms"], said["failed"])


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
    return port


def measure(options: argparse.Namespace, folder: Path) -> dict[str, dict[int, Load]]:
    """Every contender at every number of connections; a line is printed for each."""
    subject, port = make(folder), free_port()
    url = f"http://127.0.0.1:{port}{INFER}"
    found: dict[str, dict[int, Load]] = {}
    print(f"{'requests/s, p99 in ms':<22}" + "".join(f"{f'{c} connections':>24}" for c in CONNECTIONS), flush=True)
    for contender in contenders(subject, port, folder):
        if options.only and contender.name.split(",")[0] not in options.only:
            continue
        with running(contender, url, folder / "log"):
            check(contender, url, subject)
            load(url, contender.payload, folder / "body", 8, WARM_UP)
            found[contender.name] = {c: load(url, contender.payload, folder / "body", c, options.seconds) for c in CONNECTIONS}
        cells = "".join(f"{one.rate:>13.0f}, {one.p99_ms:>6.1f} ms" for one in found[contender.name].values())
        print(f"{contender.name:<22}{cells}", flush=True)
    return found


def main() -> int:
    """Measure, compare, say."""
    arguments = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    arguments.add_argument("--seconds", type=int, default=6, help="for each number of connections")
    arguments.add_argument("--only", action="append", help="measure these alone, for example: --only ours --only 'raw limit'")
    options = arguments.parse_args()
    if not shutil.which("wrk"):
        raise SystemExit("wrk is missing; on Debian and Ubuntu: apt-get install wrk")
    with tempfile.TemporaryDirectory() as folder:
        found = measure(options, Path(folder))
    failed = {name: count for name, loads in found.items() if (count := sum(one.failed for one in loads.values()))}
    print("failed requests:", failed or 0)
    if not options.only:
        at_32 = {name: loads[32] for name, loads in found.items()}
        ours = at_32["ours"]
        mlserver = max(at_32["MLServer"], at_32["MLServer, pool"], key=lambda one: one.rate)
        ratios = {
            "vs_mlserver_c32": ours.rate / mlserver.rate,
            "vs_raw_c32": ours.rate / at_32["raw limit"].rate,
            "p99_vs_mlserver_c32": ours.p99_ms / mlserver.p99_ms,
            "binary_vs_json_c32": at_32["ours, binary"].rate / ours.rate,
        }
        print(json.dumps({name: round(ratio, 2) for name, ratio in ratios.items()}))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
