"""Promotes an experiment's best trial, verified with the runtime that will serve it."""

from __future__ import annotations

import getpass
import logging
import socket
from functools import partial

from atelier_store.layout import Store
from atelier_store.lease import LeaseLost
from atelier_store.promotion import NothingToPromote, Promoted, promote
from atelier_store.records import KatibPick

from atelier_server.models.verification import verify
from atelier_server.promotion import search_record
from atelier_server.promotion.evaluation import evaluate

log = logging.getLogger(__name__)


def promote_best(store: Store, experiment: str, model: str) -> Promoted:
    """Verify, test and promote.

    Raises NothingToPromote, LeaseLost, the file system's OSError, or ValueError on torn test arrays.
    """
    return promote(
        store,
        experiment,
        model,
        verify=verify,
        evaluate=partial(evaluate, store),
        promoted_by=_who(),
        on_wait=lambda holder: log.warning("waiting for %s", holder),
    )


def run(store: Store, experiment: str, model: str, namespace: str | None = None) -> int:
    """Run the command. The result is the exit status.

    0 if the trial is promoted, or was already; 1 if nothing can be promoted, with the reason for each trial in the log,
    or if the store cannot be used. After 1 the model's pointer has not changed. search.json holds the outcome and, with
    a namespace, what Katib would have chosen there.
    """
    try:
        done = promote_best(store, experiment, model)
    except (NothingToPromote, LeaseLost, OSError, ValueError) as error:
        reasons = _reasons(error)
        for reason in reasons:
            log.error("not promoted: %s", reason)
        if store.root.is_dir():  # a mistyped store is not created
            search_record.write(store.model(model), experiment, "failed", "; ".join(reasons))
        return 1
    promotion = done.promotion
    objective = f"{promotion.objective_metric_name} {promotion.metric:.6g}"
    outcome = f"{model} version {promotion.version}: trial {promotion.trial}, {objective}"
    log.info("%s %s", "promoted" if done.is_new else "already promoted:", outcome)
    search_record.write(store.model(model), experiment, "promoted", katib=_katibs_pick(store, done, namespace))
    return 0


def _reasons(error: Exception) -> list[str]:
    if isinstance(error, NothingToPromote):
        return error.reasons
    if isinstance(error, OSError):
        reason = error.strerror or str(error)
        return [f"{error.filename}: {reason}" if error.filename else reason]
    return [str(error)]


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
