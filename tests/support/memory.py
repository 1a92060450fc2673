"""Whether processes keep their memory flat."""

import re
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from tests.support.server_process import Server, workers

MEBIBYTE = 2**20


def anonymous(pids: Sequence[int]) -> int:
    """Bytes that the processes have in memory, what they share counted once among them (Pss_Anon).

    Without mapped files: their share depends on what else runs on the machine.
    """
    found = [
        re.search(r"^Pss_Anon:\s+(\d+) kB$", Path(f"/proc/{pid}/smaps_rollup").read_text(), re.MULTILINE)
        for pid in pids
    ]
    return sum(int(one[1]) for one in found if one) * 1024


def held(server: Server) -> int:
    """Bytes of the server, all its processes together."""
    return anonymous([server.process.pid, *workers(server)])


def growth(samples: Sequence[int]) -> int:
    """By how much the last fifth of the samples lies over the second fifth, by their medians.

    The first fifth is warm-up: pools fill. Memory is flat if that is under a limit; a leak of n bytes, N times,
    adds 0.6 n N.
    """
    fifth = len(samples) // 5
    return int(median(samples[-fifth:]) - median(samples[fifth : 2 * fifth]))
