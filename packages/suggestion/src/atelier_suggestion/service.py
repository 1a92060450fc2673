"""Katib's gRPC service Suggestion. What it answers is a function of the request, so any pod answers the same."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Lock
from typing import Any

import grpc
from atelier_searcher.decision import Networks, Resume, Suggestion, decide
from atelier_searcher.history import Trial
from atelier_store import marks
from atelier_store.spec import Spec
from grpc_health.v1.health import HealthServicer
from grpc_health.v1.health_pb2 import HealthCheckResponse
from grpc_health.v1.health_pb2_grpc import add_HealthServicer_to_server

from atelier_suggestion import katib_pb2 as katib
from atelier_suggestion.requests import InvalidSettings, history_of, name_of, networks_of, number_of, spec_of

PORT = 6789
"""Katib's, which it adds to the pod itself."""

SERVICE = "api.v1.beta1.Suggestion"
PROBED = "manager.v1beta1.Suggestion"
"""What Katib's probes ask for."""

MOST_BYTES = 64 << 20
"""Of a request: 10,000 trials of 30 parameters are 20 MB."""

log = logging.getLogger("atelier.suggestion")


class NothingToSuggest(RuntimeError):
    """The search space has no point that could be trained."""


def suggestions(request: katib.GetSuggestionsRequest) -> katib.GetSuggestionsReply:
    """As many trials as Katib wants now; equal requests give equal ones. InvalidSettings, NothingToSuggest."""
    spec = spec_of(request.experiment, request.total_request_number)
    networks = networks_of(spec)
    history = history_of(spec, networks, request.trials)
    made = request.total_request_number - request.current_request_number
    # Where parallelTrialCount is lowered, Katib takes trials away, and not always the last ones.
    first = max([made, *(number_of(trial) + 1 for trial in request.trials)])
    reply = katib.GetSuggestionsReply()
    for number in range(first, first + request.current_request_number):
        params, resumed_at = _next(spec, history, networks)
        reply.parameter_assignments.add(
            assignments=[katib.ParameterAssignment(name=name, value=text) for name, text in params.items()],
            trial_name=name_of(request.experiment.name, number),
            labels={marks.RESUMED_AT: str(resumed_at)},
        )
    return reply


def _next(spec: Spec, history: list[Trial], networks: Networks) -> tuple[dict[str, str], int]:
    """The params of the next trial, and the rung where it goes on or 0. The history has it afterwards, as running."""
    decision = decide(spec, history, networks)
    if isinstance(decision, Suggestion):
        history.append(Trial(decision.params, decision.key))
        return decision.params, 0
    if isinstance(decision, Resume):
        place = next(place for place, trial in enumerate(history) if trial.key == decision.key)
        history[place] = replace(history[place], status="running")
        return history[place].params, decision.rung
    if not history:
        raise NothingToSuggest(decision.reason or "there is nothing to suggest")
    # Katib knows no end of suggestions: it would ask for ever. A trial that is trained already ends in seconds.
    log.info("nothing new to suggest: %s", decision.reason or "the search has what it needs")
    return _best(spec, history).params, 0


def _best(spec: Spec, history: list[Trial]) -> Trial:
    """The best trial that was trained to its end, or else the first."""
    ended = [trial for trial in history if trial.status == "succeeded"]
    return min(ended or history[:1], key=lambda one: spec.experiment.objective.rank_key(one.values[-1]) if ended else 0)


class Service:
    """The methods of Katib's service."""

    def __init__(self) -> None:
        self._lock = Lock()  # what Optuna keeps of a space is of one thread

    def get_suggestions(
        self, request: katib.GetSuggestionsRequest, context: grpc.ServicerContext
    ) -> katib.GetSuggestionsReply:
        """GetSuggestions: INVALID_ARGUMENT or FAILED_PRECONDITION with the reason."""
        try:
            with self._lock:
                reply = suggestions(request)
        except InvalidSettings as error:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, "; ".join(error.violations))
        except NothingToSuggest as error:
            context.abort(grpc.StatusCode.FAILED_PRECONDITION, str(error))
        for trial in reply.parameter_assignments:
            log.info("%s resumed at %s: %s", trial.trial_name, trial.labels[marks.RESUMED_AT], _words(trial))
        return reply

    def validate_algorithm_settings(
        self, request: katib.ValidateAlgorithmSettingsRequest, context: grpc.ServicerContext
    ) -> katib.ValidateAlgorithmSettingsReply:
        """ValidateAlgorithmSettings: INVALID_ARGUMENT with the reason, which ends the Experiment."""
        try:
            spec_of(request.experiment)
        except InvalidSettings as error:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, "; ".join(error.violations))
        return katib.ValidateAlgorithmSettingsReply()


def _words(trial: katib.GetSuggestionsReply.ParameterAssignments) -> str:
    return " ".join(f"{one.name}={one.value}" for one in trial.assignments)


def server(address: str) -> tuple[grpc.Server, int]:
    """A server that is bound to an address (HOST:PORT; port 0 is a free one) and not started, and its port.

    RuntimeError if the port is taken.
    """
    service, health = Service(), HealthServicer()
    made = grpc.server(
        ThreadPoolExecutor(4), options=[("grpc.max_receive_message_length", MOST_BYTES), ("grpc.so_reuseport", 0)]
    )
    methods: dict[str, grpc.RpcMethodHandler[Any, Any]] = {
        "GetSuggestions": grpc.unary_unary_rpc_method_handler(
            service.get_suggestions,
            katib.GetSuggestionsRequest.FromString,
            katib.GetSuggestionsReply.SerializeToString,
        ),
        "ValidateAlgorithmSettings": grpc.unary_unary_rpc_method_handler(
            service.validate_algorithm_settings,
            katib.ValidateAlgorithmSettingsRequest.FromString,
            katib.ValidateAlgorithmSettingsReply.SerializeToString,
        ),
    }
    made.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(SERVICE, methods)])
    add_HealthServicer_to_server(health, made)
    for probed in ("", PROBED):
        health.set(probed, HealthCheckResponse.SERVING)
    return made, made.add_insecure_port(address)
