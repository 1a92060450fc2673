"""What the cluster tool decides without a cluster: what is its own, what must be built, what goes into an image."""

from __future__ import annotations

import base64
import json
import os
import shutil
import socket
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from dataclasses import asdict, replace
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tools.cluster import (
    builds,
    commands,
    debian,
    files,
    images,
    iptables,
    katib,
    layout,
    lifecycle,
    monitoring,
    mounts,
    obstacles,
    packages,
    pki,
    processes,
    transfer,
)
from tools.cluster.__main__ import main
from tools.cluster.containerd import LABEL
from tools.cluster.steps import Failure, Step
from tools.cluster.waiting import until

SAVED = r"""*filter
:INPUT ACCEPT [0:0]
:DOCKER - [0:0]
:KUBE-FORWARD - [0:0]
:KUBE-FIREWALL - [0:0]
-A INPUT -j KUBE-FIREWALL
-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT
-A INPUT -m comment --comment "kubernetes forwarding rules" -j KUBE-FORWARD
-A KUBE-FORWARD -j KUBE-FIREWALL
COMMIT
*nat
:POSTROUTING ACCEPT [0:0]
:CNI-0123456789 - [0:0]
:CNI-of-podman - [0:0]
-A POSTROUTING -s 10.244.0.7/32 -m comment --comment "name: \"atelier\" id: \"abc\"" -j CNI-0123456789
-A POSTROUTING -s 10.88.0.2/32 -m comment --comment "name: \"podman\" id: \"def\"" -j CNI-of-podman
-A CNI-0123456789 -d 10.244.0.0/24 -m comment --comment "name: \"atelier\" id: \"abc\"" -j ACCEPT
COMMIT
"""
REMOVAL = r"""*filter
-D INPUT -j KUBE-FIREWALL
-D INPUT -m comment --comment "kubernetes forwarding rules" -j KUBE-FORWARD
-F KUBE-FIREWALL
-F KUBE-FORWARD
-X KUBE-FIREWALL
-X KUBE-FORWARD
COMMIT
*nat
-D POSTROUTING -s 10.244.0.7/32 -m comment --comment "name: \"atelier\" id: \"abc\"" -j CNI-0123456789
-F CNI-0123456789
-X CNI-0123456789
COMMIT
"""

STEP = Step("a step", status=None)


@pytest.fixture(autouse=True)
def own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Records and logs of these tests are not the cluster's."""
    monkeypatch.setattr(processes, "RECORDS", tmp_path / "records")
    monkeypatch.setattr(processes, "LOGS", tmp_path / "logs")


# processes


@pytest.fixture
def sleeper() -> Iterator[processes.Process]:
    process = processes.start(processes.Daemon("sleeper", ["sleep", "600"], check=lambda: None))
    yield process
    processes.stop("sleeper")


def record(process: processes.Process) -> None:
    (processes.RECORDS / f"{process.name}.json").write_text(json.dumps(asdict(process)))


@pytest.mark.process
def test_what_was_started_is_found_again_and_stopped(sleeper: processes.Process) -> None:
    assert processes.running("sleeper") == sleeper
    assert processes.stop("sleeper")
    assert processes.running("sleeper") is None
    assert processes.start_time(sleeper.pid) is None


@pytest.mark.process
@pytest.mark.parametrize("other", [{"started": 1}, {"command": ["sleep", "601"]}])
def test_a_process_that_took_over_the_pid_is_left_alone(sleeper: processes.Process, other: dict[str, Any]) -> None:
    record(replace(sleeper, **other))
    assert processes.running("sleeper") is None
    assert not processes.stop("sleeper")
    assert sleeper.runs()
    record(sleeper)


@pytest.mark.process
def test_one_that_ignores_the_request_to_end_is_killed(tmp_path: Path) -> None:
    ready = tmp_path / "ready"
    ignore = "signal.signal(signal.SIGTERM, signal.SIG_IGN)"
    script = f"import pathlib, signal, time; {ignore}; pathlib.Path({str(ready)!r}).touch(); time.sleep(600)"
    command = [sys.executable, "-c", script]
    process = processes.start(processes.Daemon("stubborn", command, check=lambda: None))
    until(lambda: None if ready.exists() else "the process is ready", 30, "the process")
    assert processes.stop("stubborn", patience=0.1)
    assert not process.runs()


@pytest.mark.process
def test_a_running_daemon_is_kept(sleeper: processes.Process) -> None:
    assert processes.ensure(processes.Daemon("sleeper", ["sleep", "600"], check=lambda: None)) == "kept"
    assert processes.running("sleeper") == sleeper
    assert "make cluster-down" in processes.ensure(processes.Daemon("sleeper", ["sleep", "700"], check=lambda: None))


@pytest.mark.process
def test_a_daemon_that_ends_by_itself_fails_with_its_last_words() -> None:
    daemon = processes.Daemon("short", ["sh", "-c", "echo no such certificate; exit 1"], check=lambda: "no answer")
    with pytest.raises(Failure, match="short ended by itself") as failure:
        processes.ensure(daemon)
    assert failure.value.log is not None
    assert failure.value.log.read_text() == "no such certificate\n"


@pytest.mark.process
def test_a_daemon_that_never_works_fails_with_what_is_missing() -> None:
    with pytest.raises(Failure, match=r"idle: not within 0 s: no answer"):
        processes.ensure(processes.Daemon("idle", ["sleep", "600"], check=lambda: "no answer", seconds=0.1))
    assert processes.stop("idle")


def test_a_taken_port_is_named_before_anything_is_started() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(Failure, match=f"web: another process listens on port {port}"):
            processes.ensure(processes.Daemon("web", ["sleep", "600"], check=lambda: None, ports=(port,)))
    assert processes.running("web") is None


def test_a_configuration_that_says_the_same_is_not_written(tmp_path: Path) -> None:
    file = tmp_path / "folder" / "daemon.yaml"
    files.write(file, "port: 1")
    os.utime(file, (0, 0))
    files.write(file, "port: 1")
    assert file.stat().st_mtime == 0
    files.write(file, "port: 2")
    assert file.read_text() == "port: 2"


# the machine


def test_only_chains_of_kubernetes_and_of_our_network_are_removed() -> None:
    assert iptables.removal(SAVED) == REMOVAL
    assert iptables.removal("*filter\n:INPUT ACCEPT [0:0]\n-A INPUT -j ACCEPT\nCOMMIT\n") == ""


def test_mounts_come_deepest_first_and_only_from_inside() -> None:
    table = "\n".join(
        [
            "tmpfs /srv/a\\040b/run/kubelet tmpfs rw 0 0",
            "overlay /srv/a\\040b/run/kubelet/pods/1/volume overlay rw 0 0",
            "tmpfs /srv/a\\040b/running tmpfs rw 0 0",
            "proc /proc proc rw 0 0",
        ]
    )
    assert mounts.below(table, Path("/srv/a b/run")) == ["/srv/a b/run/kubelet/pods/1/volume", "/srv/a b/run/kubelet"]


@pytest.mark.parametrize("words", [["up"], ["down"], ["load", "model:1"], ["base"]])
def test_without_root_nothing_begins(
    words: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert main(words) == 1
    assert "this must run as root" in capsys.readouterr().out


def test_a_path_too_long_for_a_socket_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(obstacles, "KUBELET", Path("/") / ("x" * 120))
    assert any("too long for a socket" in reason for reason in obstacles.need_room())


def test_a_disk_without_room_is_refused_with_what_is_needed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(obstacles, "BIN", tmp_path / "not-built")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=15e9))
    assert obstacles.need_room() == []
    monkeypatch.setattr(transfer, "working", list)
    assert main(["room"]) == 0
    assert main(["room", "an-image:1"]) == 1
    needed = (obstacles.TO_BUILD + obstacles.FOR_IMAGES) / 1e9
    assert f"has 15.0 GB free; {needed:.0f} GB are needed" in capsys.readouterr().out


@pytest.mark.process
def test_the_output_of_a_command_that_fails_is_not_taken_for_whole() -> None:
    with (
        pytest.raises(Failure, match=r"sh -c echo half; exit 3: exit status 3"),
        commands.piped("sh", "-c", "echo half; exit 3") as pipe,
    ):
        assert commands.output("cat", stdin=pipe) == "half\n"


def test_one_command_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lifecycle, "STATE", tmp_path)
    with lifecycle._alone(), pytest.raises(Failure, match="another command of this tool"), lifecycle._alone():
        pytest.fail("two at a time")


def test_missing_packages_are_named_with_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "missing", lambda: ["etcd-server", "runc"])
    monkeypatch.setattr(packages, "on_debian", lambda: False)
    with pytest.raises(Failure, match="apt-get install --yes --no-install-recommends etcd-server runc"):
        packages.ensure(STEP)


# certificates


@pytest.mark.process
def test_every_certificate_is_the_authoritys_and_is_made_once(tmp_path: Path) -> None:
    assert pki.ensure(tmp_path) == "6 certificates"
    for identity in pki.IDENTITIES:
        subprocess.run(
            ["openssl", "verify", "-CAfile", tmp_path / "ca.crt", tmp_path / f"{identity.name}.crt"],
            check=True,
            capture_output=True,
        )
    assert [file.name for file in tmp_path.glob("*.key") if file.stat().st_mode & 0o077] == []
    before = (tmp_path / "admin.conf").read_text()
    assert pki.ensure(tmp_path) == "kept"
    assert (tmp_path / "admin.conf").read_text() == before
    certificate = json.loads(before)["users"][0]["user"]["client-certificate-data"]
    assert base64.b64decode(certificate) == (tmp_path / "admin.crt").read_bytes()


@pytest.mark.process
def test_an_interrupted_authority_is_made_anew(tmp_path: Path) -> None:
    pki.ensure(tmp_path)
    (tmp_path / "complete").unlink()
    assert pki.ensure(tmp_path) == "6 certificates"
    subprocess.run(
        ["openssl", "verify", "-CAfile", tmp_path / "ca.crt", tmp_path / "kubelet.crt"], check=True, capture_output=True
    )


# builds


@pytest.mark.parametrize("upstream", builds.ALL, ids=lambda upstream: upstream.module)
def test_every_upstream_is_pinned(upstream: builds.Upstream) -> None:
    assert upstream.version().startswith("v")


def test_binaries_are_built_again_only_if_a_pin_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(builds, "PINS", shutil.copytree(layout.PINS, tmp_path / "pins"))
    monkeypatch.setattr(builds, "BIN", tmp_path / "bin")
    monkeypatch.setattr(shutil, "which", lambda program: None)
    (tmp_path / "bin").mkdir()
    for upstream in builds.ALL:
        for name in upstream.binaries():
            (tmp_path / "bin" / name).touch()
    (tmp_path / "bin" / ".built-from").write_text(builds.fingerprint())
    assert builds.ensure(STEP) == "14 kept"
    with (tmp_path / "pins" / "go.sum").open("a") as sums:
        sums.write("another v1.0.0 h1:sum\n")
    with pytest.raises(Failure, match="Go is missing"):
        builds.ensure(STEP)


# images


@pytest.fixture
def two_images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[images.Image]:
    program = tmp_path / "program"
    program.write_bytes(b"#!/bin/sh\n")
    monkeypatch.setattr(debian, "CACHE", tmp_path)
    tiny = debian.Debian("tiny", ())
    with tarfile.open(tiny.file, "w") as tar:
        tar.add(program, "bin/sh")
    app = images.Image("localhost/app:1", ("/app/program",), "/app", {"app/program": program}, tiny)
    return [images.Image("localhost/base:1", debian=tiny), app]


def test_images_share_the_base_layer_and_run_their_program(two_images: list[images.Image], tmp_path: Path) -> None:
    images.write_archive(tmp_path / "images.tar", two_images)
    with tarfile.open(tmp_path / "images.tar") as tar:
        names = tar.getnames()
        base, app = json.load(tar.extractfile("manifest.json") or BytesIO())
        config = json.load(tar.extractfile(app["Config"]) or BytesIO())
        with tarfile.open(fileobj=tar.extractfile(app["Layers"][1])) as layer:
            program = layer.getmember("app/program")
    assert app["RepoTags"] == ["localhost/app:1"]
    assert app["Layers"][0] == base["Layers"][0]
    assert names.count(base["Layers"][0]) == 1
    assert config["config"] == {
        "Env": [f"PATH={images.PATH}"],
        "WorkingDir": "/app",
        "Entrypoint": ["/app/program"],
        "Labels": {LABEL: two_images[1].content()},
    }
    assert [f"{diff.removeprefix('sha256:')}/layer.tar" for diff in config["rootfs"]["diff_ids"]] == app["Layers"]
    assert program.mode == 0o755


def test_an_image_is_another_if_a_file_of_it_is(two_images: list[images.Image]) -> None:
    app = two_images[1]
    before = app.content()
    os.utime(app.files["app/program"], (0, 0))
    assert app.content() == before
    app.files["app/program"].write_bytes(b"#!/bin/bash\n")
    assert app.content() != before


@pytest.mark.parametrize(
    ("name", "full"),
    [
        ("model", "docker.io/library/model:latest"),
        ("team/model:2", "docker.io/team/model:2"),
        ("localhost/model:2", "localhost/model:2"),
        ("localhost:32000/model", "localhost:32000/model:latest"),
    ],
)
def test_images_are_named_as_kubernetes_names_them(name: str, full: str) -> None:
    assert transfer.full_name(name) == full


# Katib and Prometheus


def test_only_tpe_and_random_are_given_to_goptuna() -> None:
    upstream = f"""
runtime:
  suggestions:
  - {{algorithmName: random, image: "hyperopt:1"}}
  - {{algorithmName: tpe, image: "hyperopt:1"}}
  - {{algorithmName: grid, image: "optuna:1"}}
  - {{algorithmName: cmaes, image: "{katib.GOPTUNA}"}}
"""
    assert katib.algorithms(upstream) == ["cmaes", "random", "tpe"]
    assert "readinessProbe" in katib.configuration(upstream)
    assert "optuna:1" in katib.configuration(upstream)
    assert katib.configuration(upstream).count("cpu: 10m") == 4


@pytest.mark.parametrize(("module", "release"), [("v0.305.0", "3.5.0"), ("v0.310.2", "3.10.2")])
def test_the_release_of_prometheus_is_read_from_its_module(module: str, release: str) -> None:
    assert monitoring.prometheus_release(module) == release
