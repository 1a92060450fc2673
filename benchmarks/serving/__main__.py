"""How many predictions a second, beside the limit and beside the servers that people would otherwise take?

    uv run python -m benchmarks.serving --seconds 2 --rounds 5
    uv run python -m benchmarks.serving --only ours --network STORE/trials/KEY/model/model.onnx

One small network as ONNX, the same requests of the Open Inference Protocol, wrk on the same machine, loopback only. The
peers run from their published packages, in environments of their own that uv makes, with as many processes as there are
cores; each has a small runtime of ours, since none serves ONNX by itself. MLServer runs once without and once with its
pool of workers, and the better counts. Every server is asked once before it is loaded, and must give what ONNX Runtime
gives. All of them run all the time and are loaded in turns, so that whatever else the machine does strikes each alike;
medians over the rounds are shown, and ratios are medians of each round's. The last line is JSON. "Alone" is our server
without batches of what has come at the same time; for the small network it makes none anyway. Exit code 1 if a request
failed.
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
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import httpx
import numpy as np
from atelier_store import machine

from benchmarks.children import with_parent
from benchmarks.serving.subject import LENGTH, MODEL, Payload, Subject, make, serve_command

HERE = Path(__file__).parent
CONNECTIONS = (1, 8, 32, 128)
WARM_UP = 1
ALONE = (
    "import sys; from atelier_server import __main__; from atelier_server.models import model; "
    "model.TOGETHER = (); sys.exit(__main__.main())"
)
"""The server, with no requests that go through the network together."""

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
    """A server, how it is started, and what it is sent at its port."""

    name: str
    command: Sequence[str]
    port: int
    payload: Payload
    folder: Path = HERE

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}{INFER}"


def uv(peer: str, *command: str) -> list[str]:
    """The command in an environment with this peer's packages, ONNX Runtime and nothing of ours."""
    program = os.environ.get("UV") or shutil.which("uv")
    if program is None:
        raise SystemExit("uv is missing: make bench-serving has it")
    packages = [word for package in (*PEERS[peer], "onnxruntime") for word in ("--with", package)]
    return [program, "run", "--quiet", "--isolated", "--no-project", "--python", "3.11", *packages, *command]


def contenders(subject: Subject, folder: Path) -> Iterator[Contender]:
    """Everything that is measured; one without a command is sent to the server before it."""
    cores, network, as_json = str(machine.cores()), str(subject.network), subject.as_json
    ports = free_ports(10)
    port = next(ports)
    yield Contender("raw limit", [sys.executable, str(HERE / "raw.py"), network, str(port), cores], port, as_json)
    port = next(ports)
    yield Contender("ours", [sys.executable, *serve_command(subject, port)], port, as_json)
    yield Contender("ours, binary", [], port, subject.as_bytes)
    port = next(ports)
    alone = ["-c", ALONE, *serve_command(subject, port)[2:]]
    yield Contender("ours, alone", [sys.executable, *alone], port, as_json)
    for name, workers in (("MLServer", 0), ("MLServer, pool", int(cores))):
        settings, port = folder / f"mlserver-{workers}", next(ports)
        settings.mkdir()
        places = {"host": "127.0.0.1", "http_port": port, "grpc_port": next(ports), "metrics_port": next(ports)}
        (settings / "settings.json").write_text(json.dumps({"debug": False, "parallel_workers": workers, **places}))
        model = {"name": MODEL, "implementation": "mlserver_runtime.OnnxModel", "parameters": {"uri": network}}
        (settings / "model-settings.json").write_text(json.dumps(model))
        shutil.copy(HERE / "mlserver_runtime.py", settings)
        yield Contender(name, uv("mlserver", "mlserver", "start", "."), port, as_json, settings)
    port = next(ports)
    yield Contender(
        "KServe", uv("kserve", "python", str(HERE / "kserve_server.py"), network, str(port), cores), port, as_json
    )


@contextmanager
def running(contender: Contender, log: Path) -> Iterator[None]:
    """The server, ready, and all its processes ended afterwards."""
    with log.open("wb") as file:
        process = subprocess.Popen(
            contender.command,
            cwd=contender.folder,
            stdout=file,
            stderr=file,
            start_new_session=True,
            preexec_fn=with_parent(),
        )
    try:
        deadline = time.monotonic() + 600  # uv may have an environment to make
        while not answers(contender.url, contender.payload):
            if process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit(f"{contender.name} does not run:\n{log.read_text()[-3000:]}")
            time.sleep(0.1)
        yield
    finally:
        for ending in (signal.SIGTERM, signal.SIGKILL):
            with suppress(ProcessLookupError, subprocess.TimeoutExpired):
                os.killpg(process.pid, ending)
                process.wait(timeout=15)


def answers(url: str, payload: Payload) -> bool:
    """Whether the server answers an inference by now."""
    try:
        return httpx.post(url, content=payload.body, headers=payload.headers, timeout=30).status_code == 200
    except httpx.TransportError:
        return False


def check(contender: Contender, subject: Subject) -> None:
    """The server must say what ONNX Runtime says."""
    response = httpx.post(
        contender.url, content=contender.payload.body, headers=contender.payload.headers
    ).raise_for_status()
    if length := response.headers.get(LENGTH):
        given = np.frombuffer(response.content[int(length) :], np.float32)
    else:
        given = np.array(response.json()["outputs"][0]["data"])
    np.testing.assert_allclose(given.ravel(), subject.probabilities.ravel(), rtol=1e-4, atol=1e-6)


def load(url: str, payload: Payload, body: Path, connections: int, seconds: int) -> Load:
    """Ask as fast as so many connections can."""
    body.write_bytes(payload.body)
    headers = "\n".join(f"{name}: {value}" for name, value in payload.headers.items())
    command = [
        "wrk",
        "--threads",
        str(min(2, connections)),
        "--connections",
        str(connections),
        "--duration",
        f"{seconds}s",
        "--timeout",
        "20s",
    ]
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


def free_ports(count: int) -> Iterator[int]:
    """So many different ports that nobody listens on."""
    with ExitStack() as open_at_once:
        sockets = [open_at_once.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        ports = [one.getsockname()[1] for one in sockets]
    return iter(ports)


def measure(options: argparse.Namespace, folder: Path) -> dict[str, dict[int, list[Load]]]:
    """Every round of every contender at every number of connections."""
    subject = make(folder, options.network)
    there = [one for one in contenders(subject, folder) if not options.only or one.name.split(",")[0] in options.only]
    with ExitStack() as servers:
        for number, contender in enumerate(there):
            if contender.command:
                servers.enter_context(running(contender, folder / f"log-{number}"))
            check(contender, subject)
            load(contender.url, contender.payload, folder / "body", 8, WARM_UP)
        found: dict[str, dict[int, list[Load]]] = {one.name: {c: [] for c in CONNECTIONS} for one in there}
        for connections in CONNECTIONS:
            for _ in range(options.rounds):
                for one in there:
                    found[one.name][connections].append(
                        load(one.url, one.payload, folder / "body", connections, options.seconds)
                    )
    return found


def show(found: dict[str, dict[int, list[Load]]]) -> None:
    """The table, of medians."""
    print(f"{'requests/s, p99':<18}" + "".join(f"{f'{c} connections':>24}" for c in CONNECTIONS))
    for name, loads in found.items():
        cells = (
            (median(one.rate for one in rounds), median(one.p99_ms for one in rounds)) for rounds in loads.values()
        )
        print(f"{name:<18}" + "".join(f"{rate:>12.0f}, {p99:>6.1f} ms" for rate, p99 in cells))


def ratios(found: dict[str, dict[int, list[Load]]]) -> dict[str, float]:
    """Ours beside the others at 32 connections."""
    at_32 = {name: loads[32] for name, loads in found.items()}
    mlserver = max(at_32["MLServer"], at_32["MLServer, pool"], key=lambda rounds: median(one.rate for one in rounds))

    def ratio(ours: str, other: list[Load], value: Callable[[Load], float]) -> float:
        return round(median(value(a) / value(b) for a, b in zip(at_32[ours], other, strict=True)), 2)

    return {
        "vs_mlserver_c32": ratio("ours", mlserver, lambda one: one.rate),
        "vs_raw_c32": ratio("ours", at_32["raw limit"], lambda one: one.rate),
        "p99_vs_mlserver_c32": ratio("ours", mlserver, lambda one: one.p99_ms),
        "binary_vs_json_c32": ratio("ours, binary", at_32["ours"], lambda one: one.rate),
    }


def main() -> int:
    """Measure, compare, say."""
    arguments = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    arguments.add_argument("--seconds", type=int, default=2, help="of each run of wrk")
    arguments.add_argument("--rounds", type=int, default=5, help="runs at each number of connections")
    arguments.add_argument(
        "--network", type=Path, help="a trial's model.onnx of 28 x 28 pixels and ten classes (default: a small network)"
    )
    arguments.add_argument(
        "--only", action="append", help="measure these alone, for example: --only ours --only 'raw limit'"
    )
    options = arguments.parse_args()
    if not shutil.which("wrk"):
        raise SystemExit("wrk is missing; on Debian and Ubuntu: apt-get install wrk")
    with tempfile.TemporaryDirectory() as folder:
        found = measure(options, Path(folder))
    show(found)
    failed = {
        name: count
        for name, loads in found.items()
        if (count := sum(one.failed for rounds in loads.values() for one in rounds))
    }
    print("failed requests:", failed or 0)
    if not options.only:
        print(json.dumps(ratios(found)))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
