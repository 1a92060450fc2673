"""What a row of a mixed table costs the server, beside a row of as many numbers.

    uv run python -m benchmarks.mixed_rows

Two tables of 30 columns and a class: numbers alone; and 15 numbers with gaps, 12 words and 3 dates. One network of each
is trained for an epoch and served by one process. The cost is its CPU time for one request, in rounds that take turns;
the time of a request's client does not count.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import polars as pl
import yaml
from atelier_store.layout import Store

from benchmarks.children import with_parent
from tests.support.server_process import Server, eventually, serving, workers

COLUMNS, NUMBERS, WORDS = 30, 15, 12
TRAINED = 2_000
"""Rows that a network is trained on."""


def frame(is_mixed: bool, rows: int = TRAINED) -> pl.DataFrame:
    """The features and a class."""
    random = np.random.default_rng(0)
    numbers = random.normal(size=(rows, COLUMNS)).round(4)
    columns = {f"number {at}": pl.Series(numbers[:, at]) for at in range(NUMBERS if is_mixed else COLUMNS)}
    if is_mixed:
        is_gap = random.random((rows, NUMBERS)) < 0.05
        columns = {
            name: column.set(pl.Series(is_gap[:, at]), None) for at, (name, column) in enumerate(columns.items())
        }
        for at in range(WORDS):
            levels = [f"level {level}" for level in range(2 + 3 * at)]
            columns[f"word {at}"] = pl.Series(random.choice(levels, rows))
        for at in range(COLUMNS - NUMBERS - WORDS):
            days = np.datetime64("2020-01-01T00:00") + random.integers(0, 10**6, rows).astype("timedelta64[m]")
            columns[f"date {at}"] = pl.Series(np.datetime_as_string(days))
    return pl.DataFrame(columns).with_columns(pl.Series("label", np.where(numbers[:, 0] > 0, "yes", "no")))


def trained(folder: Path, name: str, of: pl.DataFrame) -> Store:
    """A store that serves one network of this table."""
    of.write_csv(folder / f"{name}.csv")
    data = {"source": "table", "target": "label", "files": {"train": {"path": f"{name}.csv"}}}
    width = {"name": "stem_width", "parameterType": "discrete", "feasibleSpace": {"list": [64]}}
    profile = {
        "experiment": {"name": name, "maxTrialCount": 1, "parameters": [width]},
        "trainer": {"data": data, "maxEpochs": 1},
    }
    (folder / f"{name}.yaml").write_text(yaml.safe_dump(profile))
    command = [sys.executable, "-m", "atelier_cli", "up", "-f", f"{name}.yaml", "--store", name, "--no-serve"]
    subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL, preexec_fn=with_parent())
    return Store(folder / name)


def body(of: pl.DataFrame, rows: int) -> bytes:
    """A request for the first rows."""
    return json.dumps({"instances": of.drop("label").head(rows).to_dicts()}).encode()


def cost(server: Server, content: bytes, requests: int) -> float:
    """CPU seconds of one request."""
    before = _cpu(server)
    for _ in range(requests):
        server.client.post("/predict", content=content, headers={"content-type": "application/json"}).raise_for_status()
    return (_cpu(server) - before) / requests


def _cpu(server: Server) -> float:
    threads = [thread for pid in workers(server) for thread in Path(f"/proc/{pid}/task").iterdir()]
    return sum(int((thread / "schedstat").read_text().split()[0]) for thread in threads) / 1e9


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the cost of both, and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=1000, help="of one row, in a round")
    parser.add_argument("--rounds", type=int, default=5)
    asked = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        frames = {"numbers": frame(False), "mixed": frame(True)}
        servers: dict[str, Server] = {}
        for of, table in frames.items():
            store = trained(folder, of, table)
            servers[of] = stack.enter_context(serving(store, of, "--workers", "1", preexec_fn=with_parent()))
        for server in servers.values():
            eventually(server.is_ready)
        for rows in (1, 100):
            costs: dict[str, list[float]] = {of: [] for of in frames}
            for _ in range(asked.rounds):
                for of, server in servers.items():
                    requests = max(10, asked.requests // rows)
                    costs[of].append(cost(server, body(frames[of], rows), requests))
            _report(rows, {of: median(found) for of, found in costs.items()})


def _report(rows: int, costs: dict[str, Any]) -> None:
    shown = ", ".join(f"{of} {1e6 * seconds / rows:.0f} µs" for of, seconds in costs.items())
    print(f"{rows} rows a request: {shown} of CPU a row, ratio {costs['mixed'] / costs['numbers']:.2f}", flush=True)


if __name__ == "__main__":
    main()
