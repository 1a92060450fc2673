"""Time and peak memory of preparing a table, as a ratio to polars reading the same CSV.

    uv run python -m benchmarks.preparing

Each step runs in a process of its own, which reports its own peak. polars finds the types and counts the rows.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

ROWS = (20_000, 2_000_000)
MEASURED = """
import json, sys, time
{imports}
path, folder = sys.argv[1:]


def peak():
    return int(open("/proc/self/status").read().partition("VmHWM:")[2].split()[0]) / 1024


before = peak()
start, worked = time.perf_counter(), time.process_time()
{step}
seconds, cpu = time.perf_counter() - start, time.process_time() - worked
print(json.dumps({{"seconds": seconds, "cpu": cpu, "mebibytes": peak(), "imports": before}}))
"""
READ = MEASURED.format(imports="import polars as pl", step="assert pl.read_csv(path, try_parse_dates=True).height")
PREPARE = MEASURED.format(
    imports="""from pathlib import Path
from atelier_store.layout import Store
from atelier_store.spec import Data
from atelier_trial.data import prepare
import polars""",
    step="""data = Data.model_validate({"source": "table", "target": "y", "files": {"train": {"path": path}}})
prepare(data, Store(Path(folder)), Path("/"), None, 0)""",
)


def write(path: Path, rows: int) -> None:
    """Six numbers, three categories and a date, with gaps, and a class."""
    random = np.random.default_rng(0)
    numbers = random.normal(size=(rows, 6)).round(4).astype(str)
    numbers[random.random((rows, 6)) < 0.05] = ""
    words = [
        random.choice([f"{prefix}{number}" for number in range(count)], rows)
        for prefix, count in (("colour", 5), ("shop", 80), ("town", 900))
    ]
    days = (np.datetime64("2020-01-01T00:00") + random.integers(0, 10**6, rows).astype("timedelta64[m]")).astype(str)
    label = np.where(random.random(rows) < 0.5, "no", "yes")
    columns = [*numbers.T, *words, days, label]
    with path.open("w") as file:
        file.write("n1,n2,n3,n4,n5,n6,colour,shop,town,day,y\n")
        file.writelines(",".join(row) + "\n" for row in zip(*(column.tolist() for column in columns), strict=True))


def measure(code: str, path: Path) -> dict[str, float]:
    """Seconds, of them those of the CPU, and MiB of the peak and before."""
    with tempfile.TemporaryDirectory() as folder:
        run = subprocess.run(
            [sys.executable, "-c", code, str(path), folder], check=True, capture_output=True, text=True
        )
    found: dict[str, float] = json.loads(run.stdout)
    return found


def main() -> None:
    """Print what each size takes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, nargs="*", default=ROWS)
    for rows in parser.parse_args().rows:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "t.csv"
            write(path, rows)
            read, prepared = measure(READ, path), measure(PREPARE, path)
            print(f"{rows:,} rows, {path.stat().st_size / 1e6:.0f} MB")
            for name, of in (("polars", read), ("prepare", prepared)):
                print(
                    f"  {name}: {of['seconds']:.2f} s, {of['cpu']:.2f} of CPU, "
                    f"peak {of['mebibytes']:.0f} MiB ({of['imports']:.0f} of imports)"
                )
            seconds, cpu, memory = (prepared[key] / read[key] for key in ("seconds", "cpu", "mebibytes"))
            print(f"  ratio: {seconds:.1f} times the time, {cpu:.1f} of CPU, {memory:.1f} times the memory")


if __name__ == "__main__":
    main()
