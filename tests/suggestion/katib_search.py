"""Katib's controller for one Experiment: it asks for trials and tells how they ended, as version 0.19 does."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc
from atelier_store import halving, marks
from atelier_store.spec import Spec
from atelier_suggestion import katib_pb2 as katib
from atelier_suggestion.requests import networks_of
from atelier_suggestion.service import SERVICE, server, suggestions

NAME = "digits-0123abcd"
Ask = Callable[[katib.GetSuggestionsRequest], katib.GetSuggestionsReply]

PARAMETERS: list[dict[str, Any]] = [
    {"name": "stem_width", "parameterType": "int", "feasibleSpace": {"min": "1", "max": "400"}},
    {"name": "stage1_depth", "parameterType": "int", "feasibleSpace": {"min": "0", "max": "2"}},
    {"name": "stage1_op", "parameterType": "categorical", "feasibleSpace": {"list": ["conv3", "sep3"]}},
]


def spec(trials: int = 30, parameters: list[dict[str, Any]] | None = None, **experiment: Any) -> Spec:
    said = {
        "name": "digits",
        "algorithm": {"algorithmName": "atelier"},
        "parameters": parameters or PARAMETERS,
        "maxTrialCount": trials,
        "maxFailedTrialCount": 0,
    }
    trainer = {"data": {"source": "sklearn", "name": "digits"}, "maxEpochs": 27}
    return Spec.model_validate({"name": NAME, "experiment": said | experiment, "trainer": trainer})


def setting(of: Spec) -> str:
    """The setting of the Experiment, as the chart writes it."""
    said = json.loads(of.model_dump_json(by_alias=True, exclude_none=True))
    del said["trainer"]["data"]["files"]
    for counter in ("parallelTrialCount", "maxTrialCount", "maxFailedTrialCount"):
        del said["experiment"][counter]
    return json.dumps(said)


def curve(params: dict[str, str], epochs: int) -> tuple[float, ...]:
    """A curve that grows towards a quality that the params decide; many are equal."""
    noise = int(hashlib.sha256(json.dumps(params, sort_keys=True).encode()).hexdigest()[:4], 16) / 65536
    quality = 0.5 + 0.4 * (1 - abs(int(params["stem_width"]) - 250) / 250) + 0.1 * noise
    return tuple(round(quality * (1 - 0.7 / (epoch + 1)), 2) + 1e-9 for epoch in range(1, epochs + 1))


@dataclass
class Search:
    """One Experiment with its trials; store has what its trials wrote to rungs. ask is the suggestion service."""

    of: Spec
    ask: Ask = suggestions
    most: int = 30
    trials: list[katib.Trial] = field(default_factory=list)
    resumed_at: dict[str, int] = field(default_factory=dict)
    asked: int = 0
    store: dict[int, dict[str, float]] = field(default_factory=dict)

    def experiment(self) -> katib.Experiment:
        settings = [katib.AlgorithmSetting(name="spec", value=setting(self.of))]
        algorithm = katib.AlgorithmSpec(algorithm_name="atelier", algorithm_settings=settings)
        return katib.Experiment(name=NAME, spec=katib.ExperimentSpec(algorithm=algorithm, max_trial_count=self.most))

    def request(self, wanted: int) -> katib.GetSuggestionsRequest:
        shown = [one for one in self.trials if one.status.condition != katib.TrialStatus.METRICSUNAVAILABLE]
        return katib.GetSuggestionsRequest(
            experiment=self.experiment(),
            trials=shown,
            current_request_number=wanted,
            total_request_number=self.asked + wanted,
        )

    def grow(self, wanted: int = 1) -> list[str]:
        """Ask for trials and create them; their names."""
        reply = self.ask(self.request(wanted))
        self.asked += wanted
        for one in reply.parameter_assignments:
            assignments = katib.TrialSpec.ParameterAssignments(assignments=one.assignments)
            assert one.trial_name not in self.resumed_at, "two trials of one name"
            self.resumed_at[one.trial_name] = int(one.labels[marks.RESUMED_AT])
            self.trials.append(
                katib.Trial(
                    name=one.trial_name,
                    spec=katib.TrialSpec(parameter_assignments=assignments),
                    status=katib.TrialStatus(condition=katib.TrialStatus.RUNNING),
                )
            )
        return [one.trial_name for one in reply.parameter_assignments]

    def end(self, name: str, condition: katib.TrialStatus.TrialConditionType = katib.TrialStatus.SUCCEEDED) -> None:
        """End a trial as the trial program does, with what Katib collects of its lines."""
        trial = self.trial(name)
        trial.status.condition = condition
        if condition != katib.TrialStatus.SUCCEEDED:
            return
        values, reached = curve(params_of(trial), self.of.trainer.max_epochs), 0
        key = networks_of(self.of).key(params_of(trial))
        for reached in marks.names(self.of):
            if reached <= self.resumed_at[name] or reached == self.of.trainer.max_epochs:
                continue
            rung = self.store.setdefault(reached, {})
            rung[key] = values[reached - 1]
            others = [value for other, value in rung.items() if other != key]
            bar = halving.bar(others, self.of.experiment.objective, self.of.experiment.early_stopping.eta)
            if not halving.passes(rung[key], bar, self.of.experiment.objective):
                break
        told = {
            name: repr(values[epoch - 1]) if epoch <= reached else "unavailable"
            for epoch, name in marks.names(self.of).items()
        }
        told["val_accuracy"] = f"{values[reached - 1]:.6g}"
        trial.status.observation.metrics.extend(katib.Metric(name=name, value=text) for name, text in told.items())

    def run(self) -> None:
        """Trial by trial, to the end."""
        while len(self.trials) < self.most:
            (name,) = self.grow()
            self.end(name)

    def trial(self, name: str) -> katib.Trial:
        return next(one for one in self.trials if one.name == name)

    def steps(self) -> list[tuple[dict[str, str], int]]:
        """What was suggested, in order: params, and the rung where they go on or 0."""
        return [(params_of(one), self.resumed_at[one.name]) for one in self.trials]


def params_of(trial: katib.Trial) -> dict[str, str]:
    return {one.name: one.value for one in trial.spec.parameter_assignments.assignments}


@contextmanager
def serving() -> Iterator[grpc.Channel]:
    """A service of its own, and a channel to it."""
    made, port = server("127.0.0.1:0")
    made.start()
    try:
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            yield channel
    finally:
        made.stop(None).wait()


def over(channel: grpc.Channel) -> Ask:
    """GetSuggestions over a channel, as Katib calls it."""
    call = channel.unary_unary(
        f"/{SERVICE}/GetSuggestions",
        request_serializer=katib.GetSuggestionsRequest.SerializeToString,
        response_deserializer=katib.GetSuggestionsReply.FromString,
    )
    return lambda request: call(request, timeout=60)


def ask_a_new_pod(request: katib.GetSuggestionsRequest) -> katib.GetSuggestionsReply:
    with serving() as channel:
        return over(channel)(request)
