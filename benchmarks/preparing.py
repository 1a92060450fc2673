"""Time and peak memory of preparing a table, as a ratio to polars reading the same file.

    uv run python -m benchmarks.preparing
    uv run python -m benchmarks.preparing --table numbers --format parquet

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
import polars as pl

from benchmarks.children import with_parent

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
READ = {
    of: MEASURED.format(imports="import polars as pl", step=f"assert {read}.height")
    for of, read in (("csv", "pl.read_csv(path, try_parse_dates=True)"), ("parquet", "pl.read_parquet(path)"))
}
PREPARE = MEASURED.format(
    imports="""from pathlib import Path
from atelier_store.layout import Store
from atelier_store.spec import Data
from atelier_trial.data import prepare
import polars""",
    step="""data = Data.model_validate({"source": "table", "target": "y", "files": {"train": {"path": path}}})
prepare(data, Store(Path(folder)), Path("/"), None, 0)""",
)


def frame(rows: int, table: str) -> pl.DataFrame:
    """Six numbers, three categories and a date, with gaps, and a class; or twenty numbers and a class."""
    random = np.random.default_rng(0)
    label = pl.Series("y", np.where(random.random(rows) < 0.5, "no", "yes"))
    if table == "numbers":
        return pl.DataFrame({f"n{n}": random.normal(size=rows).round(4) for n in range(20)}).with_columns(label)
    gaps = (pl.Series(random.random(rows) < 0.05) for _ in range(6))
    numbers = [
        pl.Series(f"n{n}", random.normal(size=rows).round(4)).set(is_gap, None) for n, is_gap in enumerate(gaps, 1)
    ]
    words = [
        pl.Series(name, random.choice([f"{name}{number}" for number in range(count)], rows))
        for name, count in (("colour", 5), ("shop", 80), ("town", 900))
    ]
    days = np.datetime64("2020-01-01T00:00") + random.integers(0, 10**6, rows).astype("timedelta64[m]")
    return pl.DataFrame([*numbers, *words, pl.Series("day", np.datetime_as_string(days)), label])


def write(path: Path, rows: int, table: str) -> None:
    """Such a table as CSV or Parquet, by the end of the name."""
    of = frame(rows, table)
    if path.suffix == ".csv":
        of.write_csv(path)
    else:
        of.write_parquet(path)


def measure(code: str, path: Path) -> dict[str, float]:
    """Seconds, of them those of the CPU, and MiB of the peak and before."""
    with tempfile.TemporaryDirectory() as folder:
        run = subprocess.run(
            [sys.executable, "-c", code, str(path), folder],
            check=True,
            capture_output=True,
            text=True,
            preexec_fn=with_parent(),
        )
    found: dict[str, float] = json.loads(run.stdout)
    return found


def main() -> None:
    """Print what each size takes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, nargs="*", default=ROWS)
    parser.add_argument("--table", choices=["mixed", "numbers"], default="mixed")
    parser.add_argument("--format", choices=["csv", "parquet"], default="csv")
    asked = parser.parse_args()
    for rows in asked.rows:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / f"t.{asked.format}"
            write(path, rows, asked.table)
            read, prepared = measure(READ[asked.format], path), measure(PREPARE, path)
            print(f"{rows:,} rows, {asked.table}, {path.stat().st_size / 1e6:.0f} MB of {asked.format}")
            for name, of in (("polars", read), ("prepare", prepared)):
                print(
                    f"  {name}: {of['seconds']:.2f} s, {of['cpu']:.2f} of CPU, "
                    f"peak {of['mebibytes']:.0f} MiB ({of['imports']:.0f} of imports)"
                )
            seconds, cpu, memory = (prepared[key] / read[key] for key in ("seconds", "cpu", "mebibytes"))
            print(f"  ratio: {seconds:.1f} times the time, {cpu:.1f} of CPU, {memory:.1f} times the memory")


if __name__ == "__main__":
    main()
