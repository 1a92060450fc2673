"""Whether the store gets a volume."""

from __future__ import annotations

from collections.abc import Iterator

from lightkube.resources.core_v1 import PersistentVolume, PersistentVolumeClaim
from lightkube.resources.storage_v1 import StorageClass

from atelier_cli.doctor.cluster import Cluster, amount, name_of
from atelier_cli.doctor.diagnosis import Diagnosis, missing, ok, warning
from atelier_cli.profile.findings import allowed
from atelier_cli.profile.merging import Values

CHECK = "storage"
DEFAULT = "storageclass.kubernetes.io/is-default-class"
INSTALL = (
    "apply -f https://raw.githubusercontent.com/rancher/local-path-provisioner/v0.0.31/deploy/local-path-storage.yaml"
)
ONE_NODE = (
    "disk.csi.azure.com",
    "ebs.csi.aws.com",
    "microk8s.io/hostpath",
    "pd.csi.storage.gke.io",
    "rancher.io/local-path",
)
"""Provisioners whose volumes only one node can mount at a time."""


def check_storage(cluster: Cluster, storage: Values) -> Iterator[Diagnosis]:
    """Whether the profile's existing claim, a free volume without a class, or its class can hold the store."""
    mode, class_name = storage.get("accessMode", "ReadWriteOnce"), storage.get("storageClassName")
    if claim := storage.get("existingClaim"):
        yield _check_claim(cluster, claim, mode)
    elif class_name == "":
        yield _check_volumes(cluster, mode, storage.get("size", "10Gi"))
    else:
        yield _check_class(cluster, class_name, mode)


def _check_claim(cluster: Cluster, name: str, mode: str) -> Diagnosis:
    claim = cluster.find(PersistentVolumeClaim, name, cluster.namespace)
    if claim is None:
        claims = cluster.client.list(PersistentVolumeClaim, namespace=cluster.namespace)
        names = sorted(name_of(claim) for claim in claims)
        change = '# set storage.existingClaim to an existing claim, or to "": the chart then creates one'
        message = f"no PersistentVolumeClaim {name} in {cluster.namespace}"
        return missing(CHECK, message, f"{change}; {allowed(names, name)}")
    modes = (claim.spec and claim.spec.accessModes) or []
    if mode in modes or (mode == "ReadWriteOnce" and "ReadWriteMany" in modes):
        return ok(CHECK, f"claim {name}, {', '.join(modes)}")
    change = f"# set storage.accessMode to {modes[0] if modes else mode}"
    return missing(CHECK, f"claim {name} is {', '.join(modes)}, not {mode}", change)


def _check_volumes(cluster: Cluster, mode: str, size: str) -> Diagnosis:
    """Whether a volume without a class fits; none is created then."""
    for volume in cluster.client.list(PersistentVolume):
        if _fits(volume, mode, size):
            return ok(CHECK, f"volume {name_of(volume)} can be bound")
    message = f'storage.storageClassName is "", and no volume without a class is free, {mode} and of {size}'
    change = "# create such a PersistentVolume, or set storage.storageClassName to null: the cluster's default class"
    return missing(CHECK, message, change)


def _fits(volume: PersistentVolume, mode: str, size: str) -> bool:
    spec, status = volume.spec, volume.status
    if spec is None or status is None or status.phase != "Available" or spec.storageClassName:
        return False
    return mode in (spec.accessModes or []) and amount((spec.capacity or {}).get("storage", "0")) >= amount(size)


def _check_class(cluster: Cluster, name: str | None, mode: str) -> Diagnosis:
    classes = {name_of(storage_class): storage_class for storage_class in cluster.client.list(StorageClass)}
    if not classes:
        message = "there is no StorageClass (MicroK8s: microk8s enable hostpath-storage)"
        return missing(CHECK, message, f"{cluster.kubectl} {INSTALL}")
    if name is not None and name not in classes:
        return missing(CHECK, f"no StorageClass {name}", f"# set storage.storageClassName; {allowed(classes, name)}")
    chosen = classes[name] if name is not None else next((c for c in classes.values() if _is_default(c)), None)
    if chosen is None:
        patch = '{"metadata": {"annotations": {"' + DEFAULT + '": "true"}}}'
        names = ", ".join(classes)
        message = f"storage.storageClassName is null, and no StorageClass is the default; there are: {names}"
        return missing(CHECK, message, f"{cluster.kubectl} patch storageclass {next(iter(classes))} -p '{patch}'")
    described = f"class {name_of(chosen)} ({chosen.provisioner})"
    if mode == "ReadWriteMany" and chosen.provisioner in ONE_NODE:
        change = "# set storage.accessMode to ReadWriteOnce, or storage.storageClassName to a class"
        change += " that several nodes can mount"
        message = f"{described} makes volumes that one node mounts, and the profile asks for ReadWriteMany"
        return warning(CHECK, message, change)
    return ok(CHECK, f"{described}, {mode}")


def _is_default(storage_class: StorageClass) -> bool:
    return ((storage_class.metadata and storage_class.metadata.annotations) or {}).get(DEFAULT) == "true"
