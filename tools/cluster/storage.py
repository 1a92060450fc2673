"""Volumes: folders of this machine, emptied and offered again once their claim is gone.

No dynamic provisioner comes as a Go module.
"""

from __future__ import annotations

from typing import Any

from .images import BASE
from .kubectl import apply
from .layout import VOLUMES

CLASS = "atelier-local"
COUNT, SIZE = 100, "100Gi"


def install() -> str:
    for number in range(COUNT):
        folder = VOLUMES / f"{number:02}"
        if not folder.exists():
            folder.mkdir(parents=True)
            folder.chmod(0o777)  # fsGroup does nothing for a hostPath, and our containers are not root
    apply([storage_class(), *(volume(number) for number in range(COUNT))])
    return f"{COUNT} volumes of class {CLASS}, the default"


def storage_class() -> dict[str, Any]:
    return {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {"name": CLASS, "annotations": {"storageclass.kubernetes.io/is-default-class": "true"}},
        "provisioner": "kubernetes.io/no-provisioner",
        "volumeBindingMode": "WaitForFirstConsumer",
        "reclaimPolicy": "Delete",
    }


def volume(number: int) -> dict[str, Any]:
    """Nothing enforces the size."""
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": f"{CLASS}-{number:02}"},
        "spec": {
            "storageClassName": CLASS,
            "capacity": {"storage": SIZE},
            "accessModes": ["ReadWriteOnce", "ReadWriteMany"],
            "persistentVolumeReclaimPolicy": "Recycle",
            "hostPath": {"path": str(VOLUMES / f"{number:02}"), "type": "Directory"},
        },
    }


def recycler() -> dict[str, Any]:
    """The pod that the controller manager empties a released volume with; it fills in which."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"generateName": "volume-recycler-", "namespace": "default"},
        "spec": {
            "activeDeadlineSeconds": 60,
            "restartPolicy": "Never",
            "terminationGracePeriodSeconds": 0,
            "containers": [
                {
                    "name": "recycler",
                    "image": BASE.name,
                    "command": ["find", "/scrub", "-mindepth", "1", "-delete"],
                    "volumeMounts": [{"name": "volume", "mountPath": "/scrub"}],
                }
            ],
            "volumes": [{"name": "volume", "emptyDir": {}}],
        },
    }
