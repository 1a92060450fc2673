"""Kill trials at random moments and let them go on: are the final weights those of an uninterrupted run, bit for bit?

    uv run python -m benchmarks.kills --rounds 50

Each round starts the trial program in a fresh store, sends one signal at a moment drawn from the whole length of an
uninterrupted run, and runs the trial again until it is done. Rounds alternate SIGKILL and SIGTERM. Prints a table of
where the signals struck; exit code 1 if any digest differs.
"""

from __future__ import annotations

import argparse
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from atelier_store.curve import read_curve
from atelier_store.records import Card

from benchmarks.trials import PARAMS, digits, start_trial, trial_of

MAX_EPOCHS = 48


@dataclass(frozen=True)
class Round:
    """One trial, struck once. where says what the store showed right after the signal."""

    signal: signal.Signals
    where: str
    exit_code: int
    digests: tuple[str | None, str | None]


def start(store: Path) -> subprocess.Popen[str]:
    """The trial, new or resumed."""
    return start_trial(digits(MAX_EPOCHS), store, *PARAMS)


def final_digests(store: Path) -> tuple[str | None, str | None]:
    """Digests of the final weights and of the ONNX file."""
    trial = trial_of(store)
    card = Card.read(trial.card) if trial else None
    return (card.weights_sha256, card.files.get("model/model.onnx")) if card else (None, None)


def where(store: Path) -> str:
    """How far the trial had come."""
    trial = trial_of(store)
    card = Card.read_if_whole(trial.card) if trial else None
    if trial is None or card is None:
        return "before training"
    if card.status != "running":
        return f"after it had {card.status}"
    epochs = len(read_curve(trial.metrics))
    return f"epochs {epochs // 12 * 12}-{epochs // 12 * 12 + 11}" if epochs < MAX_EPOCHS else "during export"


def strike(index: int, seconds: float, folder: Path) -> Round:
    """One round."""
    number = signal.SIGKILL if index % 2 else signal.SIGTERM
    store = folder / str(index)
    process = start(store)
    try:
        process.wait(random.Random(index).uniform(0.0, seconds))
    except subprocess.TimeoutExpired:
        process.send_signal(number)
    code = process.wait(30)
    struck = where(store)
    for _ in range(3):
        if start(store).wait() == 0 and final_digests(store)[0] is not None:
            break
    return Round(number, struck, code, final_digests(store))


def main() -> int:
    """Run all rounds, two at a time."""
    arguments = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    arguments.add_argument("--rounds", type=int, default=50, help="rounds of each signal")
    rounds = arguments.parse_args().rounds
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(2) as pool:
        both = [Path(folder) / name for name in ("first", "second")]
        started = time.monotonic()
        for process in [start(store) for store in both]:
            process.wait()
        seconds = time.monotonic() - started
        expected = final_digests(both[0])
        if expected[0] is None or final_digests(both[1]) != expected:
            sys.stdout.write("two uninterrupted runs differ\n")
            return 1
        sys.stdout.write(f"uninterrupted: {seconds:.1f} s, weights {expected[0][:16]}\n")
        done = list(pool.map(lambda index: strike(index, seconds, Path(folder)), range(2 * rounds)))
    equal = sum(r.digests == expected for r in done)
    for (name, struck), count in sorted(Counter((r.signal.name, r.where) for r in done).items()):
        sys.stdout.write(f"{name:8} {struck:22} {count}\n")
    wrong_exit = [r for r in done if r.signal == signal.SIGTERM and r.exit_code not in (0, -signal.SIGTERM)]
    sys.stdout.write(
        f"equal digests: {equal} of {len(done)}; SIGTERM with another exit code than 0: {len(wrong_exit)}\n"
    )
    return 0 if equal == len(done) and not wrong_exit else 1


if __name__ == "__main__":
    sys.exit(main())
