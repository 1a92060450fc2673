"""One trial, from its parameters to its bundle. Torch-free up to `Run`, so that a finished trial answers at once."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from atelier_store.errors import InvalidInput
from atelier_store.lease import Lease
from atelier_store.records import Card
from atelier_trial import baselines, data
from atelier_trial.request import Request, StopRequest, Trial, configuration, record
from atelier_trial.target import Target

log = logging.getLogger("atelier.trial")


def run_trial(request: Request, stop: StopRequest) -> Card:
    """Train the requested trial, unless the store has its result already; the card holds the result.

    Raises InvalidInput for wrong input, before anything is trained.
    """
    experiment = request.store.experiment(request.spec.experiment_name)
    trainer = request.spec.trainer
    description = data.prepare(trainer.data, request.store, Path.cwd(), request.data_dir, trainer.seed, log.info, stop)
    try:
        trial = Trial(request, description, configuration(request, description))
    except InvalidInput as error:
        record(experiment, request, key=None, error=str(error))
        raise
    record(experiment, request, key=trial.config.key)
    paths = trial.paths
    with Lease.acquire(
        paths.lease,
        f"trial {request.trial}",
        keep_waiting=lambda: not stop(),
        on_wait=lambda holder: log.info("waiting for %s", holder),
    ) as lease:
        trial.config.write(paths.config)
        with logged_to(paths.log):
            log.info("trial %s is %s", request.trial, trial.config.key)
            target = Target.of(request, experiment, trial.config)
            finished = target.finished(paths)
            if finished is not None:
                target.print_stored(paths, finished)
                return finished
            if trial.config.int8_of is not None:
                from atelier_trainer.int8 import Quantizing  # imports torch

                return Quantizing(trial, target, lease, stop).finish()
            if trial.config.mirror_of is not None:
                from atelier_trainer.mirror import Mirroring  # imports torch

                return Mirroring(trial, target, lease, stop).finish()
            if trial.config.members is not None:
                from atelier_trainer.average import Averaging  # imports torch

                return Averaging(trial, target, lease, stop).finish()
            baselines.ensure(request.store, request.spec, description, stop=stop)
            from atelier_trainer.run import Run  # imports torch, which takes seconds that a finished trial saves

            return Run(trial, target, lease, stop).finish()


@contextmanager
def logged_to(path: Path) -> Iterator[None]:
    """Write the log to this file as well while the block runs."""
    handler = logging.FileHandler(path, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    logger = logging.getLogger("atelier")
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        handler.close()
