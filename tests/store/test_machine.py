"""Cores and memory by cgroup v2 and v1 limits, laid out as the kernel does."""

import os
from pathlib import Path

import pytest
from atelier_store.machine import available_memory, cores, peak_memory

ALLOWED = len(os.sched_getaffinity(0))


def cgroup(tmp_path: Path, **files: str) -> Path:
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{text}\n")
    return tmp_path


@pytest.mark.parametrize(
    ("quota", "expected"), [("50000", 1), ("100000", 1), ("150000", 2), ("100000000", ALLOWED), ("max", ALLOWED)]
)
def test_cores_are_the_quota_of_cgroup_v2_rounded_up_within_the_affinity(
    tmp_path: Path, quota: str, expected: int
) -> None:
    assert cores(cgroup(tmp_path, **{"cpu.max": f"{quota} 100000"})) == min(expected, ALLOWED)


@pytest.mark.parametrize(("quota", "expected"), [("50000", 1), ("150000", 2), ("-1", ALLOWED)])
def test_cores_are_the_quota_of_cgroup_v1(tmp_path: Path, quota: str, expected: int) -> None:
    folder = cgroup(tmp_path, **{"cpu/cpu.cfs_quota_us": quota, "cpu/cpu.cfs_period_us": "100000"})
    assert cores(folder) == min(expected, ALLOWED)


def test_without_a_cgroup_the_affinity_counts(tmp_path: Path) -> None:
    assert cores(tmp_path) == ALLOWED


def test_affinity_bounds_the_cores(tmp_path: Path) -> None:
    before = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(before)})
        assert cores(tmp_path) == 1
    finally:
        os.sched_setaffinity(0, before)


@pytest.mark.parametrize(
    ("limit", "used"),
    [("memory.max", "memory.current"), ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes")],
)
def test_memory_is_what_is_left_of_the_limit(tmp_path: Path, limit: str, used: str) -> None:
    assert available_memory(cgroup(tmp_path, **{limit: "3000000", used: "1000000"})) == 2_000_000
    assert available_memory(cgroup(tmp_path, **{limit: "3000000", used: "4000000"})) == 0


def test_memory_without_a_limit_is_the_machines(tmp_path: Path) -> None:
    assert available_memory(cgroup(tmp_path, **{"memory.max": "max", "memory.current": "5"})) > 2**20
    assert available_memory(tmp_path / "nothing") > 2**20


def test_the_peak_is_what_was_held_at_most(tmp_path: Path) -> None:
    (tmp_path / "self").mkdir()
    (tmp_path / "self/status").write_text("Name:\tx\nVmPeak:\t  9000 kB\nVmHWM:\t  123 kB\nVmRSS:\t  100 kB\n")
    assert peak_memory(tmp_path) == 123 * 1024
    assert 2**22 < peak_memory() < 2**36
    assert 2**22 < peak_memory(tmp_path / "none") < 2**36
