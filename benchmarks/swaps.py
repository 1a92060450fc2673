"""Does a promotion ever cost a request? Predictions at a fixed rate while the pointer moves between two versions.

    uv run python -m benchmarks.swaps --rate 200 --seconds 60 --flips 20

Trains and promotes two small trials on digits, starts the server, and asks it over loopback. The loop is open: a
request starts when its time has come, whatever became of those before it, and its latency counts from that time. A
request has failed if it gave an exception, another status than 200, a version that is neither of the two, or
probabilities that ONNX Runtime does not give for that version and picture. Exit code 1 if one failed or a flip was not
seen in the answers.
"""

from __future__ import annotations

import argparse
import asyncio
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import onnxruntime as ort
from atelier_server.promotion.promote import promoter
from atelier_store.clock import now
from atelier_store.files import sha256_file
from atelier_store.layout import ModelPaths, Store
from atelier_store.records import Current

from benchmarks.children import with_parent
from benchmarks.trials import PARAMS, digits, start_trial

MODEL = "digits"
EPOCHS = 3
WIDTHS = (16, 32)
TOLERANCE = 1e-4


@dataclass(frozen=True)
class Answer:
    """What became of one request. due and latency in seconds; wrong says what is, and is None if nothing is."""

    due: float
    latency: float
    version: str | None
    wrong: str | None


@dataclass(frozen=True)
class Version:
    """A promoted version and the probabilities (N, K) that belong to the pictures that are asked for."""

    name: str
    manifest_sha256: str
    probabilities: np.ndarray

    def point(self, paths: ModelPaths) -> None:
        """Make this the current version, as promotion does."""
        Current(model=MODEL, version=self.name, manifest_sha256=self.manifest_sha256, promoted_at=now()).write(
            paths.current
        )


def train_and_promote(store: Store, width: int) -> str:
    """The version that a trial of this width becomes."""
    spec = digits(EPOCHS)
    spec = spec.model_copy(update={"experiment": spec.experiment.model_copy(update={"name": f"width-{width}"})})
    params = [f"stage1_width={width}" if param.startswith("stage1_width=") else param for param in PARAMS]
    if code := start_trial(spec, store.root, *params).wait():
        raise RuntimeError(f"the trial of width {width} ended with exit code {code}")
    return promoter(store.model(MODEL)).best(spec.experiment_name, "always").promotion.version


def version(paths: ModelPaths, name: str, pictures: np.ndarray) -> Version:
    """What the version's network says of the pictures, outside the server."""
    bundle = paths.version(name)
    session = ort.InferenceSession(bundle.network, providers=["CPUExecutionProvider"])
    [probabilities] = session.run(None, {session.get_inputs()[0].name: pictures})
    return Version(name, sha256_file(bundle.manifest), probabilities)


@contextmanager
def server(store: Store) -> Iterator[str]:
    """The address of a server process."""
    log = store.root / "server.log"
    command = [
        sys.executable,
        "-m",
        "atelier_server",
        "serve",
        "--store",
        str(store.root),
        "--model",
        MODEL,
        "--port",
        "0",
    ]
    with log.open("wb") as file:
        process = subprocess.Popen(command, stdout=file, stderr=file, preexec_fn=with_parent())
    try:
        while not (found := re.search(r" on (http://\S+)", log.read_text())):
            if process.poll() is not None:
                raise RuntimeError(log.read_text())
            time.sleep(0.05)
        yield found[1]
    finally:
        process.terminate()
        if code := process.wait(60):
            raise RuntimeError(f"the server ended with exit code {code}:\n{log.read_text()}")


def check(response: httpx.Response, index: int, versions: dict[str, Version]) -> str | None:
    """What is wrong with the answer for one picture."""
    if response.status_code != 200:
        return f"status {response.status_code}: {response.text}"
    answer: dict[str, Any] = response.json()
    if answer["version"] not in versions:
        return f"version {answer['version']}"
    given = list(answer["predictions"][0]["probabilities"].values())
    expected = versions[answer["version"]].probabilities[index]
    if not np.allclose(given, expected, rtol=0, atol=TOLERANCE):
        return f"probabilities {given} are not those of version {answer['version']}"
    return None


async def ask(
    client: httpx.AsyncClient, bodies: list[dict[str, Any]], number: int, due: float, versions: dict[str, Version]
) -> Answer:
    """One request, begun at its time."""
    await asyncio.sleep(due - time.perf_counter())
    index = number % len(bodies)
    try:
        response = await client.post("/predict", json=bodies[index])
        latency = time.perf_counter() - due
        wrong = check(response, index, versions)
        return Answer(due, latency, None if wrong else response.json()["version"], wrong)
    except Exception as error:
        return Answer(due, time.perf_counter() - due, None, repr(error))


async def flip(paths: ModelPaths, versions: list[Version], flips: int, seconds: float) -> None:
    """Move the pointer to and fro, evenly over the time."""
    for number in range(1, flips + 1):
        await asyncio.sleep(seconds / (flips + 1))
        await asyncio.to_thread(versions[number % 2].point, paths)


async def load(
    url: str, paths: ModelPaths, versions: list[Version], pictures: np.ndarray, options: argparse.Namespace
) -> list[Answer]:
    """All answers, in the order in which they were due."""
    bodies = [{"instances": [picture]} for picture in pictures.tolist()]
    by_name = {v.name: v for v in versions}
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=64)
    async with httpx.AsyncClient(base_url=url, limits=limits, timeout=30) as client:
        start = time.perf_counter() + 0.5
        due = [start + number / options.rate for number in range(int(options.rate * options.seconds))]
        flipping = asyncio.create_task(flip(paths, versions, options.flips, options.seconds))
        answers = await asyncio.gather(*(ask(client, bodies, number, at, by_name) for number, at in enumerate(due)))
        await flipping
    return answers


def report(answers: list[Answer], flips: int) -> int:
    """Print what happened; the result is the exit code."""
    failed = [answer for answer in answers if answer.wrong]
    latencies = np.array([answer.latency for answer in answers]) * 1000
    p50, p95, p99 = np.percentile(latencies, (50, 95, 99))
    answered = [answer.version for answer in answers if answer.version]
    swaps = sum(before != after for before, after in pairwise(answered))
    span = max(a.due + a.latency for a in answers) - min(a.due for a in answers)
    print(
        f"{len(answers)} requests in {span:.1f} s, {flips} flips of the pointer, "
        f"{swaps} changes of version in the order of requests"
    )
    print(
        f"latency from the due time: p50 {p50:.1f} ms, p95 {p95:.1f} ms, "
        f"p99 {p99:.1f} ms, longest {latencies.max():.1f} ms"
    )
    print("answers per version:", ", ".join(f"{name} {count}" for name, count in sorted(Counter(answered).items())))
    for answer in failed[:5]:
        print(f"  failed: {answer.wrong}")
    print(f"failed requests: {len(failed)}")
    return 1 if failed or swaps < flips else 0


def main() -> int:
    """Train, promote, ask, flip, count."""
    arguments = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    arguments.add_argument("--rate", type=float, default=200.0, help="requests per second")
    arguments.add_argument("--seconds", type=float, default=60.0)
    arguments.add_argument("--flips", type=int, default=20)
    options = arguments.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder))
        paths = store.model(MODEL)
        names = [train_and_promote(store, width) for width in WIDTHS]
        with np.load(paths.version(names[0]).reference, allow_pickle=False) as reference:
            pictures = reference["input"]
        first, second = (version(paths, name, pictures) for name in names)
        if np.abs(first.probabilities - second.probabilities).max(axis=1).min() < 10 * TOLERANCE:
            raise RuntimeError("the two versions say the same of a picture: answers could not be told apart")
        first.point(paths)
        with server(store) as url:
            httpx.get(f"{url}/model").raise_for_status()
            answers = asyncio.run(load(url, paths, [first, second], pictures, options))
    return report(answers, options.flips)


if __name__ == "__main__":
    sys.exit(main())
