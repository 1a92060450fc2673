"""The cores and the memory that this process may use, by its affinity and its cgroup's limits (v2 or v1), and has."""

from __future__ import annotations

import os
import resource
import sys
from pathlib import Path

CGROUP = Path("/sys/fs/cgroup")
PROC = Path("/proc")


def cores(cgroup: Path = CGROUP) -> int:
    """Whole cores: those of the affinity, or the CPU quota rounded up if that is less; at least 1."""
    allowed = len(os.sched_getaffinity(0))
    quota = _quota(cgroup)
    return max(1, min(allowed, allowed if quota is None else -int(-quota // 1)))


def available_memory(cgroup: Path = CGROUP) -> int:
    """Bytes that are free: the machine's, or what is left of the cgroup's limit if that is less."""
    machine = next(
        int(line.split()[1]) * 1024
        for line in Path("/proc/meminfo").read_text().splitlines()
        if line.startswith("MemAvailable:")
    )
    limits = [("memory.max", "memory.current"), ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes")]
    left = [
        limit - (_number(cgroup / used) or 0) for name, used in limits if (limit := _number(cgroup / name)) is not None
    ]
    return max(0, min([machine, *left]))


def peak_memory(proc: Path = PROC) -> int:
    """Bytes that this process has had in memory at most: its own and what it has mapped of files, code included."""
    try:
        status = (proc / "self" / "status").read_text()
        return int(status.partition("VmHWM:")[2].split()[0]) * 1024
    except (OSError, IndexError):  # no Linux
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def _quota(cgroup: Path) -> float | None:
    try:
        quota, period = (cgroup / "cpu.max").read_text().split()
        return None if quota == "max" else int(quota) / int(period)
    except (OSError, ValueError):
        quota_v1, period_v1 = _number(cgroup / "cpu/cpu.cfs_quota_us"), _number(cgroup / "cpu/cpu.cfs_period_us")
        return quota_v1 / period_v1 if quota_v1 is not None and quota_v1 > 0 and period_v1 else None


def _number(path: Path) -> int | None:
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return None
