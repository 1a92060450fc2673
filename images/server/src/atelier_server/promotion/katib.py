"""Katib's Experiment, from the Kubernetes API. No other module of this server knows of a cluster."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from lightkube import ApiError, Client
from lightkube.generic_resource import GenericNamespacedResource, create_namespaced_resource
from lightkube.resources.core_v1 import Event
from lightkube.types import CascadeType
from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

VERBS = ["get", "post", "delete"]
RESOURCE = create_namespaced_resource("kubeflow.org", "v1beta1", "Experiment", "experiments", verbs=VERBS)
SUGGESTION = create_namespaced_resource("kubeflow.org", "v1beta1", "Suggestion", "suggestions", verbs=["get"])
TRIAL = create_namespaced_resource("kubeflow.org", "v1beta1", "Trial", "trials", verbs=["list"])
EXPERIMENT_LABEL = "katib.kubeflow.org/experiment"
"""What Katib labels the trials of an Experiment with."""

NOT_FOUND, CONFLICT = 404, 409
LONG_AGO = datetime.min.replace(tzinfo=UTC)


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


class Metadata(Resource):
    """Of an Experiment."""

    creation_timestamp: datetime = LONG_AGO
    deletion_timestamp: datetime | None = None


class Experiment(Resource):
    """A search that Katib runs."""

    metadata: Metadata = Metadata()
    spec: ExperimentSpec
    status: Status = Status()

    def condition(self, type: Literal["Succeeded", "Failed"]) -> Condition | None:
        """The condition of this type, if it is in force."""
        return next((c for c in self.status.conditions or () if c.type == type and c.status == "True"), None)

    @property
    def succeeded(self) -> int:
        """Trials that ended well; early stopped ones did."""
        return self.status.trials_succeeded + self.status.trials_early_stopped

    @property
    def failed(self) -> int:
        """Trials that did not; killed ones and those without metrics are among them."""
        status = self.status
        return status.trials_failed + status.trials_killed + status.trial_metrics_unavailable

    @property
    def progress(self) -> str:
        """Trials in numbers."""
        most = "" if self.spec.max_trial_count is None else f" of {self.spec.max_trial_count}"
        running = self.status.trials_running
        return f"trials: {self.succeeded} succeeded, {running} running, {self.failed} failed{most}"

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


@dataclass(frozen=True)
class Warned:
    """A Warning among the cluster's Events. object is KIND/NAME."""

    at: datetime
    object: str
    message: str

    def __str__(self) -> str:
        return f"{self.object}: {self.message}"


def read(client: Client, name: str) -> Experiment | None:
    """The Experiment, or None if there is none of this name. Unreachable."""
    manifest = read_manifest(client, name)
    with _reaching():
        return None if manifest is None else Experiment.model_validate(manifest)


def read_manifest(client: Client, name: str) -> dict[str, Any] | None:
    """All that the API has of the Experiment, or None if there is none of this name. Unreachable."""
    with _reaching():
        return _get(client, RESOURCE, name)


def create(client: Client, manifest: dict[str, Any]) -> None:
    """Create an Experiment, unless there is one of its name. Unreachable."""
    with _reaching():
        try:
            client.create(RESOURCE.from_dict(manifest))
        except ApiError as error:
            if error.status.code != CONFLICT:
                raise


def delete(client: Client, name: str) -> None:
    """Delete the Experiment; the cluster then deletes what Katib made for it. Unreachable."""
    with _reaching():
        # An Experiment that waits for its objects to go is not forgotten by Katib, which makes them again and again.
        client.delete(RESOURCE, name, cascade=CascadeType.BACKGROUND)


def left_over(client: Client, name: str) -> bool:
    """Whether there is still something that Katib made for an Experiment of this name. Unreachable."""
    with _reaching():
        trials = client.list(TRIAL, labels={EXPERIMENT_LABEL: name})
        return any(True for _ in trials) or _get(client, SUGGESTION, name) is not None


def warnings(client: Client, name: str) -> list[Warned]:
    """The newest Warning of every object of the Experiment, the newest first. Unreachable.

    Katib names the objects that it makes for an Experiment after it. The API server keeps Events for an hour.
    """
    with _reaching():
        found: dict[str, Warned] = {}
        for event in client.list(Event, fields={"type": "Warning"}):
            of = event.involvedObject
            if of.name is None or not (of.name == name or of.name.startswith(f"{name}-")):
                continue
            at = event.lastTimestamp or event.eventTime or LONG_AGO
            warned = Warned(at, f"{of.kind}/{of.name}", f"{event.reason}: {event.message}")
            found[warned.object] = max(warned, found.get(warned.object, warned), key=lambda one: one.at)
        return sorted(found.values(), key=lambda one: one.at, reverse=True)


def _get(client: Client, kind: type[GenericNamespacedResource], name: str) -> dict[str, Any] | None:
    """The object, or None if there is none of this name."""
    try:
        return dict(client.get(kind, name))
    except ApiError as error:
        if error.status.code == NOT_FOUND:
            return None
        raise


@contextmanager
def _reaching() -> Iterator[None]:
    """Whatever goes wrong on the way to the API and back is Unreachable."""
    try:
        yield
    except ApiError as error:
        raise Unreachable(f"{error.status.code}: {_first_line(error)}") from error
    except Exception as error:  # from the network, a proxy, the API or the client
        raise Unreachable(_first_line(error)) from error


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), "") or type(error).__name__
