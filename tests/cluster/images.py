"""The cluster's own images: one base of Debian's packages, and one program on it each. No engine, no registry."""

from __future__ import annotations

import hashlib
import json
import platform
import shutil
import tarfile
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

from .builds import COREDNS, KATIB, PROMETHEUS_OPERATOR
from .commands import logged, output
from .containerd import ctr
from .layout import BIN, CACHE
from .steps import Failure, Step

SUITE = "bookworm"
PACKAGES = ["ca-certificates", "postgresql", "python3"]
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
ROOTFS = CACHE / f"{SUITE}.tar"
LABEL = "atelier/content"
"""On an image in containerd: what it was made of, or the id that an engine knows it by."""


@dataclass(frozen=True)
class Image:
    """The base, and files on it: path in the image to file on this machine."""

    name: str
    command: tuple[str, ...] = ()
    folder: str = "/"
    files: dict[str, Path] = field(default_factory=dict)

    def config(self) -> dict[str, Any]:
        entrypoint = {"Entrypoint": list(self.command)} if self.command else {"Cmd": ["/bin/sh"]}
        return {"Env": [f"PATH={PATH}"], "WorkingDir": self.folder, **entrypoint}

    def content(self) -> str:
        """A digest of everything that it is made of."""
        made_of = [_base_recipe(), repr(self.config()), *(f"{path} {_digest(file)}" for path, file in sorted(self.files.items()))]
        return hashlib.sha256("\0".join(made_of).encode()).hexdigest()


def _katib(name: str, binary: str) -> Image:
    # Katib's manifests call ./<binary> in the image's working directory.
    return Image(f"ghcr.io/kubeflow/katib/{name}:{KATIB.version()}", (f"./{binary}",), "/app", {f"app/{binary}": BIN / binary})


def _operator(name: str, binary: str) -> Image:
    version = PROMETHEUS_OPERATOR.version()
    return Image(f"quay.io/prometheus-operator/{name}:{version}", (f"/bin/{binary}",), "/", {f"usr/bin/{binary}": BIN / binary})


BASE = Image("localhost/base:1")
PAUSE = Image("localhost/pause:1", ("sleep", "infinity"))
DNS = Image(f"registry.k8s.io/coredns/coredns:{COREDNS.version()}", ("/coredns",), "/", {"coredns": BIN / "coredns"})
PROMETHEUS = Image("localhost/prometheus:1", ("/bin/prometheus",), "/prometheus", {"usr/bin/prometheus": Path("/usr/bin/prometheus")})
ALL = [
    BASE,
    PAUSE,
    DNS,
    _katib("katib-controller", "katib-controller"),
    _katib("katib-db-manager", "katib-db-manager"),
    _katib("file-metrics-collector", "file-metricscollector"),
    _katib("suggestion-goptuna", "goptuna-suggestion"),
    _operator("prometheus-operator", "operator"),
    _operator("prometheus-config-reloader", "prometheus-config-reloader"),
    PROMETHEUS,
]


def ensure_rootfs(step: Step) -> str:
    """The base's files as one tar file."""
    stamp = ROOTFS.with_suffix(".recipe")
    if ROOTFS.exists() and stamp.exists() and stamp.read_text() == _base_recipe():
        return "kept"
    folder = CACHE / "rootfs"
    shutil.rmtree(folder, ignore_errors=True)
    CACHE.mkdir(parents=True, exist_ok=True)
    step.now(f"debootstrap of {SUITE} with {', '.join(PACKAGES)}")
    logged("debootstrap", "debootstrap", "--variant=minbase", f"--include={','.join(PACKAGES)}", SUITE, folder)
    step.now("packing it")
    useless = [f"--exclude={path}" for path in ("./dev/*", "./var/cache/apt/*", "./var/lib/apt/lists/*", "./usr/share/doc/*")]
    output("tar", "--create", "--file", ROOTFS, "--numeric-owner", "--sort=name", *useless, "--directory", folder, ".", seconds=600)
    shutil.rmtree(folder)
    stamp.write_text(_base_recipe())
    return f"Debian {SUITE}, {ROOTFS.stat().st_size / 1e6:.0f} MB"


def ensure(step: Step) -> str:
    """Imports the images whose content containerd does not have yet."""
    contents = {image.name: image.content() for image in ALL}
    new = [image for image in ALL if not _has(image.name, contents[image.name])]
    if not new:
        return f"{len(ALL)} kept"
    step.now(f"importing {len(new)}")
    archive = CACHE / "images.tar"
    try:
        write_archive(archive, new, ROOTFS)
        _import(archive, {image.name: contents[image.name] for image in new})
    finally:
        archive.unlink(missing_ok=True)
    return f"{len(new)} imported, {len(ALL) - len(new)} kept"


def write_archive(archive: Path, images: list[Image], rootfs: Path) -> None:
    """All images in one file as `docker save` writes it; the base's layer is in it once."""
    base = _digest(rootfs)
    manifest: list[dict[str, Any]] = []
    with tarfile.open(archive, "w") as tar:
        tar.add(rootfs, f"{base}/layer.tar")
        for image in images:
            layers = [base]
            if image.files:
                layer = _layer(image)
                layers.append(hashlib.sha256(layer).hexdigest())
                _add(tar, f"{layers[-1]}/layer.tar", layer)
            diffs = [f"sha256:{layer}" for layer in layers]
            config = {
                "architecture": _architecture(),
                "os": "linux",
                "config": image.config(),
                "rootfs": {"type": "layers", "diff_ids": diffs},
            }
            text = json.dumps(config).encode()
            name = f"{hashlib.sha256(text).hexdigest()}.json"
            _add(tar, name, text)
            manifest.append({"Config": name, "RepoTags": [image.name], "Layers": [f"{layer}/layer.tar" for layer in layers]})
        _add(tar, "manifest.json", json.dumps(manifest).encode())


def load(names: list[str], step: Step) -> str:
    """Images that docker, podman or buildah has, into the cluster, unless it has them already."""
    outcomes = []
    for name in names:
        engine, identity = _find(name)
        if _has(full_name(name), identity):
            outcomes.append(f"{name} kept")
            continue
        archive = CACHE / "load.tar"
        archive.unlink(missing_ok=True)
        CACHE.mkdir(parents=True, exist_ok=True)
        try:
            step.now(f"{name} out of {engine}")
            if engine == "docker":
                output("docker", "save", "--output", archive, name, seconds=1800)
            else:
                output(engine, "push", "--quiet", name, f"docker-archive:{archive}:{full_name(name)}", seconds=1800)
            step.now(f"{name} into containerd")
            _import(archive, {full_name(name): identity})
        finally:
            archive.unlink(missing_ok=True)
        outcomes.append(f"{name} loaded from {engine}")
    return ", ".join(outcomes)


def offer_base(step: Step) -> str:
    """The base as an image for builds where no registry can be reached: --build-arg BASE=localhost/base:1."""
    engine = next((program for program in ENGINES if shutil.which(program)), None)
    if engine is None:
        raise Failure(f"none of {', '.join(ENGINES)} is here to take the base image")
    archive = CACHE / "base-image.tar"
    step.now(f"into {engine}")
    try:
        write_archive(archive, [BASE], ROOTFS)
        if engine == "buildah":
            output("buildah", "pull", "--quiet", f"docker-archive:{archive}", seconds=600)
        else:
            output(engine, "load", "--input", archive, seconds=600)
    finally:
        archive.unlink(missing_ok=True)
    return f"{BASE.name} in {engine}"


ENGINES = {
    "docker": ("docker", "image", "inspect", "--format", "{{.Id}}"),
    "podman": ("podman", "image", "inspect", "--format", "{{.Id}}"),
    "buildah": ("buildah", "inspect", "--type", "image", "--format", "{{.FromImageID}}"),
}
"""Each engine and how it is asked for an image's id."""


def _find(name: str) -> tuple[str, str]:
    """The engine that has an image, and the id."""
    asked = [engine for engine in ENGINES if shutil.which(engine)]
    for engine in asked:
        try:
            return engine, output(*ENGINES[engine], name, seconds=30).strip().removeprefix("sha256:")
        except Failure:
            continue
    raise Failure(f"no image {name} in {' or '.join(asked) or ', '.join(ENGINES) + ': none is installed'}")


def full_name(name: str) -> str:
    """As containerd and Kubernetes write it: with registry and tag."""
    tagged = name if ":" in name.rpartition("/")[2] else f"{name}:latest"
    first, slash, _ = tagged.partition("/")
    if slash and ("." in first or ":" in first or first == "localhost"):
        return tagged
    return f"docker.io/{tagged}" if slash else f"docker.io/library/{tagged}"


def _has(name: str, content: str) -> bool:
    return name in ctr("images", "ls", "--quiet", f'labels."{LABEL}"=={content}').splitlines()


def _import(archive: Path, contents: dict[str, str]) -> None:
    ctr("images", "import", archive, seconds=1800)
    for name, content in contents.items():
        ctr("images", "label", name, f"{LABEL}={content}")


def _base_recipe() -> str:
    return f"{SUITE} {' '.join(PACKAGES)}"


def _architecture() -> str:
    """As Go and containerd call this machine's."""
    return {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())


def _layer(image: Image) -> bytes:
    """The same bytes for the same files, whenever it is made."""
    buffer = BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for path, file in sorted(image.files.items()):
            _add(tar, path, file.read_bytes(), mode=0o755)
    return buffer.getvalue()


def _add(tar: tarfile.TarFile, name: str, data: bytes, mode: int = 0o644) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = len(data), mode
    tar.addfile(entry, BytesIO(data))


def _digest(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
