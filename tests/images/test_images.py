"""`make images` and `make images-import-microk8s`: the program that builds, its arguments, the images' names."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.support import ROOT
from tools import images

pytestmark = pytest.mark.process

CHART = ROOT / "charts" / "katib-nas-atelier"
TOOL = [sys.executable, "-m", "tools.images"]
BUILDS = """echo "$(basename "$0") $@" >> "$CALLS"; case $1 in images) echo "390 MB";; save) touch "$3";; esac"""


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is the whole PATH, with what a shell script needs."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("sh", "basename", "touch", "git"):
        found = shutil.which(name)
        assert found
        (folder / name).symlink_to(found)
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setenv("CALLS", str(tmp_path / "calls"))
    for name in (*images.PASSED_ON, "CA", "REGISTRY"):
        monkeypatch.delenv(name, raising=False)
    return folder


def add(programs: Path, name: str, script: str) -> None:
    (programs / name).write_text(f"#!/bin/sh\n{script}\n".replace("#!/bin/sh", f"#!{programs / 'sh'}"))
    (programs / name).chmod(0o755)


def make(command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*TOOL, command], cwd=ROOT, capture_output=True, text=True, check=False)


def calls(programs: Path) -> list[list[str]]:
    return [line.split() for line in (programs.parent / "calls").read_text().splitlines()]


def test_the_names_are_those_that_the_chart_installs() -> None:
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    tag = yaml.safe_load((CHART / "Chart.yaml").read_text())["appVersion"]
    for name in images.NAMES:
        assert images.reference(name, {}) == f"docker.io/{values[name]['image']['repository']}:{tag}"


def test_a_registry_goes_before_the_names_as_in_the_profile_for_microk8s() -> None:
    profile = yaml.safe_load((ROOT / "values" / "microk8s.yaml").read_text())
    for name in images.NAMES:
        assert (
            images.reference(name, {"REGISTRY": "localhost:32000"})
            == f"{profile[name]['image']['repository']}:{images.version()}"
        )


@pytest.mark.parametrize(
    ("working", "taken"),
    [({"docker", "podman", "buildah"}, "docker"), ({"podman", "buildah"}, "podman"), ({"buildah"}, "buildah")],
)
def test_the_first_program_that_answers_builds_both(programs: Path, working: set[str], taken: str) -> None:
    for name in ("docker", "podman", "buildah"):
        add(programs, name, BUILDS if name in working else "echo 'no daemon' >&2; exit 1")
    done = make("build")
    assert done.returncode == 0, done.stderr
    built = [line for line in calls(programs) if line[1] == "build"]
    assert [line[0] for line in built] == [taken, taken]
    assert [line[line.index("--file") + 1] for line in built] == [
        "images/server/Dockerfile",
        "images/trainer/Dockerfile",
    ]
    assert f"docker.io/katib-nas-atelier/server:{images.version()}  390 MB" in done.stdout


def test_without_any_the_three_are_named(programs: Path) -> None:
    add(programs, "docker", "exit 1")
    done = make("build")
    assert (done.returncode, done.stdout) == (1, "")
    assert (
        done.stderr == "no program that builds images answers; one of these has to: "
        "docker (with its daemon running), podman, buildah\n"
    )


def given(name: str, environment: dict[str, str]) -> dict[str, str]:
    words = images.arguments(name, environment)
    return dict(words[index + 1].split("=", 1) for index, word in enumerate(words) if word == "--build-arg")


def test_what_is_not_set_is_left_to_the_dockerfile() -> None:
    assert set(given("trainer", {"BASE": ""})) == {"VERSION", "REVISION"}


def test_torch_comes_from_pypi_when_its_index_is_set_to_nothing() -> None:
    assert given("trainer", {"TORCH_INDEX": ""})["TORCH_INDEX"] == ""
    assert "TORCH_INDEX" not in given("server", {"TORCH_INDEX": ""})


def test_base_mirror_and_proxies_reach_both_builds() -> None:
    settings = {
        "BASE": "mirror.example.com/python:3.11",
        "UV_DEFAULT_INDEX": "https://mirror.example.com/simple",
        "https_proxy": "http://proxy:3128",
    }
    for name in images.NAMES:
        assert settings.items() <= given(name, settings).items()


@pytest.mark.parametrize(
    ("script", "shown"), [("echo 1a2b-dirty", "1a2b-dirty"), ("exit 128", "unknown"), (None, "unknown")]
)
def test_an_image_is_labelled_with_its_commit_where_git_knows_it(
    programs: Path, script: str | None, shown: str
) -> None:
    (programs / "git").unlink()
    if script:
        add(programs, "git", script)
    assert given("server", {})["REVISION"] == shown


def test_a_word_that_is_no_command_shows_the_commands(programs: Path) -> None:
    done = make("push")
    assert done.returncode == 2
    assert all(command in done.stderr for command in images.COMMANDS)


def test_a_bundle_of_certificates_is_a_secret_and_not_an_argument(tmp_path: Path) -> None:
    bundle = tmp_path / "ca.pem"
    bundle.touch()
    words = images.arguments("server", {"CA": str(bundle)})
    assert words[words.index("--secret") + 1] == f"id=ca,src={bundle}"
    assert "CA" not in given("server", {"CA": str(bundle)})


def test_a_bundle_that_is_not_there_is_refused_before_anything_is_built(
    programs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(programs, "docker", BUILDS)
    monkeypatch.setenv("CA", "/no/such.pem")
    done = make("build")
    assert done.returncode == 1
    assert done.stderr == "CA: /no/such.pem is no file; allowed: the path of a bundle of certificates (PEM)\n"
    assert all(line[1] == "version" for line in calls(programs))


def test_a_build_that_fails_names_its_image_and_ends_and_says_how_to_give_certificates(
    programs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(programs, "docker", BUILDS + '\n[ "$1" != build ]')
    done = make("build")
    assert done.returncode == 1
    failed = "server: docker could not build the image; its output is above"
    assert done.stderr == f"{failed}. {images.OWN_CERTIFICATES}\n"
    assert len([line for line in calls(programs) if line[1] == "build"]) == 1
    monkeypatch.setenv("CA", "pyproject.toml")
    assert make("build").stderr == f"{failed}\n"


def test_without_microk8s_the_import_says_so_at_once(programs: Path) -> None:
    done = make("import-microk8s")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "microk8s is missing: run this on the node, or see docs/images.md for other clusters\n"


def test_microk8s_is_handed_both_images_and_no_archive_stays(programs: Path) -> None:
    add(programs, "podman", BUILDS)
    add(programs, "microk8s", f'{BUILDS}\n[ -e "$4" ]')
    done = make("import-microk8s")
    assert done.returncode == 0, done.stderr
    archives = [Path(line[-1]) for line in calls(programs) if line[0] == "microk8s"]
    assert len(archives) == 2 and not any(path.exists() for path in archives)
    assert [line[-1] for line in calls(programs) if line[1] == "save"] == [
        images.reference(name, {}) for name in images.NAMES
    ]


def test_an_image_that_was_not_built_cannot_be_imported(programs: Path) -> None:
    add(programs, "podman", '[ "$1" = info ]')
    add(programs, "microk8s", "exit 0")
    done = make("import-microk8s")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == (
        f"{images.reference('server', {})} is not there: make images comes first, with the same REGISTRY"
    )
