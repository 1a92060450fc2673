"""Searches on tables with words and gaps, of which a profile says the target and its task, and nothing else.

    uv run --with lightgbm --with xgboost python -m benchmarks.mixed_tables --tables FOLDER

FOLDER holds CSV files of https://github.com/mwaskom/seaborn-data (titanic, penguins, taxis, mpg, diamonds, tips), and
two of more than 20,000 rows: adult.csv, the census income of UCI with the target "class", and housing.csv, California's
housing with ocean_proximity. The search space is that of rows by default. For each: the search's winner and boosted
trees on the same test rows, and how many rows the service answers as the training does, by JSON, CSV and the Open
Inference Protocol. The rows are those of the validation, each a second time with a gap in one of the columns, by turns,
and a third time with a word that training has not seen.
"""

from __future__ import annotations

import argparse
import csv
import io
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import torch
import yaml
from atelier_cli.profile import load
from atelier_store import columns as table
from atelier_store.columns import Inputs
from atelier_store.instances import instances
from atelier_store.layout import Store
from atelier_store.records import Column, Current, DataDescription, Manifest
from atelier_store.scores import scores
from atelier_store.spec import Spec, Task
from atelier_trainer import checkpoint
from atelier_trainer.export import session
from atelier_trainer.setup import set_up
from atelier_trial import baselines, data
from atelier_trial.request import Request, Trial
from numpy.typing import NDArray

from benchmarks.children import with_parent
from benchmarks.tables import tree
from tests.support.server_process import eventually, serving

LARGE = 3_000
"""Rows from which on a trial has fewer epochs.

With fewer rows costs do not lead the search, since large networks overfit, and it ends with an average of the best
five, since the best of so few validation rows is partly luck.
"""

MOST, FEWEST = 24, 6
"""Epochs of a trial of a large table."""

LEARNT_FROM = 200_000
"""Rows that a trial of a large table learns from in all its epochs together, about."""

CLOSE = 1e-5
"""How far a probability may be from training's, or a number, in standard deviations of the target; more is another."""

AT_ONCE = 1_000
"""Rows of a request."""

WORD = "a word of nobody"


@dataclass(frozen=True)
class Table:
    """A file and its target."""

    name: str
    target: str
    task: Task


TABLES = (
    Table("titanic", "survived", "classification"),
    Table("penguins", "species", "classification"),
    Table("adult", "class", "classification"),
    Table("tips", "tip", "regression"),
    Table("mpg", "mpg", "regression"),
    Table("taxis", "tip", "regression"),
    Table("housing", "median_house_value", "regression"),
    Table("diamonds", "price", "regression"),
)


def main() -> None:
    """A line for each table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tables", type=Path, required=True, help="where the CSV files are")
    parser.add_argument("--only", action="append", help="the name of a table; may be given several times")
    parser.add_argument("--trials", type=int, default=12)
    parser.add_argument("--parallel", type=int, default=2, help="trials at a time")
    parser.add_argument("--seed", type=int, action="append", help="trainer.seed, which also draws the test rows")
    parser.add_argument("--set", action="append", default=[], help="a value of the profile, as in atelier up")
    options = parser.parse_args()
    print("| table, seed | rows | metric | search | HistGradientBoosting | LightGBM | XGBoost | as trained | s |")
    print("|---|---|---|---|---|---|---|---|---|")
    for one in TABLES:
        if not options.only or one.name in options.only:
            measured = [measure_in_a_folder(one, seed, options) for seed in options.seed or [0]]
            if len(measured) > 1:
                print(mean_line(one, measured), flush=True)


@dataclass(frozen=True)
class Measured:
    """The test scores of the search and of the boosted trees, in the order of the columns."""

    metric: str
    numbers: Sequence[float]


def measure_in_a_folder(one: Table, seed: int, options: argparse.Namespace) -> Measured:
    """Measure one table with one seed, and print its line."""
    with tempfile.TemporaryDirectory() as folder:
        return measure(one, seed, Path(folder), options)


def mean_line(one: Table, measured: Sequence[Measured]) -> str:
    """The means of the seeds."""
    means = np.mean([of_seed.numbers for of_seed in measured], axis=0)
    numbers = " | ".join(f"{number:.4g}" for number in means)
    return f"| {one.name}, mean of {len(measured)} | | {measured[0].metric} | {numbers} | | |"


def measure(one: Table, seed: int, folder: Path, options: argparse.Namespace) -> Measured:
    """What the models came to on the test rows; its line says how many validation rows are served as trained too."""
    file = (options.tables / f"{one.name}.csv").resolve()
    with file.open("rb") as rows:
        count = sum(1 for _ in rows)
    (folder / "profile.yaml").write_text(yaml.safe_dump(profile(one, file, count, seed, options)))
    spec, store = load(folder / "profile.yaml", options.set).spec, Store(folder / "store")
    started = time.monotonic()
    command = [sys.executable, "-m", "atelier_cli", "up", "-f", "profile.yaml", "--store", "store", "--no-serve"]
    command += [part for value in options.set for part in ("--set", value)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, preexec_fn=with_parent())
    if done.returncode:
        raise SystemExit(done.stdout + done.stderr)
    seconds = time.monotonic() - started
    description = data.prepare(spec.trainer.data, store, folder, None, spec.trainer.seed)
    arrays = data.load(store, description)
    fraction, seed = spec.trainer.data.validation_fraction, spec.trainer.seed
    ((training, validation),) = data.parts(arrays, description, fraction, None, seed).splits
    metric = "test_rmse" if one.task == "regression" else "test_accuracy"
    x, y = arrays.train_x[training], arrays.train_y[training]
    version = store.model(spec.experiment.name).version(served_version(store, spec.experiment.name))
    manifest = Manifest.read(version.manifest)
    running = session(version.network.read_bytes(), 1)

    def answers(of: NDArray[np.float32]) -> NDArray[np.float32]:
        found: NDArray[np.float32] = running.run(None, table.inputs(np.asarray(of), manifest.columns or ()))[0]
        return found

    columns = manifest.columns or ()
    asked = with_gaps_and_unseen_words(arrays.train_x[validation], columns)
    close = CLOSE * float(y.std()) if one.task == "regression" else CLOSE
    chosen = scores(one.task, answers(arrays.test_x), arrays.test_y, "test")[metric]
    boosted = hist_gradient_boosting(description, one.task, x, y, arrays)[metric]
    others = [tree(name, one.task, x, y, arrays.test_x, arrays.test_y)[metric] for name in ("LightGBM", "XGBoost")]
    expected = answers_of_training(spec, store, description, manifest, asked)
    rows_served = served(store, spec.experiment.name, columns, asked, expected, close)
    measured = Measured(metric, (chosen, boosted, *others))
    numbers = " | ".join(f"{number:.4g}" for number in measured.numbers)
    print(f"| {one.name}, {seed} | {len(x):,} | {metric} | {numbers} | {rows_served} | {seconds:.0f} |", flush=True)
    return measured


def profile(one: Table, file: Path, rows: int, seed: int, options: argparse.Namespace) -> dict[str, Any]:
    """A search of a few minutes, whose data are a file and its target."""
    large = rows > LARGE
    objective = (
        {"type": "minimize", "objectiveMetricName": "val_rmse"}
        if one.task == "regression"
        else {"type": "maximize", "objectiveMetricName": "val_accuracy"}
    )
    epochs = max(FEWEST, min(MOST, LEARNT_FROM // rows)) if large else 60
    source = {"source": "table", "task": one.task, "target": one.target, "files": {"train": {"path": str(file)}}}
    of_few_rows = {} if large else {"finish": {"average": 5}}
    return {
        "experiment": {
            "name": one.name,
            "shortlist": "auto" if large else "none",
            "objective": objective,
            "algorithm": {"algorithmSettings": [{"name": "random_state", "value": 1}]},
            "earlyStopping": {"algorithmSettings": [{"name": "min_epochs", "value": min(6, max(2, epochs // 8))}]},
            "maxTrialCount": options.trials,
            "parallelTrialCount": options.parallel,
        },
        "trainer": {"data": source, "maxEpochs": epochs, "tailEpochs": max(3, epochs // 3), "seed": seed} | of_few_rows,
    }


def served_version(store: Store, model: str) -> str:
    """The version that the pointer names."""
    return Current.read(store.model(model).current).version


def hist_gradient_boosting(
    description: DataDescription, task: Task, x: NDArray[Any], y: NDArray[Any], arrays: data.Arrays
) -> dict[str, float]:
    """Test scores of the baseline's boosted trees, which know categories and gaps."""
    model = baselines.boosted_trees(description, "none", 0).fit(x, y)
    classes = len(description.labels or ())
    return scores(task, baselines.answers(model, np.asarray(arrays.test_x), classes), arrays.test_y, "test")


def with_gaps_and_unseen_words(rows: NDArray[np.float32], columns: Sequence[Column]) -> NDArray[np.float32]:
    """These features (N, F), then each row with a gap in one column, then, if there are words, each with an unseen one.

    The columns take turns.
    """
    gaps, unseen = np.array(rows), np.array(rows)
    of_column = table.places(columns)
    words = [number for number, column in enumerate(columns) if column.kind == "category"]
    for row in range(len(rows)):
        gap = row % len(columns)
        gaps[row, of_column[gap]] = table.MISSING if gap in words else np.nan
        if words:
            unseen[row, of_column[words[row % len(words)]]] = table.UNSEEN
    return np.concatenate([rows, gaps, unseen] if words else [rows, gaps])


def answers_of_training(
    spec: Spec, store: Store, description: DataDescription, manifest: Manifest, rows: NDArray[np.float32]
) -> NDArray[np.float32]:
    """What torch answers to features (N, F) with the weights of the checkpoint that the training ended with.

    Of an average, the mean of what its members answer.
    """
    config, device = manifest.config, torch.device("cpu")
    if config.members:
        of_members = [Manifest.read(store.trial(member.key).bundle.manifest) for member in config.members]
        answers = [answers_of_training(spec, store, description, member, rows) for member in of_members]
        found: NDArray[np.float32] = np.mean(answers, axis=0)
        return found
    request = Request(spec, store, manifest.provenance.trial, {})
    training = set_up(Trial(request, description, config), device).training
    training.load_state_dict(checkpoint.load(store.trial(config.key).checkpoint, device)["training"])
    return training.answers(torch.from_numpy(rows))


def served(
    store: Store,
    model: str,
    columns: Sequence[Column],
    rows: NDArray[np.float32],
    expected: NDArray[np.float32],
    close: float,
) -> str:
    """How many rows each way of asking answers as training does."""
    given = table.inputs(rows, columns)
    for column in columns:
        if column.kind == "category":
            words = given[column.name]
            words[words == table.UNSEEN_TEXT] = WORD
    parts = [{name: a[at : at + AT_ONCE] for name, a in given.items()} for at in range(0, len(rows), AT_ONCE)]
    counts = []
    with serving(store, model, preexec_fn=with_parent()) as server:
        eventually(server.is_ready)
        for way, ask in (("JSON", by_json), ("CSV", by_csv), ("v2", by_v2)):
            found = np.concatenate([ask(server.client, model, part, columns) for part in parts])
            counts.append(f"{way} {(np.abs(found - expected).max(1) <= close).sum()}")
    return f"{', '.join(counts)} of {len(rows)}"


def by_json(client: httpx.Client, _: str, given: Inputs, columns: Sequence[Column]) -> NDArray[np.float32]:
    """The answers to rows by the names of columns."""
    return outputs(client.post("/predict", json={"instances": instances(given, columns)}))


def by_csv(client: httpx.Client, _: str, given: Inputs, columns: Sequence[Column]) -> NDArray[np.float32]:
    """The answers to the same rows as CSV."""
    text = io.StringIO()
    writer = csv.DictWriter(text, [column.name for column in columns])
    writer.writeheader()
    writer.writerows(instances(given, columns))
    headers = {"content-type": "text/csv"}
    return outputs(client.post("/predict", content=text.getvalue().encode(), headers=headers))


def by_v2(client: httpx.Client, model: str, given: Inputs, _: Sequence[Column]) -> NDArray[np.float32]:
    """The answers to tensors of the Open Inference Protocol."""
    tensors = list(_tensors(given))
    answer = client.post(f"/v2/models/{model}/infer", json={"inputs": tensors}).raise_for_status().json()
    output = answer["outputs"][0]
    return np.array(output["data"], np.float32).reshape(output["shape"])


def _tensors(given: Inputs) -> Iterator[dict[str, Any]]:
    types = {"O": "BYTES", "f4": "FP32", "f8": "FP64"}
    for name, array in given.items():
        kind = types["O" if array.dtype == object else array.dtype.str[1:]]
        flat = array.reshape(-1).tolist()
        values = [None if isinstance(value, float) and np.isnan(value) else value for value in flat]
        yield {"name": name, "datatype": kind, "shape": list(array.shape), "data": values}


def outputs(response: httpx.Response) -> NDArray[np.float32]:
    """What /predict answered, as the network's outputs."""
    predictions = response.raise_for_status().json()["predictions"]
    if "value" in predictions[0]:
        return np.array([[one["value"]] for one in predictions], np.float32)
    return np.array([list(one["probabilities"].values()) for one in predictions], np.float32)


if __name__ == "__main__":
    main()
