"""Time and peak memory of preparing made-up pictures and training on them for one epoch, under a limit of memory.

    uv run python -m benchmarks.memory
    uv run python -m benchmarks.memory --gigabytes 12 --limit 2048

Pictures are PNG files of SIDE x SIDE pixels in colour; their size is counted once decoded. The trial runs in a memory
cgroup of its own (v2 or v1, which needs root), whose limit includes the pages of files that it has read or written. The
peak is that of the process (VmHWM), from the trial's card. All that is made is removed.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from io import BytesIO
from pathlib import Path

import numpy as np
from atelier_store.layout import Store
from atelier_store.machine import CGROUP
from atelier_store.records import Card
from atelier_store.spec import Spec
from PIL import Image

from benchmarks.children import with_parent

SIDE = 128
CLASSES = 4
DIFFERENT = 256
"""So many pictures are drawn; the others are copies of their files."""

NETWORK = (
    *("stem_width=8", "stage1_width=8", "stage1_op=sep3", "stage1_stride=2"),
    *("stage2_depth=1", "stage2_width=16", "stage2_op=sep3", "batch=64"),
)


def picture(number: int) -> bytes:
    """A square in some colour on a gradient; its class is where the square is."""
    random, label = np.random.default_rng(number), number % CLASSES
    pixels = np.repeat(np.linspace(0, 120, SIDE, dtype=np.uint8)[:, None, None], SIDE, 1).repeat(3, 2)
    y, x, half = label // 2 * SIDE // 2, label % 2 * SIDE // 2, SIDE // 2
    pixels[y : y + half, x : x + half] += random.integers(40, 130, 3, dtype=np.uint8)
    file = BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def make(folder: Path, count: int) -> None:
    """So many files, in a folder for each class."""
    contents = [picture(number) for number in range(DIFFERENT)]
    for label in range(CLASSES):
        (folder / f"c{label}").mkdir(parents=True)
    for number in range(count):
        (folder / f"c{number % CLASSES}" / f"{number}.png").write_bytes(contents[number % DIFFERENT])


def profile(folder: Path) -> Spec:
    """A search on these pictures, for one epoch."""
    search = {"name": "memory", "parameters": [], "maxTrialCount": 1, "maxFailedTrialCount": 0}
    data = {"source": "images", "files": {"train": {"path": str(folder)}}}
    return Spec.model_validate(
        {"experiment": search | {"earlyStopping": {"algorithmName": "none"}}, "trainer": {"data": data, "maxEpochs": 1}}
    )


@contextmanager
def limited(mebibytes: int) -> Iterator[Path | None]:
    """The folder of a memory cgroup with this limit; without root, or on another system, there is none."""
    is_v2 = (CGROUP / "cgroup.controllers").exists()
    group = (CGROUP if is_v2 else CGROUP / "memory") / f"atelier-benchmark-{os.getpid()}"
    try:
        group.mkdir()
        (group / ("memory.max" if is_v2 else "memory.limit_in_bytes")).write_text(str(mebibytes * 2**20))
    except OSError as error:
        print(f"no cgroup: {error}; the limit is not enforced")
        yield None
        return
    try:
        yield group
    finally:
        group.rmdir()


def charged(group: Path) -> float:
    """MiB charged to a cgroup at most, pages of files included."""
    peaks = [group / name for name in ("memory.peak", "memory.max_usage_in_bytes")]
    return next(int(path.read_text()) / 2**20 for path in peaks if path.exists())


def measure(pictures: Path, folder: Path, limit: int) -> None:
    """Run one trial below the limit, in MiB, and print what it took."""
    spec = folder / "spec.json"
    profile(pictures).write(spec)
    store = Store(folder / "store")
    command = [sys.executable, "-m", "atelier_trainer", "--spec", str(spec), "--store", str(store.root), "--trial", "t"]
    started = time.monotonic()
    with limited(limit) as group:
        enter = None if group is None else partial((group / "cgroup.procs").write_text, "0")
        run = subprocess.run(
            [*command, *NETWORK], stdout=subprocess.DEVNULL, preexec_fn=with_parent(enter), check=False
        )
        seconds = time.monotonic() - started
        with_files = None if group is None else charged(group)
    if run.returncode:
        sys.exit(f"the trial ended with {run.returncode} after {seconds:.0f} s")
    (paths,) = store.trials()
    card = Card.read(paths.card)
    held = sum(file.stat().st_size for file in (store.root / "data").rglob("*.npy"))
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(f"{held / 1e9:.2f} GB of prepared pictures, a limit of {limit} MiB, one epoch: {card.metrics}")
    print(f"  {seconds:.0f} s, {used.ru_utime + used.ru_stime:.0f} s of CPU")
    print(f"  peak of the trial {(card.peak_memory_bytes or 0) / 2**20:.0f} MiB")
    if with_files is not None:
        print(f"  charged to its cgroup at most {with_files:.0f} MiB, with pages of files")


def main() -> None:
    """Make pictures, measure, remove them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gigabytes", type=float, default=0.3, help="of decoded pictures")
    parser.add_argument("--limit", type=int, default=1024, help="MiB")
    parser.add_argument("--folder", type=Path, help="for pictures and store, by default a temporary one")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=asked.folder) as name:
        folder, started = Path(name), time.monotonic()
        count = round(asked.gigabytes * 1e9 / (SIDE * SIDE * 3))
        make(folder / "pictures", count)
        print(f"{count:,} pictures made in {time.monotonic() - started:.0f} s")
        measure(folder / "pictures", folder, asked.limit)


if __name__ == "__main__":
    main()
