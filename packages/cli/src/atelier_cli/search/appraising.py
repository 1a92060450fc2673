"""Questions about untrained networks to processes that have imported torch, which the engine has not."""

from __future__ import annotations

from contextlib import AbstractContextManager
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from types import TracebackType
from typing import Any

from atelier_store.layout import Store
from atelier_store.records import Candidate, DataDescription
from atelier_store.spec import Proxy, Spec

from atelier_cli.search.children import CONTEXT, start_fork_server


class Appraisers(AbstractContextManager["Appraisers"]):
    """A process that appraises the networks of a search, started with the first question; it ends with the engine.

    What a network of one's own prints goes to the file messages.
    """

    def __init__(self, spec: Spec, store: Store, description: DataDescription, messages: Path) -> None:
        self._budget = spec.trainer.budget
        self._arguments = (spec, store, description, str(messages))
        self._process: BaseProcess | None = None
        self._connection: Connection | None = None

    def refusal(self, params: dict[str, str]) -> str | None:
        """Why the network has too many parameters or multiply-adds, as one line; None if it has not, or may not."""
        if self._budget.params is None and self._budget.macs is None:
            return None
        answer: str | None = self._ask("refusal", params)
        return answer

    def operations(self, params: dict[str, str]) -> dict[str, float] | None:
        """What the network computes, by kind; None if that is not known."""
        answer: dict[str, float] | None = self._ask("operations", params)
        return answer

    def candidate(self, params: dict[str, str], proxies: tuple[Proxy, ...]) -> Candidate | None:
        """The network's scores before it is trained; None if it is over the budget."""
        answer: Candidate | None = self._ask("candidate", params, proxies)
        if self._connection is None:
            return Candidate(params=params, scores={}, unscored=dict.fromkeys(proxies, "the process died of it"))
        return answer

    def _ask(self, *question: Any) -> Any:
        """The answer; None if the process died of the question, as a network of one's own may have it."""
        if self._connection is None:
            self._connection = self._start()
        try:
            self._connection.send(question)
            return self._connection.recv()
        except (EOFError, OSError):
            self._end()
            return None

    def _start(self) -> Connection:
        Path(self._arguments[-1]).parent.mkdir(parents=True, exist_ok=True)
        ours, theirs = CONTEXT.Pipe()
        start_fork_server()
        self._process = CONTEXT.Process(target=_serve, args=(theirs, *self._arguments), daemon=True)
        self._process.start()
        theirs.close()
        return ours

    def _end(self) -> None:
        if self._connection is not None and self._process is not None:
            self._connection.close()
            self._process.kill()
            self._process.join()
        self._connection = self._process = None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()


def _serve(*arguments: Any) -> None:
    from atelier_trainer.appraisal import serve

    serve(*arguments)
