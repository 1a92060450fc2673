"""The environment of a trial: device, precision, threads; and the settings that make training deterministic."""

from __future__ import annotations

import os
import platform
from importlib.metadata import version
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from atelier_store.records import Environment
from atelier_store.spec import Kind

from atelier_trainer.model import Precision


def configure(threads: int) -> torch.device:
    """Set threads and determinism before torch starts work; the device to train on."""
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.set_num_threads(threads)
    # the same as use_deterministic_algorithms(True), which imports the compiler: 4 s
    torch.set_deterministic_debug_mode("error")
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def precision(device: torch.device, kind: Kind) -> Precision:
    """bfloat16 for convolutions where the hardware multiplies in it, else float32."""
    if kind == "rows":
        return "float32"
    fast = (
        torch.cuda.is_bf16_supported()
        if device.type == "cuda"
        else bool(_cpu_flags() & {"avx512_bf16", "amx_bf16", "bf16"})
    )
    return "bfloat16" if fast else "float32"


def describe(device: torch.device, used: Precision) -> Environment:
    """What has to be equal for a replay."""
    return Environment(
        python=platform.python_version(),
        torch=torch.__version__,
        numpy=np.__version__,
        onnxruntime=onnxruntime.__version__,
        cpu=_cpu_field("model name") or platform.machine(),
        cpu_capability=torch.backends.cpu.get_cpu_capability(),
        threads=torch.get_num_threads(),
        device=torch.cuda.get_device_name() if device.type == "cuda" else "cpu",
        precision=used,
        code_version=version("atelier-trainer"),
    )


def _cpu_flags() -> set[str]:
    return set((_cpu_field("flags") or _cpu_field("Features") or "").split())


def _cpu_field(name: str) -> str | None:
    path = Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.exists() else []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(name)), None)
