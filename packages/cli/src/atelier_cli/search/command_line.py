"""A trial's request as the command line of the trial program, as Katib's Job would have it."""

from __future__ import annotations

from pathlib import Path

from atelier_trial.request import Request


def command_line(request: Request, spec: Path) -> list[str]:
    """The arguments of the trial program; spec is the file that holds the request's spec."""
    arguments = ["--spec", str(spec), "--store", str(request.store.root), "--trial", request.trial]
    arguments += ["--threads", str(request.threads)]
    if request.number is not None:
        arguments += ["--number", str(request.number)]
    if request.data_dir is not None:
        arguments += ["--data-dir", str(request.data_dir)]
    if request.average_of:
        return [*arguments, *(f"--average-of={key}" for key in request.average_of)]
    if request.retrain_of is not None:
        return [*arguments, "--retrain-of", request.retrain_of]
    if request.mirror_of is not None:
        return [*arguments, "--mirror-of", request.mirror_of]
    if request.int8_of is not None:
        return [*arguments, "--int8-of", request.int8_of]
    if request.tail_of is not None:
        return [*arguments, "--tail-of", request.tail_of]
    if request.bars is not None:
        bars = [f"{epoch}={'never' if bar is None else repr(bar)}" for epoch, bar in request.bars.items()]
        arguments += [f"--bar={bar}" for bar in bars or ["none"]]
    return [*arguments, *(f"{name}={value}" for name, value in request.params.items())]
