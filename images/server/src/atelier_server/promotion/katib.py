"""Katib's Experiment, from the Kubernetes API. No other module of this server knows of a cluster."""

from __future__ import annotations

import logging
import math
from typing import Literal

from lightkube import ApiError, Client
from lightkube.generic_resource import create_namespaced_resource
from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

RESOURCE = create_namespaced_resource("kubeflow.org", "v1beta1", "Experiment", "experiments", verbs=["get"])


class Unreachable(RuntimeError):
    """The API gave no usable answer."""


class Resource(BaseModel):
    """Part of an Experiment; fields that are not declared here are ignored."""

    model_config = ConfigDict(alias_generator=to_camel, frozen=True)


class Strategy(Resource):
    """Which of a metric's values counts."""

    name: str
    value: Literal["min", "max", "latest"]


class Objective(Resource):
    """What Katib optimizes."""

    type: Literal["maximize", "minimize"]
    objective_metric_name: str
    metric_strategies: tuple[Strategy, ...] | None = None


class ExperimentSpec(Resource):
    """The Experiment's spec."""

    objective: Objective
    max_trial_count: int | None = None


class Condition(Resource):
    """One condition; in force where its status is True."""

    type: str
    status: str
    reason: str = ""
    message: str = ""


class Metric(Resource):
    """Values of one metric: numbers as text, or whatever Katib made of their absence."""

    name: str
    min: str = ""
    max: str = ""
    latest: str = ""


class Observation(Resource):
    """What a trial reported."""

    metrics: tuple[Metric, ...] | None = None


class OptimalTrial(Resource):
    """The trial that Katib considers the best."""

    best_trial_name: str = ""
    observation: Observation = Observation()


class Status(Resource):
    """The Experiment's status."""

    conditions: tuple[Condition, ...] | None = None
    trials_succeeded: int = 0
    trials_early_stopped: int = 0
    trials_running: int = 0
    trials_failed: int = 0
    trials_killed: int = 0
    trial_metrics_unavailable: int = 0
    current_optimal_trial: OptimalTrial = OptimalTrial()


class Experiment(Resource):
    """A search that Katib runs."""

    spec: ExperimentSpec
    status: Status = Status()

    def condition(self, type: Literal["Succeeded", "Failed"]) -> Condition | None:
        """The condition of this type, if it is in force."""
        return next((c for c in self.status.conditions or () if c.type == type and c.status == "True"), None)

    @property
    def progress(self) -> str:
        """Trials in numbers; early stopped ones have succeeded, killed ones and those without metrics have failed."""
        status = self.status
        succeeded = status.trials_succeeded + status.trials_early_stopped
        failed = status.trials_failed + status.trials_killed + status.trial_metrics_unavailable
        most = "" if self.spec.max_trial_count is None else f" of {self.spec.max_trial_count}"
        return f"trials: {succeeded} succeeded, {status.trials_running} running, {failed} failed{most}"

    @property
    def pick(self) -> str | None:
        """The name of the trial that Katib considers the best."""
        return self.status.current_optimal_trial.best_trial_name or None

    @property
    def pick_value(self) -> float | None:
        """Its objective, where it is a finite number."""
        objective = self.spec.objective
        default = "max" if objective.type == "maximize" else "min"
        strategy = next(
            (s.value for s in objective.metric_strategies or () if s.name == objective.objective_metric_name), default
        )
        metrics = self.status.current_optimal_trial.observation.metrics or ()
        text = next(
            (getattr(metric, strategy) for metric in metrics if metric.name == objective.objective_metric_name), ""
        )
        try:
            value = float(text)
        except ValueError:
            return None
        return value if math.isfinite(value) else None


def connect(namespace: str) -> Client:
    """A client of the cluster that this process is in, or else of the kubeconfig's. Unreachable if there is neither."""
    logging.getLogger("httpx2").setLevel(logging.WARNING)  # it would log every request
    try:
        return Client(namespace=namespace)
    except Exception as error:  # a kubeconfig that is missing or wrong raises all kinds
        raise Unreachable(f"no access to a cluster: {type(error).__name__}: {_first_line(error)}") from error


def read(client: Client, name: str) -> Experiment | None:
    """The Experiment, or None if there is none of this name. Unreachable."""
    try:
        return Experiment.model_validate(client.get(RESOURCE, name))
    except ApiError as error:
        if error.status.code == 404:
            return None
        raise Unreachable(f"{error.status.code}: {_first_line(error)}") from error
    except Exception as error:  # from the network, a proxy, the API or the client
        raise Unreachable(_first_line(error)) from error


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), "") or type(error).__name__
