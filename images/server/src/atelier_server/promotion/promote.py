"""The promotion of an experiment's best trial with this server's own runtime: what is verified here is what will be served here."""

from __future__ import annotations

import getpass
import logging
import socket

from atelier_store.layout import Store
from atelier_store.lease import LeaseLost
from atelier_store.promotion import NothingToPromote, Promoted, promote
from atelier_store.records import KatibPick

from atelier_server.models.verification import verify
from atelier_server.promotion.evaluation import evaluator
from atelier_server.promotion.search_record import say

log = logging.getLogger(__name__)


def promote_best(store: Store, experiment: str, model: str) -> Promoted:
    """Verify, test and promote. NothingToPromote, LeaseLost, OSError as the file system says it, ValueError on torn test arrays."""
    return promote(
        store,
        experiment,
        model,
        verify=verify,
        evaluate=evaluator(store),
        promoted_by=_who(),
        on_wait=lambda holder: log.warning("waiting for %s", holder),
    )


def run(store: Store, experiment: str, model: str, namespace: str | None = None) -> int:
    """The command: 0 promoted, or promoted already; 1 nothing can be promoted, each trial with its reason, or the store cannot be used.

    After 1 the model's pointer is where it was. search.json says what it came to and, with a namespace, what Katib would have chosen there.
    """
    try:
        done = promote_best(store, experiment, model)
    except (NothingToPromote, LeaseLost, OSError, ValueError) as error:
        reasons = _reasons(store, error)
        for reason in reasons:
            log.error("not promoted: %s", reason)
        if store.root.is_dir():  # a mistyped store is not made
            say(store.model(model), experiment, "failed", "; ".join(reasons))
        return 1
    promotion = done.promotion
    said = f"{model} version {promotion.version}: trial {promotion.trial}, {promotion.objective_metric_name} {promotion.metric:.6g}"
    log.info("%s %s", "promoted" if done.is_new else "already promoted:", said)
    say(store.model(model), experiment, "promoted", katib=_katibs_pick(store, done, namespace))
    return 0


def _reasons(store: Store, error: Exception) -> list[str]:
    if isinstance(error, NothingToPromote):
        return error.reasons
    if isinstance(error, OSError):
        return [f"{error.filename or store.root}: {error.strerror or error}"]
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
