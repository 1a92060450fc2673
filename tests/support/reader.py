"""A reader of the documentation: a folder with the files that the pages name, where shown commands run."""

from __future__ import annotations

import gzip
import os
import re
import shlex
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from contextlib import chdir
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np
from atelier_cli.__main__ import app
from atelier_store.layout import Store
from PIL import Image
from typer.testing import CliRunner

from tests.support.pages import named, words_of

DIGITS = """
experiment:
  maxTrialCount: 3
  earlyStopping: {algorithmSettings: [{name: min_epochs, value: 1}]}
  parameters:
    - {name: stage1_width, parameterType: discrete, feasibleSpace: {list: [8, 16]}}
    - {name: lr, parameterType: double, feasibleSpace: {min: 0.003, max: 0.02, distribution: logUniform}}
trainer:
  data: {source: sklearn, name: digits, limit: 300}
  maxEpochs: 3
"""


@dataclass(frozen=True)
class Reader:
    """Where a reader works."""

    folder: Path

    @property
    def store(self) -> Store:
        return Store(self.folder / "store")

    def start(self, line: str) -> subprocess.Popen[str]:
        """A shown command line as a process in this folder."""
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        environment |= dict(word.split("=", 1) for word in shlex.split(line) if re.match(r"[A-Z]+=", word))
        command = [str(Path(sys.executable).with_name("atelier")), *words_of(line)[3:]]
        return subprocess.Popen(
            command, cwd=self.folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )

    def run(self, line: str) -> str:
        """What a shown command line prints when it runs in this folder, in this process: its imports are done."""
        with chdir(self.folder):
            done = CliRunner().invoke(app, words_of(line)[3:])
        assert done.exit_code == 0, done.output
        return done.output


def write_files(place: Path) -> None:
    """The profiles and the modules that docs/ shows, and the files that they name."""
    for name, text in {**named("yaml"), **named("python")}.items():
        (place / name).write_text(text)
    (place / "digits.yaml").write_text(DIGITS)
    random = np.random.default_rng(0)
    Image.fromarray(random.integers(0, 256, (28, 28), dtype=np.uint8)).save(place / "seven.png")
    (place / "data").mkdir()
    (place / "data" / "flats.csv").write_text("".join(f"{line}\n" for line in flats()))
    (place / "data" / "passengers.csv").write_text("".join(f"{line}\n" for line in passengers()))
    np.savez(place / "data" / "heartbeats.npz", x=random.normal(size=(40, 16)), y=np.arange(40) % 2)
    for part, count in (("train", 40), ("test", 20)):
        write_idx(place / "data" / f"{part}-images-idx3-ubyte.gz", random.integers(0, 256, (count, 8, 8)))
        write_idx(place / "data" / f"{part}-labels-idx1-ubyte.gz", np.arange(count) % 4)
    leaves = place / "data" / "leaves"
    for part, tree in product(("train", "validation"), ("oak", "elm")):
        (leaves / part / tree).mkdir(parents=True)
        for number in range(3):
            picture = Image.fromarray(random.integers(0, 256, (8, 8, 3), dtype=np.uint8))
            picture.save(leaves / part / tree / f"{number}.png")
    with zipfile.ZipFile(leaves / "test.zip", "w") as archive:
        for path in (leaves / "train").rglob("*.png"):
            archive.write(path, path.relative_to(leaves / "train"))


def flats() -> Iterator[str]:
    yield "area,rooms,floor,rent"
    for number in range(120):
        area, floor = 25 + number * 37 % 90, number * 7 % 6
        rooms = 1 + area // 28
        yield f"{area},{rooms},{floor},{200 + 9 * area + 40 * rooms + 12 * floor + number * 53 % 41}"


def passengers() -> Iterator[str]:
    """Rows with words and gaps."""
    yield "age,port,survived"
    for number in range(60):
        age = number * 17 % 80 or ""
        yield f"{age},{('Southampton', 'Cherbourg', '')[number % 3]},{('no', 'yes')[number * 7 % 5 > 2]}"


def write_idx(path: Path, array: np.ndarray) -> None:
    header = bytes([0, 0, 8, array.ndim]) + b"".join(size.to_bytes(4, "big") for size in array.shape)
    path.write_bytes(gzip.compress(header + array.astype(np.uint8).tobytes()))
