"""The build's own check refuses what would fail in a pod."""

from __future__ import annotations

import sys
from pathlib import Path

import check
import pytest
from pydantic_core import _pydantic_core


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An environment's packages, importable."""
    folder = tmp_path / "opt" / "venv" / "lib" / "python3.11" / "site-packages"
    folder.mkdir(parents=True)
    monkeypatch.syspath_prepend(str(folder))
    return folder


def test_a_module_that_does_not_import_is_named_with_its_reason(site: Path) -> None:
    (site / "broken_module.py").write_text("raise OSError('libGL.so.1: cannot open shared object file')")
    assert list(check.not_importable(["json", "broken_module", "no_such_module"])) == [
        "broken_module does not import: OSError: libGL.so.1: cannot open shared object file",
        "no_such_module does not import: ModuleNotFoundError: No module named 'no_such_module'",
    ]


def test_every_compiled_module_has_to_load(site: Path) -> None:
    package = site / "compiled_package"
    package.mkdir()
    sound = Path(_pydantic_core.__file__)
    (package / sound.name).symlink_to(sound)
    broken = package / "_fast.cpython-311-x86_64-linux-gnu.so"
    broken.write_bytes(b"not a library")
    [wrong] = check.not_loadable(site)
    assert wrong.startswith(f"{broken} does not load: ")


def test_a_module_that_has_no_business_there_is_named() -> None:
    assert list(check.not_allowed(["json", "no_such_module"])) == ["json is installed; this image does without it"]


def test_a_program_that_a_pod_runs_is_missed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("sh", "sleep"):
        (tmp_path / name).touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert list(check.not_there()) == ["tar is missing: kubectl cp runs it"]


def test_a_file_that_not_everybody_can_read_is_named(site: Path) -> None:
    (site / "open.py").touch(mode=0o644)
    (site / "closed.py").touch(mode=0o640)
    assert list(check.not_readable(site)) == [f"{site / 'closed.py'} is not readable by everybody"]


def test_an_image_that_is_too_large_says_what_is_large(
    tmp_path: Path, site: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (site / "heavy" / "inner").mkdir(parents=True)
    (site / "heavy" / "inner" / "weights.bin").write_bytes(bytes(3 * check.MB))
    (tmp_path / "usr" / "share" / "doc").mkdir(parents=True)
    (tmp_path / "usr" / "share" / "doc" / "page").write_bytes(bytes(2 * check.MB))
    assert list(check.too_large(5, tmp_path, site)) == []
    assert list(check.too_large(4, tmp_path, site)) == [
        f"5 MB of files; at most 4 are allowed. The largest: {site / 'heavy'} 3, {tmp_path / 'usr' / 'share'} 2"
    ]
    assert capsys.readouterr().out.startswith("the image's files: 5 MB\n")


def test_all_of_it_is_said_at_once(
    site: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "prefix", str(site.parents[2]))
    monkeypatch.setattr(sys, "argv", ["check.py", "--lacks", "json", "--lacks", "email", "no_such_module"])
    monkeypatch.setattr(check, "too_large", lambda *_: iter(()))  # it would read this machine's whole disk
    assert check.main() == 1
    assert len(capsys.readouterr().err.splitlines()) == 3
