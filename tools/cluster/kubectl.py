"""kubectl against this cluster, and why pods do not become ready."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from .commands import output
from .layout import BIN, KUBECONFIG
from .steps import Failure


def kubectl(*arguments: str | Path, stdin: str | None = None, seconds: float = 60) -> str:
    return output(BIN / "kubectl", f"--kubeconfig={KUBECONFIG}", *arguments, stdin=stdin, seconds=seconds)


def apply(objects: list[dict[str, Any]]) -> None:
    apply_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": objects}))


def apply_text(manifests: str) -> None:
    """Server-side: the monitoring resources' definitions are too large for kubectl's annotation."""
    kubectl("apply", "--server-side", "--force-conflicts", "--filename=-", stdin=manifests)


def rolled_out(namespace: str, *workloads: str, seconds: float = 180) -> None:
    for workload in workloads:
        try:
            kubectl(
                "--namespace",
                namespace,
                "rollout",
                "status",
                workload,
                f"--timeout={seconds:.0f}s",
                seconds=seconds + 30,
            )
        except Failure as failure:
            raise Failure(f"{failure}\n{unready_pods(namespace)}") from failure


def unready_pods(namespace: str) -> str:
    """Each pod that is not ready: what its containers wait for, and the last lines of their logs."""
    pods = json.loads(kubectl("--namespace", namespace, "get", "pods", "--output=json"))["items"]
    lines: list[str] = []
    for pod in pods:
        name, status = pod["metadata"]["name"], pod["status"]
        for container in status.get("containerStatuses", []):
            if not container["ready"]:
                state = container.get("state") or {"unknown": {}}
                words = [f"{phase} {why.get('reason', '')} {why.get('message', '')}" for phase, why in state.items()]
                lines.append(f"pod {name}, container {container['name']}: {' '.join(words)}")
                lines += [f"  {line}" for line in _logs(namespace, name, container["name"])]
        if not status.get("containerStatuses"):
            lines += [
                f"pod {name}: {condition.get('message', condition['type'])}"
                for condition in status.get("conditions", [])
                if condition["status"] != "True"
            ]
    return "\n".join(lines) or f"namespace {namespace} has no pods that are not ready"


def _logs(namespace: str, pod: str, container: str) -> list[str]:
    try:
        return kubectl("--namespace", namespace, "logs", pod, f"--container={container}", "--tail=8").splitlines()
    except Failure:
        return []
