"""Make up a store of one search with many trials, to look at: nothing is trained.

    uv run python -m benchmarks.made_up_store --trials 10000 FOLDER

Every record, curve, rung and digest is as a search leaves it: 15 parameters that decide, with chance, how a trial
learns; halving at 1, 3 and 9 of 30 epochs; some trials that failed, are over budget or were refused. Only the bundles'
networks are no networks: 16 KiB of noise, the same for all, so that 10,000 trials take 530 MB. What is made depends
only on the arguments. Files are written without waiting for the disk.
"""

from __future__ import annotations

import argparse
import hashlib
import math
import random
from bisect import bisect_left, insort
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from atelier_store import halving, sealed
from atelier_store.layout import Store, TrialPaths
from atelier_store.records import (
    Card,
    DataDescription,
    Environment,
    Epoch,
    Latency,
    Manifest,
    Parity,
    Provenance,
    Record,
    RungValue,
    Status,
    Tensor,
    TrialConfig,
    TrialRecord,
)
from atelier_store.spec import Spec
from atelier_trial.identity import trial_config

OPERATIONS = ["conv3", "conv5", "sep3", "sep5", "mbconv3", "res3"]
PARAMETERS: dict[str, list[Any] | tuple[float, float]] = {
    "stem_width": [8, 12, 16, 24],
    "stage1_depth": [1, 2, 3],
    "stage1_width": [16, 24, 32, 48],
    "stage1_op": OPERATIONS,
    "stage2_depth": [0, 1, 2, 3],
    "stage2_width": [32, 48, 64, 96],
    "stage2_op": OPERATIONS,
    "activation": ["relu", "silu", "gelu", "hardswish"],
    "se": ["true", "false"],
    "head": ["avg", "max", "avgmax"],
    "batch": [32, 64, 128],
    "augment": ["none", "shift", "shift_flip"],
    "lr": (0.0003, 0.03),
    "weight_decay": (0.0001, 0.3),
    "dropout": (0.01, 0.5),
}
"""Lists to choose from, and intervals, all logarithmic."""

DATA = DataDescription(
    digest=hashlib.sha256(b"made up").hexdigest(),
    kind="images",
    task="classification",
    shape=(28, 28),
    labels=tuple("0123456789"),
    train_rows=60_000,
    test_rows=10_000,
    source="made up",
)
ENVIRONMENT = Environment(
    python="3.12.3",
    torch="2.15.0",
    numpy="2.4.6",
    onnxruntime="1.32.0",
    cpu="a CPU",
    cpu_capability="AVX512",
    threads=1,
    device="cpu",
    precision="float32",
    code_version="0.1.0",
)
WORKERS = 4
BEGAN = datetime(2026, 11, 2, 8, tzinfo=UTC)
REFERENCE = b"no arrays"
COST = {"conv3": 9, "conv5": 25, "sep3": 2, "sep5": 4, "mbconv3": 6, "res3": 18}
QUALITY = {"conv3": 0.0, "conv5": 0.002, "sep3": -0.004, "sep5": -0.003, "mbconv3": 0.004, "res3": 0.006}


def spec(trials: int, name: str = "made-up") -> Spec:
    """The search that the trials are of."""
    parameters = []
    for parameter, values in PARAMETERS.items():
        if isinstance(values, tuple):
            space: dict[str, Any] = {"min": str(values[0]), "max": str(values[1]), "distribution": "logUniform"}
            kind = "double"
        else:
            space = {"list": list(map(str, values))}
            kind = "categorical" if isinstance(values[0], str) else "discrete"
        parameters.append({"name": parameter, "parameterType": kind, "feasibleSpace": space})
    settings = [{"name": "eta", "value": "3"}, {"name": "min_epochs", "value": "1"}]
    experiment = {
        "name": name,
        "objective": {"additionalMetricNames": ["val_loss"]},
        "earlyStopping": {"algorithmName": "halving", "algorithmSettings": settings},
        "parameters": parameters,
        "maxTrialCount": max(1, trials),
        "maxFailedTrialCount": trials,
    }
    trainer = {
        "data": {"source": "npz", "files": {"train": {"path": "made-up.npz"}}},
        "maxEpochs": 30,
        "budget": {"params": 400_000},
    }
    return Spec.model_validate({"experiment": experiment, "trainer": trainer})


@dataclass
class Maker:
    """Writes trials one after another; running and waiting ones come last."""

    store: Store
    spec: Spec
    chance: random.Random
    rungs: dict[int, list[float]] = field(default_factory=lambda: defaultdict(list))
    """Values on each rung, the best last."""
    free: list[datetime] = field(default_factory=lambda: [BEGAN] * WORKERS)
    """When each worker is free."""
    name: str = field(init=False)
    spec_digest: str = field(init=False)
    keys: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.name, self.spec_digest = self.spec.experiment_name, self.spec.search_digest  # each takes a millisecond

    def add(self, number: int, running: bool = False) -> None:
        """One trial."""
        name = f"trial-{number:04d}"
        suggested = self._suggested()
        if not running and self.chance.random() < 0.002:
            error = 'lr: "7" is not allowed; allowed: numbers from 1e-06 to 1'
            self._record(TrialRecord(trial=name, number=number, params=suggested | {"lr": "7"}, key=None, error=error))
            return
        config = trial_config(self.spec, DATA, suggested)
        self._record(TrialRecord(trial=name, number=number, params=suggested, key=config.key))
        if config.key in self.keys:
            return
        self.keys.add(config.key)
        paths = self.store.trial(config.key)
        _write(paths.config, config)
        params, macs = _size(suggested)
        latency = round(0.02 + macs / 4e7 * self.chance.uniform(0.9, 1.3), 6)
        fields: dict[str, Any] = {"key": config.key, "objective_metric_name": "val_accuracy"}
        fields |= {"params": params, "macs": macs, "latency": Latency(p50_ms=latency, p95_ms=latency * 1.2)}
        fields["environment"] = ENVIRONMENT
        if params > (self.spec.trainer.budget.params or math.inf):
            reason = f"params {params:,} > {self.spec.trainer.budget.params:,}"
            _write(paths.card, Card(**fields, status="over_budget", reason=reason, updated_at=_text(min(self.free))))
            return
        curve, status, failure = self._trained(suggested, macs, running)
        _write_bytes(paths.metrics, _lines(curve))
        for epoch in curve:
            if epoch.epoch in halving.rungs(self.spec.experiment.early_stopping, self.spec.trainer.max_epochs):
                mark = RungValue(key=config.key, value=epoch.metrics["val_accuracy"])
                rung = self.store.experiment(self.name).rung(epoch.epoch)
                _write(rung / f"{config.key}.json", mark)
        fields |= {"status": status, "reason": failure, "updated_at": curve[-1].finished_at}
        if status in ("succeeded", "paused"):
            manifest = self._bundle(paths, config, name, curve, params, macs, latency)
            values = [epoch.metrics["val_accuracy"] for epoch in curve]
            files = {f"model/{path}": digest for path, digest in manifest.files.items()}
            fields |= {"metric": values[-1], "best_epoch": values.index(max(values)) + 1, "files": files}
            fields |= {"epochs": len(curve), "metrics": manifest.metrics, "weights_sha256": manifest.weights_sha256}
        _write(paths.card, Card(**fields))

    def _suggested(self) -> dict[str, str]:
        return {
            name: repr(math.exp(self.chance.uniform(*map(math.log, values))))
            if isinstance(values, tuple)
            else str(self.chance.choice(values))
            for name, values in PARAMETERS.items()
        }

    def _trained(self, suggested: dict[str, str], macs: int, running: bool) -> tuple[list[Epoch], Status, str | None]:
        """A curve up to where halving ends it, or the trial fails, or is now."""
        lr, off = float(suggested["lr"]), abs(math.log10(float(suggested["lr"]) / 0.004))
        top = 0.925 + 0.006 * math.log10(macs / 1e6) + QUALITY[suggested["stage1_op"]] - 0.02 * off**2
        top += (0.006 if suggested["se"] == "true" else 0) - 0.03 * float(suggested["dropout"])
        top += 0.004 * ("shift" in suggested["augment"]) + self.chance.gauss(0, 0.004)
        speed, worker = 0.35 + 8 * lr, self.free.index(min(self.free))
        fails_at = self.chance.randint(1, 6) if lr > 0.02 and self.chance.random() < 0.2 else 0
        now_at = self.chance.randint(1, 12) if running else 0
        curve: list[Epoch] = []
        status: Status = "succeeded"
        reason = None
        for number in range(1, self.spec.trainer.max_epochs + 1):
            value = top - 0.4 * math.exp(-speed * number) + self.chance.gauss(0, 0.002)
            metrics = {"val_accuracy": value, "val_loss": 3 * (1 - value), "train_loss": 2.4 * (1 - value)}
            seconds = 2 + macs / 1e6 * self.chance.uniform(1, 1.1)
            self.free[worker] += timedelta(seconds=seconds)
            epoch = Epoch(epoch=number, metrics=metrics, seconds=seconds, finished_at=_text(self.free[worker]))
            curve.append(epoch)
            if number == fails_at:
                status, reason = "failed", f"diverged: epoch {number}: train_loss is nan"
                break
            if number == now_at:
                status = "running"
                break
            is_rung = number in halving.rungs(self.spec.experiment.early_stopping, self.spec.trainer.max_epochs)
            if is_rung and not self._goes_on(number, value) and not running:
                status = "paused"
                break
        return curve, status, reason

    def _goes_on(self, rung: int, value: float) -> bool:
        """By halving's rule, over sorted values."""
        reached = self.rungs[rung]
        worse = bisect_left(reached, value)
        insort(reached, value)
        return len(reached) - worse <= len(reached) // self.spec.experiment.early_stopping.eta

    def _bundle(
        self, paths: TrialPaths, config: TrialConfig, name: str, curve: list[Epoch], params: int, macs: int, ms: float
    ) -> Manifest:
        files = dict(zip(paths.bundle.contents, (NETWORK, REFERENCE), strict=True))
        for path, content in files.items():
            _write_bytes(path, content)
        stages = ", then ".join(f"{stage['depth']} × {stage['op']}" for stage in config.params["stages"])
        manifest = Manifest(
            kind=DATA.kind,
            task=DATA.task,
            inputs=(Tensor(name="input", datatype="UINT8", shape=(-1, *DATA.shape)),),
            outputs=(Tensor(name="probabilities", datatype="FP32", shape=(-1, 10)),),
            labels=DATA.labels,
            objective_metric_name="val_accuracy",
            metrics=curve[-1].metrics,
            architecture=f"stem of {config.params['stem_width']} channels; {stages}",
            config=config,
            params=params,
            macs=macs,
            latency=Latency(p50_ms=ms, p95_ms=ms * 1.2),
            parity=Parity(rows=12_000, argmax_equal=True, max_abs_difference=1e-6),
            weights_sha256=hashlib.sha256(config.key.encode()).hexdigest(),
            provenance=Provenance(
                experiment=self.name,
                spec_digest=self.spec_digest,
                data_digest=DATA.digest,
                network_digest=config.network_digest,
                recipe_version=config.recipe_version,
                seed=config.seed,
                trial=name,
                key=config.key,
                epochs=len(curve),
                environment=ENVIRONMENT,
            ),
            files={path.name: hashlib.sha256(content).hexdigest() for path, content in files.items()},
        )
        _write(paths.bundle.manifest, manifest)
        return manifest

    def _record(self, record: TrialRecord) -> None:
        _write(self.store.experiment(self.name).trial(record.trial), record)


NETWORK = random.Random(0).randbytes(16 * 1024)


def make(store: Store, trials: int, running: int = 0, seed: int = 0, name: str = "made-up") -> Spec:
    """A search of so many trials, the last of which are running; what is there already stays."""
    made = spec(trials, name)
    made.write(store.experiment(made.experiment_name).spec)
    store.experiment(made.experiment_name).trials.mkdir(exist_ok=True)
    _write(store.data(DATA.digest).description, DATA)
    maker = Maker(store, made, random.Random(seed))
    for number in range(trials):
        maker.add(number, running=number >= trials - running)
    return made


def _size(suggested: dict[str, str]) -> tuple[int, int]:
    """Weights and multiply-adds, roughly."""
    before, params, macs, area = int(suggested["stem_width"]), 10 * int(suggested["stem_width"]), 0, 28 * 28
    for stage in ("stage1", "stage2"):
        width, depth = int(suggested[f"{stage}_width"]), int(suggested[f"{stage}_depth"])
        for _ in range(depth):
            weights = COST[suggested[f"{stage}_op"]] * before * width
            params, macs, before = params + weights, macs + weights * area, width
        area //= 4
    return params + 10 * before, macs + 10 * before


def _text(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def _lines(curve: list[Epoch]) -> bytes:
    content = b""
    for epoch in curve:
        content += sealed.line(epoch.model_dump_json(), content)
    return content


def _write(path: Path, record: Record) -> None:
    _write_bytes(path, sealed.document(record.model_dump_json(indent=2)).encode())


def _write_bytes(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("store", type=Path, metavar="FOLDER")
    parser.add_argument("--trials", type=int, default=10_000)
    parser.add_argument("--running", type=int, default=0, help="how many of them run")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--name", default="made-up", help="of the search")
    given = parser.parse_args()
    made = make(Store(given.store.absolute()), given.trials, given.running, given.seed, given.name)
    print(f"{given.store}: {made.experiment_name}, {given.trials} trials")


if __name__ == "__main__":
    main()
