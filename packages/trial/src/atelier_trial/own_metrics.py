"""Metrics of the user's own: functions of truth and answers, told from others by their code."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from atelier_store.errors import InvalidInput
from atelier_store.records import TrialConfig
from atelier_store.scores import OwnMetrics
from atelier_store.spec import Spec, Trainer

from atelier_trial import own_code


def field(name: str) -> str:
    """The place of a metric in a profile."""
    return f"trainer.metrics.{name}"


def digests(trainer: Trainer) -> dict[str, str] | None:
    """The digest of each metric's code, by its name. InvalidInput if there is no such module."""
    return {name: own_code.digest(field(name), of) for name, of in (trainer.metrics or {}).items()} or None


def functions(trainer: Trainer) -> OwnMetrics:
    """The metrics by their names. InvalidInput if one cannot be imported."""
    return {name: own_code.function(field(name), of) for name, of in (trainer.metrics or {}).items()}


def for_promotion(spec: Spec, config: TrialConfig) -> OwnMetrics:
    """The metrics of a search for the test rows, by the code that scored this trial; what they raise is InvalidInput.

    InvalidInput if the code has been edited since.
    """
    now, then = digests(spec.trainer) or {}, config.metric_digests or {}
    if edited := [name for name in now if now[name] != then.get(name)]:
        was = f"is not the code that scored trial {config.key}; put that back, or search again"
        raise InvalidInput([f"{field(name)}: {was}" for name in edited])
    return {name: _named(name, function) for name, function in functions(spec.trainer).items()}


def _named(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """The metric, whose errors name it."""

    def metric(truth: Any, answers: Any) -> Any:
        try:
            return function(truth, answers)
        except (Exception, SystemExit) as error:  # whatever the user's code raises
            raise InvalidInput([f"{field(name)}: raised {own_code.reason(error)}"]) from error

    return metric
