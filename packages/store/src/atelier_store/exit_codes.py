"""How the programs end: every exit code, and what it means of which program."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """An exit code; MEANINGS says which program ends with it when."""

    OK = 0
    FINDINGS = 1
    WRONG_INPUT = 2
    FAILED = 3
    INTERRUPTED = 130
    UNREAD = 141
    STOPPED = 143


MEANINGS: dict[ExitCode, dict[str, str]] = {
    ExitCode.OK: {
        "atelier": "done; of a search: it ended, and not for failed trials",
        "atelier_trainer": "the trial succeeded, is paused at a rung, or is over budget",
        "atelier_server": "done",
        "atelier_suggestion": "stopped by SIGTERM or Ctrl-C",
    },
    ExitCode.FINDINGS: {
        "atelier": "nothing to promote; `replay` or `compare --check` found a difference, `audit` a mismatch, `doctor` "
        "something missing",
        "atelier_server": "`wait`: the Experiment failed or did not end; `promote`: nothing to promote",
    },
    ExitCode.WRONG_INPUT: {
        "atelier": "wrong input, or something outside is in the way: a disk, a port, another process",
        "atelier_trainer": "wrong input",
        "atelier_server": "wrong input",
        "atelier_suggestion": "wrong input, or the port is taken",
    },
    ExitCode.FAILED: {
        "atelier": "`experiment.maxFailedTrialCount` trials failed, or some did and none can be promoted",
        "atelier_trainer": "the trial failed; its card says why",
    },
    ExitCode.INTERRUPTED: {"atelier": "interrupted by Ctrl-C or SIGTERM; the same command goes on"},
    ExitCode.UNREAD: {"atelier": "nobody reads any more what it prints: a pager or `head` has ended before it"},
    ExitCode.STOPPED: {
        "atelier_trainer": "stopped by SIGTERM or Ctrl-C before its end; the next run goes on",
        "atelier_server": "`wait`: stopped by SIGTERM",
    },
}
"""What each code means, by program."""
