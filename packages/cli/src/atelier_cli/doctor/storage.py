"""Whether the store gets a volume."""

from __future__ import annotations

from collections.abc import Iterator

from lightkube.resources.core_v1 import PersistentVolume, PersistentVolumeClaim
from lightkube.resources.storage_v1 import StorageClass

from atelier_cli.doctor.cluster import Cluster, name_of
from atelier_cli.doctor.diagnosis import Diagnosis, missing, ok, warning
from atelier_cli.doctor.quantities import amount
from atelier_cli.profile.findings import allowed
from atelier_cli.profile.merging import Values

WHAT = "storage"
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
"""Provisioners whose volumes one node mounts at a time."""


def check_storage(cluster: Cluster, storage: Values) -> Iterator[Diagnosis]:
    """The claim that is there, a volume to be bound by hand, or the class that makes one, as the profile's storage says."""
    mode, claim, name = (
        storage.get("accessMode", "ReadWriteOnce"),
        storage.get("existingClaim"),
        storage.get("storageClassName"),
    )
    if claim:
        yield _check_claim(cluster, claim, mode)
    elif name == "":
        yield _check_volumes(cluster, mode, storage.get("size", "10Gi"))
    else:
        yield _check_class(cluster, name, mode)


def _check_claim(cluster: Cluster, name: str, mode: str) -> Diagnosis:
    found = cluster.find(PersistentVolumeClaim, name, cluster.namespace)
    if found is None:
        names = sorted(
            name_of(claim) for claim in cluster.client.list(PersistentVolumeClaim, namespace=cluster.namespace)
        )
        change = f'# set storage.existingClaim to a claim there is, or to "": the chart then makes one; {allowed(names, name)}'
        return missing(WHAT, f"no PersistentVolumeClaim {name} in {cluster.namespace}", change)
    modes = (found.spec and found.spec.accessModes) or []
    if mode in modes or (mode == "ReadWriteOnce" and "ReadWriteMany" in modes):
        return ok(WHAT, f"claim {name}, {', '.join(modes)}")
    return missing(
        WHAT,
        f"claim {name} is {', '.join(modes)}, not {mode}",
        f"# set storage.accessMode to {modes[0] if modes else mode}",
    )


def _check_volumes(cluster: Cluster, mode: str, size: str) -> Diagnosis:
    """Without a class, a volume has to be there that fits."""
    for volume in cluster.client.list(PersistentVolume):
        if _fits(volume, mode, size):
            return ok(WHAT, f"volume {name_of(volume)} can be bound")
    text = f'storage.storageClassName is "", and no volume without a class is free, {mode} and of {size}'
    return missing(
        WHAT,
        text,
        "# make such a PersistentVolume, or set storage.storageClassName to null: the cluster's default class",
    )


def _fits(volume: PersistentVolume, mode: str, size: str) -> bool:
    spec, status = volume.spec, volume.status
    if spec is None or status is None or status.phase != "Available" or spec.storageClassName:
        return False
    return mode in (spec.accessModes or []) and amount((spec.capacity or {}).get("storage", "0")) >= amount(size)


def _check_class(cluster: Cluster, name: str | None, mode: str) -> Diagnosis:
    classes = {name_of(found): found for found in cluster.client.list(StorageClass)}
    if not classes:
        return missing(
            WHAT,
            "there is no StorageClass (MicroK8s: microk8s enable hostpath-storage)",
            f"{cluster.kubectl} {INSTALL}",
        )
    if name is not None and name not in classes:
        return missing(WHAT, f"no StorageClass {name}", f"# set storage.storageClassName; {allowed(classes, name)}")
    chosen = classes[name] if name is not None else next((c for c in classes.values() if _is_default(c)), None)
    if chosen is None:
        patch = '{"metadata": {"annotations": {"' + DEFAULT + '": "true"}}}'
        found = f"storage.storageClassName is null, and no StorageClass is the default; there are: {', '.join(classes)}"
        return missing(WHAT, found, f"{cluster.kubectl} patch storageclass {next(iter(classes))} -p '{patch}'")
    found = f"class {name_of(chosen)} ({chosen.provisioner})"
    if mode == "ReadWriteMany" and chosen.provisioner in ONE_NODE:
        change = "# set storage.accessMode to ReadWriteOnce, or storage.storageClassName to a class that several nodes can mount"
        return warning(WHAT, f"{found} makes volumes of one node, and ReadWriteMany is asked for", change)
    return ok(WHAT, f"{found}, {mode}")


def _is_default(found: StorageClass) -> bool:
    return ((found.metadata and found.metadata.annotations) or {}).get(DEFAULT) == "true"
