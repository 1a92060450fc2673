"""Promotes an experiment's best trial as a policy decides, or the version that a person has chosen.

Either is verified with the runtime that will serve it.
"""

from __future__ import annotations

import getpass
import logging
import socket
from collections.abc import Callable
from functools import partial
from pathlib import Path

from atelier_store.current_search import present, successor
from atelier_store.layout import ExperimentPaths, ModelPaths, Store
from atelier_store.lease import LeaseLost
from atelier_store.promotion import Promoted, Promoter
from atelier_store.records import DEFAULT_POLICY, KatibPick, Policy, SearchState, TrialConfig
from atelier_store.report import shortfall
from atelier_store.scores import OwnMetrics
from atelier_store.spec import Spec
from atelier_store.versions import Signs
from atelier_store.winners import NothingToPromote

from atelier_server.models.verification import verify
from atelier_server.promotion import search_record
from atelier_server.promotion.evaluation import answer

FAILURES = (NothingToPromote, LeaseLost, OSError, ValueError)

log = logging.getLogger(__name__)


def promoter(
    paths: ModelPaths,
    sign: Path | None = None,
    metrics: Callable[[Spec, TrialConfig], OwnMetrics] = lambda *_: {},
) -> Promoter:
    """Promotes for this model in the name of this process's user, who signs with the private key in the file sign.

    metrics gives the user's own for the test rows; by default there are none, since the extractor, which may ask the
    API server, runs no code of the user. InvalidInput or OSError if there is no such key. Beside what a Promoter raises
    there is a ValueError on torn test arrays.
    """
    return Promoter(
        paths,
        verify,
        partial(answer, paths.store),
        _who(),
        lambda holder: log.warning("waiting for %s", holder),
        metrics,
        _signer(paths, sign) if sign is not None else None,
    )


def run(
    store: Store,
    experiment: str,
    model: str,
    policy: Policy = DEFAULT_POLICY,
    held: str | None = None,
    namespace: str | None = None,
    sign: Path | None = None,
) -> int:
    """Let the policy decide over the experiment's best trial. The result is the exit status.

    sign is the private key that versions are signed with. held is a version that a person wants to be served: the best
    trial only waits. 0 if the trial is promoted, was already, or is left waiting, or if another search has taken this
    one's place in its release; 1 if nothing can be promoted, with the reason for each trial in the log, or if the store
    or the key cannot be used. After 1 the model's pointer has not changed. search.json holds the outcome and, with a
    namespace, what Katib would have chosen there; report.html beside the leaderboard shows the search to people.
    """
    if later := successor(experiment):
        log.info("not promoted: %s was applied later than %s", later, experiment)
        return 0
    paths = store.model(model)
    try:
        done = promoter(paths, sign).best(experiment, policy, held)
    except FAILURES as error:
        status = _fail(paths, experiment, error)
        if isinstance(error, NothingToPromote):
            _leave_report(store.experiment(experiment))
        return status
    _log_decided(done, model)
    short = shortfall(Spec.read(store.experiment(experiment).spec), done.manifest)
    if short:
        log.warning("%s version %s: %s", model, done.promotion.version, short)
    shown = short if done.is_served else "; ".join(filter(None, [outcome(done, model), short]))
    search_record.write(paths, experiment, _state(done), shown, katib=_katibs_pick(store, done, namespace))
    _leave_report(store.experiment(experiment))
    return 0


def choose(store: Store, model: str, version: str, why: str = "", sign: Path | None = None) -> int:
    """Serve the version that a person has chosen, signed with the private key sign.

    The result is the exit status: 0 done, or done already; 1 not. After 1 the reason is in search.json, for the search
    of the profile that was applied last, or else for the last one.
    """
    paths = store.model(model)
    try:
        done = promoter(paths, sign).version(version, why)
    except FAILURES as error:
        return _fail(paths, present() or search_record.experiment(paths), error)
    was = "is served now" if done.is_new else "was served already"
    log.info("%s version %s (trial %s) %s, as chosen", model, version, done.promotion.trial, was)
    return 0


def outcome(done: Promoted, model: str) -> str:
    """What became of a winner that is not served, and how a person has it served all the same."""
    assert done.decision is not None
    promotion, decision = done.promotion, done.decision
    what = f"{model} version {promotion.version} (trial {promotion.trial})"
    if decision.outcome == "none":
        approve = f"to serve it: atelier promote {promotion.experiment} --model {model} --trial {promotion.trial}"
    else:
        approve = (
            f"to serve it: promotion.version={promotion.version}, "
            f"or atelier promote --model {model} --version {promotion.version}"
        )
    if decision.outcome == "promoted":
        return f"{what} was promoted before, and a person has chosen version {done.served} since; {approve}"
    instead = f"version {done.served} stays" if done.served else "no version is served"
    words = {"worse": "is refused", "none": "is not promoted"}.get(decision.outcome, "waits for a person")
    return f"{what} {words}: {decision.reason}; {instead}; {approve}"


def _state(done: Promoted) -> SearchState:
    if done.is_served:
        return "promoted"
    states: dict[str, SearchState] = {"worse": "refused", "none": "not_promoted"}
    return states.get(done.decision.outcome, "waiting") if done.decision else "waiting"


def _log_decided(done: Promoted, model: str) -> None:
    if not done.is_served:
        log.warning("%s", outcome(done, model))
        return
    promotion = done.promotion
    what = f"{model} version {promotion.version}: trial {promotion.trial}, {promotion.value}"
    why = f"; {done.decision.reason}" if done.is_new and done.decision and done.decision.comparison else ""
    log.info("%s %s%s", "promoted" if done.is_new else "already promoted:", what, why)


def _fail(paths: ModelPaths, experiment: str | None, error: Exception) -> int:
    """Log every reason, and record them for the search, if there is one. The result is the exit status."""
    reasons = _reasons(error)
    for reason in reasons:
        log.error("not promoted: %s", reason)
    if experiment is not None and paths.store.root.is_dir():  # a mistyped store is not created
        search_record.write(paths, experiment, "failed", "; ".join(reasons))
    return 1


def _reasons(error: Exception) -> list[str]:
    if isinstance(error, NothingToPromote):
        return error.reasons
    if isinstance(error, OSError):
        reason = error.strerror or str(error)
        return [f"{error.filename}: {reason}" if error.filename else reason]
    return [str(error)]


def _leave_report(paths: ExperimentPaths) -> None:
    """Leave the report of a search that has a leaderboard. Nothing depends on it, so what goes wrong is a warning."""
    from atelier_board import report  # a server never loads it

    if not paths.leaderboard.exists():
        return
    try:
        report.leave(paths)
    except Exception as error:  # whatever it is, the promotion is done
        log.warning("no %s is left: %s: %s", paths.report.name, type(error).__name__, error)
        return
    log.info("the search as one file: %s", paths.report)


def _signer(paths: ModelPaths, key: Path) -> Signs:
    from atelier_store.signing import keys, models  # only who signs loads what does it

    return models.Signer(paths, keys.read_ecdsa(key))


def _katibs_pick(store: Store, done: Promoted, namespace: str | None) -> KatibPick | None:
    if namespace is None:
        return None
    from atelier_server.promotion.katib_pick import katibs_pick  # a laptop never loads a client of Kubernetes

    return katibs_pick(store, done, namespace)


def _who() -> str:
    try:
        return f"{getpass.getuser()}@{socket.gethostname()}"
    except (KeyError, OSError):  # a numeric user of a container has no name
        return socket.gethostname()
