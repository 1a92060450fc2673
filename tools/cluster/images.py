"""The images of the cluster's own pods: a small Debian, and one program on it each. No registry is needed."""

from __future__ import annotations

import hashlib
import json
import platform
import tarfile
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

from .builds import COREDNS, KATIB, PROMETHEUS_OPERATOR
from .containerd import LABEL, has_image, import_images
from .debian import DATABASE, PYTHON, Debian
from .layout import BIN, CACHE
from .steps import Step

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True)
class Image:
    """A Debian, and files on it: path in the image to file on this machine."""

    name: str
    command: tuple[str, ...] = ()
    folder: str = "/"
    files: dict[str, Path] = field(default_factory=dict)
    debian: Debian = PYTHON

    def config(self) -> dict[str, Any]:
        entrypoint = {"Entrypoint": list(self.command)} if self.command else {"Cmd": ["/bin/sh"]}
        return {"Env": [f"PATH={PATH}"], "WorkingDir": self.folder, **entrypoint}

    def content(self) -> str:
        """A digest of all of its parts."""
        made_of = [
            self.debian.recipe(),
            repr(self.config()),
            *(f"{path} {_digest(file)}" for path, file in sorted(self.files.items())),
        ]
        return hashlib.sha256("\0".join(made_of).encode()).hexdigest()


def _katib(name: str, binary: str) -> Image:
    # Katib's manifests call ./<binary> in the image's working directory.
    return Image(
        f"ghcr.io/kubeflow/katib/{name}:{KATIB.version()}", (f"./{binary}",), "/app", {f"app/{binary}": BIN / binary}
    )


def _operator(name: str, binary: str) -> Image:
    version = PROMETHEUS_OPERATOR.version()
    return Image(
        f"quay.io/prometheus-operator/{name}:{version}", (f"/bin/{binary}",), "/", {f"usr/bin/{binary}": BIN / binary}
    )


BASE = Image("localhost/base:1")
POSTGRES = Image("localhost/postgres:1", debian=DATABASE)
PAUSE = Image("localhost/pause:1", ("sleep", "infinity"))
DNS = Image(f"registry.k8s.io/coredns/coredns:{COREDNS.version()}", ("/coredns",), "/", {"coredns": BIN / "coredns"})
PROMETHEUS = Image(
    "localhost/prometheus:1", ("/bin/prometheus",), "/prometheus", {"usr/bin/prometheus": BIN / "prometheus"}
)
ALL = [
    BASE,
    PAUSE,
    POSTGRES,
    DNS,
    _katib("katib-controller", "katib-controller"),
    _katib("katib-db-manager", "katib-db-manager"),
    _katib("file-metrics-collector", "file-metricscollector"),
    _katib("suggestion-goptuna", "goptuna-suggestion"),
    _operator("prometheus-operator", "operator"),
    _operator("prometheus-config-reloader", "prometheus-config-reloader"),
    PROMETHEUS,
]


def ensure(step: Step) -> str:
    """Imports the images whose content containerd does not have yet."""
    contents = {image.name: image.content() for image in ALL}
    new = [image for image in ALL if not has_image(image.name, contents[image.name])]
    if not new:
        return f"{len(ALL)} kept"
    step.now(f"importing {len(new)}")
    archive = CACHE / "images.tar"
    try:
        write_archive(archive, new)
        with archive.open("rb") as file:
            import_images(file, {image.name: contents[image.name] for image in new})
    finally:
        archive.unlink(missing_ok=True)
    return f"{len(new)} imported, {len(ALL) - len(new)} kept"


def write_archive(archive: Path, images: list[Image]) -> None:
    """All images in one file as `docker save` writes it; a layer that they share is in it once."""
    debians = {image.debian: _digest(image.debian.file) for image in images}
    manifest: list[dict[str, Any]] = []
    with tarfile.open(archive, "w") as tar:
        for debian, digest in debians.items():
            tar.add(debian.file, f"{digest}/layer.tar")
        for image in images:
            layers = [debians[image.debian]]
            if image.files:
                layer = _layer(image)
                layers.append(hashlib.sha256(layer).hexdigest())
                _add(tar, f"{layers[-1]}/layer.tar", layer)
            system = {"architecture": _architecture(), "os": "linux"}
            diffs = [f"sha256:{layer}" for layer in layers]
            # buildah refuses to build upon an image whose history has not an entry for each layer
            history = [{"created_by": "tools/cluster"} for _ in layers]
            rootfs = {"type": "layers", "diff_ids": diffs}
            labelled = {**image.config(), "Labels": {LABEL: image.content()}}
            config = json.dumps({**system, "config": labelled, "rootfs": rootfs, "history": history}).encode()
            name = f"{hashlib.sha256(config).hexdigest()}.json"
            _add(tar, name, config)
            manifest.append(
                {"Config": name, "RepoTags": [image.name], "Layers": [f"{layer}/layer.tar" for layer in layers]}
            )
        _add(tar, "manifest.json", json.dumps(manifest).encode())


def _architecture() -> str:
    """This machine's, in the words of Go and containerd."""
    return {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())


def _layer(image: Image) -> bytes:
    """The same bytes for the same files at any time."""
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
