"""Kill a promotion before each of its writes, under a running server: is the model ever wrong, or a prediction lost?

    uv run python -m benchmarks.promotion_kills --every 1

Trains two small trials on digits. Each round begins with a served version, and does one thing in a process that is
killed by SIGKILL before its Nth step that changes the file system; looks at what is there; and does it again. N grows
until it runs through. Before a file is synced it is also cut to half, as a power failure may leave it. What is done:
the newer version is promoted by policy; it is refused as worse; a person goes back to the older one. One server follows
all rounds and is asked all the while.

A pointer is wrong if it is torn, names neither version, or names one that does not verify. An end is wrong if the
second attempt fails, does not end on the right version, does not leave exactly one whole line of history for each
change of the pointer, with who and why, or leaves no decision. A prediction has failed as in swaps.py. Exit code 1 if
any of them.
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
from atelier_store.records import Current, Decision, Manifest, Promotion, TornRecord

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
def promoter(store: Store, how: str, what: str) -> Iterator[Callable[[int], str]]:
    """Promotes in a child that is killed before a step (0: never); the result is what became of it."""
    command = [sys.executable, str(HARNESS), MODEL, how, what]
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


@dataclass(frozen=True)
class Case:
    """One thing that is done again and again, from the same state: the served version and the history before it.

    after is the version that is served then; version the one that is there then, beside the served one; outcome what
    the policy decided, or had decided before a person did; why is part of the reason in the last line of history.
    """

    name: str
    how: str
    what: str
    before: Version
    after: Version
    version: Version
    history: bytes
    outcome: str
    why: str

    def reset(self, paths: ModelPaths) -> None:
        """Go back to the state before."""
        self.before.point(paths)
        paths.history.write_bytes(self.history)
        for left in (paths.decision, paths.next_history):
            left.unlink(missing_ok=True)
        if self.how != "version":
            shutil.rmtree(paths.versions / self.version.name, ignore_errors=True)

    def wrong_end(self, store: Store) -> str | None:
        """What is wrong after the second attempt."""
        paths = store.model(MODEL)
        if wrong := wrong_pointer(paths, {self.after.name}):
            return wrong
        lines, began = history.whole(paths.history.read_bytes()), history.whole(self.history)
        moves = [self.after.name] if self.after != self.before else []
        if [line.version for line in lines] != [line.version for line in began] + moves:
            return f"history says {[line.version for line in lines]}"
        if self.why not in lines[-1].reason or not lines[-1].promoted_by:
            return f"the last line of history says {lines[-1].reason!r}"
        if (there := {path.name for path in paths.versions.glob("[!.]*")}) != {self.before.name, self.version.name}:
            return f"versions are {there}"
        decision = Decision.read_if_whole(paths.decision)
        if self.outcome != (decision and decision.outcome):
            return f"the decision is {decision and decision.outcome}"
        if paths.next_history.exists():
            return f"{paths.next_history.name} is left"
        return "; ".join(f"{mismatch.path}: {mismatch.problem}" for mismatch in audit(store).mismatches) or None


@dataclass
class Found:
    """What the rounds came to."""

    rounds: int = 0
    on: Counter[str] = field(default_factory=Counter)
    pointers: list[str] = field(default_factory=list)
    ends: list[str] = field(default_factory=list)


def kill(store: Store, case: Case, every: int, found: Found) -> None:
    """Every round of a case, and then one that is not killed."""
    paths = store.model(MODEL)
    with promoter(store, case.how, case.what) as promote:
        for step in count(1, every):
            case.reset(paths)
            came_to = promote(step)
            if came_to != "killed":
                break
            found.rounds += 1
            if wrong := wrong_pointer(paths, {case.before.name, case.after.name}):
                found.pointers.append(f"{case.name}, step {step}: {wrong}")
            else:
                found.on[Current.read(paths.current).version] += 1
            again = promote(0)
            wrong = case.wrong_end(store) if again.startswith("done") else f"promotion {again}"
            if wrong:
                found.ends.append(f"{case.name}, step {step}: {wrong}")
    if wrong := case.wrong_end(store) if came_to.startswith("done") else f"promotion {came_to}":
        found.ends.append(f"{case.name}, not killed: {wrong}")
    print(f"{case.name}: rounds up to step {step}, then {came_to}", flush=True)


def cases(store: Store) -> tuple[list[Case], np.ndarray]:
    """Every case, after training what they need; and the pictures to ask for."""
    paths = store.model(MODEL)
    names = [train_and_promote(store, width) for width in WIDTHS]
    lines = history.whole(paths.history.read_bytes())
    whole = paths.history.read_bytes()
    with np.load(paths.version(names[0]).reference, allow_pickle=False) as reference:
        pictures = reference["input"]
    old, new = (version(paths, name, pictures) for name in names)
    first = whole[: whole.index(b"\n") + 1]
    measured = ((line.version, Promotion.read(paths.version(line.version).promotion).metric) for line in lines)
    scores = {name: metric for name, metric in measured if metric is not None}
    if scores[old.name] == scores[new.name]:
        raise RuntimeError("the two versions have the same score: none of them would be refused")
    better, worse = (old, new) if scores[old.name] > scores[new.name] else (new, old)
    experiments = {line.version: line.experiment for line in lines}
    until_better = first if better == old else whole
    return [
        Case(
            "promoted", "always", experiments[new.name], old, new, new, first, "promoted", "promotion.policy is always"
        ),
        Case("refused", "neverWorse", experiments[worse.name], better, better, worse, until_better, "worse", "best "),
        Case("gone back", "version", old.name, new, old, old, whole, "promoted", f"version {old.name} was chosen"),
    ], pictures


def main() -> int:
    """All rounds of all cases, under one server."""
    arguments = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    arguments.add_argument(
        "--every", type=int, default=1, help="kill before the first step, and then before one of so many"
    )
    options = arguments.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder))
        paths = store.model(MODEL)
        every_case, pictures = cases(store)
        versions = {v.name: v for case in every_case for v in (case.before, case.version)}
        kept = Path(folder) / "kept"
        shutil.copytree(paths.versions, kept)
        found = Found()
        with server(store) as url:
            client = Client(url, versions, pictures)
            with asking(client):
                for case in every_case:
                    for name in versions:  # a case before has removed one
                        if not (paths.versions / name).exists():
                            shutil.copytree(kept / name, paths.versions / name)
                    kill(store, case, options.every, found)
    print(f"{found.rounds} rounds; pointer after the kill: {dict(found.on)}")
    print(f"{sum(client.answers.values())} predictions, by version {dict(client.answers)}")
    for wrong in (*found.pointers, *found.ends, *client.failed[:5]):
        print(f"  wrong: {wrong}")
    print(
        f"wrong pointers: {len(found.pointers)}; wrong ends: {len(found.ends)}; "
        f"failed predictions: {len(client.failed)}"
    )
    return 1 if found.pointers or found.ends or client.failed else 0


if __name__ == "__main__":
    sys.exit(main())
