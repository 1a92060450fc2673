"""Kill a promotion before each of its writes, under a running server: is the model ever wrong, or a prediction lost?

    uv run python -m benchmarks.promotion_kills

Trains two small trials on digits. Each round points at the older version, promotes the newer in a process that is
killed by SIGKILL before its Nth step that changes the file system, looks at what is there, and promotes again; N grows
until a promotion runs through. Before a file is synced it is also cut to half, as a power failure may leave it. One
server follows all rounds and is asked all the while. A pointer is wrong if it is torn, names neither version, or names
one that does not verify. An end is wrong if the second promotion fails, does not end on the newer version, or does not
leave one whole line of history for it. A prediction has failed as in swaps.py. Exit code 1 if any of them.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import httpx
import numpy as np
from atelier_server.models.verification import verify
from atelier_store import history
from atelier_store.audit import audit
from atelier_store.files import sha256_file
from atelier_store.layout import ModelPaths, Store
from atelier_store.records import Current, HistoryLine, Manifest, TornRecord

from benchmarks.swaps import MODEL, WIDTHS, Version, check, server, train_and_promote, version

HARNESS = Path(__file__).parents[1] / "tests" / "support" / "killed_promotion.py"


@dataclass
class Client:
    """Asks the server without a pause, in a thread of its own, until it is stopped; answers counts them by version."""

    url: str
    versions: dict[str, Version]
    pictures: np.ndarray
    answers: Counter[str] = field(default_factory=Counter)
    failed: list[str] = field(default_factory=list)
    stopped: threading.Event = field(default_factory=threading.Event)

    def ask(self) -> None:
        """All requests."""
        bodies = [{"instances": [picture]} for picture in self.pictures.tolist()]
        with httpx.Client(base_url=self.url, timeout=30) as client:
            for number in count():
                index = number % len(bodies)
                try:
                    response = client.post("/predict", json=bodies[index])
                    wrong = check(response, index, self.versions)
                except httpx.HTTPError as error:
                    wrong = repr(error)
                if wrong:
                    self.failed.append(wrong)
                else:
                    self.answers[response.json()["version"]] += 1
                if self.stopped.wait(0.01):
                    return


@contextmanager
def asking(client: Client) -> Iterator[None]:
    """The client at work."""
    thread = threading.Thread(target=client.ask)
    thread.start()
    try:
        yield
    finally:
        client.stopped.set()
        thread.join()


@contextmanager
def promoter(experiment: str, store: Store) -> Iterator[Callable[[int], str]]:
    """Promotes in a child that is killed before a step (0: never); the result is what became of it."""
    command = [sys.executable, str(HARNESS), experiment, MODEL]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        stdin, stdout = process.stdin, process.stdout
        if stdin is None or stdout is None:
            raise RuntimeError("the harness has no pipes")

        def promote(step: int) -> str:
            stdin.write(f"{step} {store.root}\n")
            stdin.flush()
            return stdout.readline().strip()

        yield promote
        stdin.close()


def wrong_pointer(paths: ModelPaths, allowed: set[str]) -> str | None:
    """What is wrong with the pointer, or with the version that it names."""
    try:
        current = Current.read(paths.current)
        bundle = paths.version(current.version)
        manifest = Manifest.read(bundle.manifest)
    except (OSError, TornRecord) as error:
        return str(error)
    if current.version not in allowed or sha256_file(bundle.manifest) != current.manifest_sha256:
        return f"version {current.version}, manifest {current.manifest_sha256}"
    return "; ".join(verify(bundle, manifest)) or None


def promotions(paths: ModelPaths) -> list[HistoryLine]:
    """The whole lines of the model's history."""
    return [line for line in history.parse(paths.history.read_bytes()) if line is not None]


def wrong_end(store: Store, old: str, new: str) -> str | None:
    """What is wrong after the second promotion."""
    paths = store.model(MODEL)
    if wrong := wrong_pointer(paths, {new}):
        return wrong
    if (lines := [line.version for line in promotions(paths)]) != [old, new]:
        return f"history says {lines}"
    if (there := {path.name for path in paths.versions.glob("[!.]*")}) != {old, new}:
        return f"versions are {there}"
    return "; ".join(f"{mismatch.path}: {mismatch.problem}" for mismatch in audit(store).mismatches) or None


def main() -> int:
    """All rounds, under one server."""
    argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None).parse_args()
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder))
        paths = store.model(MODEL)
        old = train_and_promote(store, WIDTHS[0])
        first_history = paths.history.read_bytes()
        new = train_and_promote(store, WIDTHS[1])
        experiment = promotions(paths)[-1].experiment
        with np.load(paths.version(old).reference, allow_pickle=False) as reference:
            pictures = reference["input"]
        both = [version(paths, name, pictures) for name in (old, new)]

        def reset() -> None:
            both[0].point(paths)
            paths.history.write_bytes(first_history)
            shutil.rmtree(paths.versions / new, ignore_errors=True)

        reset()
        pointers, ends, found = [], [], Counter[str]()
        with server(store) as url, promoter(experiment, store) as promote:
            client = Client(url, {v.name: v for v in both}, pictures)
            with asking(client):
                for step in count(1):
                    came_to = promote(step)
                    if came_to != "killed":
                        break
                    if wrong := wrong_pointer(paths, {old, new}):
                        pointers.append(f"step {step}: {wrong}")
                    else:
                        found["newer" if Current.read(paths.current).version == new else "older"] += 1
                    again = promote(0)
                    if wrong := f"promotion {again}" if not again.startswith("done") else wrong_end(store, old, new):
                        ends.append(f"step {step}: {wrong}")
                    reset()
    print(
        f"{step - 1} rounds, then {came_to}; "
        f"pointer after the kill on the older version {found['older']}, on the newer {found['newer']}"
    )
    print(
        f"{sum(client.answers.values())} predictions, "
        f"of the older version {client.answers[old]}, of the newer {client.answers[new]}"
    )
    for wrong in (*pointers, *ends, *client.failed[:5]):
        print(f"  wrong: {wrong}")
    print(f"wrong pointers: {len(pointers)}; wrong ends: {len(ends)}; failed predictions: {len(client.failed)}")
    return 1 if pointers or ends or client.failed or not came_to.startswith("done") else 0


if __name__ == "__main__":
    sys.exit(main())
