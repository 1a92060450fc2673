"""The trial program: `python -m atelier_trainer --spec FILE --store DIR --trial NAME name=value …`, or `… --finish`."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from atelier_store.errors import InvalidInput
from atelier_store.exit_codes import ExitCode
from atelier_store.layout import Store
from atelier_store.lease import LeaseHeld, LeaseLost
from atelier_store.machine import cores
from atelier_store.sealed import Altered
from atelier_store.spec import Spec
from atelier_trial.request import BEST, Request, StopRequest
from atelier_trial.space import InvalidParams
from pydantic import ValidationError

from atelier_trainer.finishing import finish
from atelier_trainer.sidecar import wait_until_seen
from atelier_trainer.trial import run_trial


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one trial; the exit code, as atelier_store.exit_codes has it."""
    stop = StopRequest()
    stop.install()
    sys.path += own_folders()
    options = parser().parse_args(arguments)
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    try:
        request = request_of(options)
        card = finish(request, stop) if options.finish else run_trial(request, stop)
    except InvalidInput as error:
        return refuse(error.violations)
    except LeaseHeld as error:
        sys.stderr.write(f"stopped while {error} was at it\n")
        return ExitCode.STOPPED
    except (OSError, LeaseLost) as error:
        sys.stderr.write(f"the trial failed: {error}\n")
        return ExitCode.FAILED
    if card is not None and card.status == "failed":
        sys.stderr.write(f"the trial failed: {card.reason}\n")
        return ExitCode.FAILED
    if stop() and (card is None or options.finish or card.status == "stopped"):
        return ExitCode.STOPPED
    wait_until_seen(stop)
    return ExitCode.OK


def own_folders() -> list[str]:
    """Where a network of one's own may be: after everything else, should a file there be named like a module of Python.

    ATELIER_MODULES are those of a cluster's ConfigMap, trainer.modules.
    """
    return [str(Path.cwd()), *filter(None, os.environ.get("ATELIER_MODULES", "").split(os.pathsep))]


def parser() -> argparse.ArgumentParser:
    """The command line."""
    command = argparse.ArgumentParser(
        prog="atelier_trainer", description="Runs one trial of a search; finds it done if its key is already trained."
    )
    command.add_argument("--spec", type=Path, required=True, help="the resolved profile, JSON")
    command.add_argument("--store", type=Path, required=True, help="where trials, experiments and models are kept")
    which = command.add_mutually_exclusive_group(required=True)
    which.add_argument("--trial", default="", help="the trial's name in its experiment")
    which.add_argument(
        "--finish",
        action="store_true",
        help="resume the paused trials that are among the best by now, train the tail of the best, average the best, "
        "mirror it, retrain it, bring it to int8",
    )
    command.add_argument("--number", type=int, help="the order of suggestion, from 0")
    command.add_argument(
        "--bar",
        action="append",
        metavar="EPOCH=VALUE",
        help="what must be reached at an epoch to go on; never: pause there; none: go on to the end",
    )
    command.add_argument(
        "--resumed-at", type=int, default=0, metavar="EPOCH", help="the rung where it paused and goes on; 0: it is new"
    )
    command.add_argument(
        "--tail-of",
        metavar="KEY",
        help="train the tail of this trial: the learning rate falls to zero over tailEpochs; "
        f"{BEST}: of the experiment's best trial",
    )
    command.add_argument(
        "--average-of",
        action="append",
        metavar="KEY",
        help="put the networks of these trials together into one that answers their mean; the best first",
    )
    command.add_argument(
        "--retrain-of",
        metavar="KEY",
        help="train this trial again, or the parent of this tail, on the validation rows too",
    )
    command.add_argument("--mirror-of", metavar="KEY", help="let the network of this trial see mirror images as well")
    command.add_argument("--int8-of", metavar="KEY", help="bring the network of this trial to int8")
    command.add_argument("--threads", type=int, default=cores(), help="default: the CPU quota")
    command.add_argument("--data-dir", type=Path, help="files already downloaded; also where downloads go")
    command.add_argument("params", nargs="*", metavar="name=value", help="the suggested parameters")
    return command


def request_of(arguments: argparse.Namespace) -> Request:
    """The request of a command line. InvalidParams with every violation."""
    violations: list[str] = []
    try:
        spec = Spec.read(arguments.spec)
    except OSError as error:
        raise InvalidParams([f"--spec: {error}"]) from error
    except ValidationError as error:
        reasons = [f"--spec: {'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()]
        raise InvalidParams(reasons) from error
    except Altered as error:
        raise InvalidParams([f"--spec: {error}"]) from error
    params = pairs(arguments.params, "parameter", violations)
    bars = {}
    texts = [] if arguments.bar == ["none"] else arguments.bar or []
    for epoch, value in pairs(texts, "--bar", violations).items():
        try:
            bars[int(epoch)] = None if value == "never" else float(value)
        except ValueError:
            violations.append(f"--bar: {epoch}={value}; allowed: EPOCH=NUMBER, EPOCH=never, or none alone")
    if arguments.tail_of is not None and spec.trainer.tail_epochs == 0:
        violations.append("--tail-of: trainer.tailEpochs is 0, so there is no tail to train; allowed: 1 or more")
    if arguments.threads < 1:
        violations.append(f"--threads: {arguments.threads}; allowed: 1 or more")
    if violations:
        raise InvalidParams(violations)
    return Request(
        spec=spec,
        store=Store(arguments.store.absolute()),
        trial=arguments.trial,
        params=params,
        number=arguments.number,
        bars=bars if arguments.bar is not None else None,
        resumed_at=arguments.resumed_at,
        tail_of=arguments.tail_of,
        average_of=tuple(arguments.average_of or ()),
        retrain_of=arguments.retrain_of,
        mirror_of=arguments.mirror_of,
        int8_of=arguments.int8_of,
        threads=arguments.threads,
        data_dir=arguments.data_dir,
    )


def pairs(texts: list[str], what: str, violations: list[str]) -> dict[str, str]:
    """name=value texts as a dictionary; others are added to violations."""
    values: dict[str, str] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not (name and equals):
            violations.append(f"{what}: {text!r}; allowed: name=value")
        elif name in values:
            violations.append(f"{what}: {name} is given twice")
        values[name] = value
    return values


def refuse(violations: list[str]) -> int:
    """Write every violation to standard error."""
    sys.stderr.write("".join(f"{violation}\n" for violation in violations))
    return ExitCode.WRONG_INPUT


def leave(code: int) -> NoReturn:
    """Exit without tearing torch down, which costs a tenth of a short trial. Everything is on the disk by now."""
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    leave(main())
