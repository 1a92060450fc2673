"""Forks worker processes, watches them, replaces those that die or hang, and ends them together."""

from __future__ import annotations

import logging
import os
import signal
import sys
import time
from collections.abc import Callable

from atelier_server.workers.board import Board

ENDING = (signal.SIGTERM, signal.SIGINT)
AFTER_GRACE = 5.0
"""Seconds beyond their grace after which workers that still run are killed."""

LONGEST_START = 60.0
"""Seconds after which a worker that is not ready yet is killed."""

log = logging.getLogger(__name__)


class Supervisor:
    """Runs work(number) in a process for every number below workers; work's result is the exit status.

    A worker that dies, or whose event loop does not turn for twice hang_after seconds, is replaced, at most once a
    second. If one dies before any is ready, all end: a replacement would die as well.
    """

    def __init__(
        self, workers: int, work: Callable[[int], int], board: Board, *, hang_after: float, grace: float
    ) -> None:
        self._workers, self._work, self._board = workers, work, board
        self._hang_after, self._grace = hang_after, grace
        self._pids: dict[int, int] = {}
        self._started: dict[int, float] = {}

    def run(self, on_end: Callable[[], None]) -> int:
        """Run until SIGTERM or SIGINT (0), or until no worker starts (1). on_end is called before the workers end."""
        signal.pthread_sigmask(signal.SIG_BLOCK, {*ENDING, signal.SIGCHLD})  # they are waited for instead
        while True:
            self._start_missing()
            received = signal.sigtimedwait([*ENDING, signal.SIGCHLD], 0.5)
            is_asked = received is not None and received.si_signo in ENDING
            if is_asked or not self._reap():
                on_end()
                self._end()
                return 0 if is_asked else 1
            self._kill_hung()

    def _start_missing(self) -> None:
        for number in range(self._workers):
            if number not in self._pids and time.monotonic() - self._started.get(number, 0.0) >= 1.0:
                self._start(number)

    def _start(self, number: int) -> None:
        self._started[number] = time.monotonic()
        if pid := os.fork():
            self._pids[number] = pid
            return
        status = 1
        try:
            # uvicorn raises the signal that ended it again, for the handler before its own: that is a normal end
            for ending in ENDING:
                signal.signal(ending, lambda *_: sys.exit(0))
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {*ENDING, signal.SIGCHLD})
            status = self._work(number)
        except SystemExit as ended:
            status = ended.code if isinstance(ended.code, int) else 0
        except BaseException:
            log.exception("worker %d failed", number)
        finally:
            logging.shutdown()
            os._exit(status)  # without the exit handlers, which are the supervisor's

    def _reap(self) -> bool:
        """Forget workers that have ended; False if one has and none was ready."""
        ready = self._board.entries()
        for number, pid in list(self._pids.items()):
            if os.waitpid(pid, os.WNOHANG)[0]:
                del self._pids[number]
                self._board.clear(number)
                log.error("worker %d (process %d) ended", number, pid)
                if not ready:
                    return False
        return True

    def _kill_hung(self) -> None:
        for number, entry in self._board.hung(2 * self._hang_after).items():
            log.error(
                "worker %d (process %d) has hung for %.0f s and is killed", number, entry.pid, 2 * self._hang_after
            )
            os.kill(entry.pid, signal.SIGKILL)
        for number, pid in self._pids.items():
            if number not in self._board.entries() and time.monotonic() - self._started[number] > LONGEST_START:
                log.error(
                    "worker %d (process %d) has not started within %.0f s and is killed", number, pid, LONGEST_START
                )
                os.kill(pid, signal.SIGKILL)

    def _end(self) -> None:
        for pid in self._pids.values():
            os.kill(pid, signal.SIGTERM)
        deadline = time.monotonic() + self._grace + AFTER_GRACE
        while self._pids:
            left = deadline - time.monotonic()
            if left <= 0:
                for pid in self._pids.values():
                    os.kill(pid, signal.SIGKILL)
            signal.sigtimedwait([signal.SIGCHLD], max(0.01, min(left, 0.5)))
            for number, pid in list(self._pids.items()):
                if os.waitpid(pid, os.WNOHANG)[0]:
                    del self._pids[number]
