"""The commands that docs/store.md shows make a key, and check what was signed with tools of others."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
from pathlib import Path

import pytest
from atelier_server.promotion.promote import promoter
from atelier_store.files import sha256_file
from atelier_store.layout import Store, VersionPaths
from atelier_store.signing import keys
from atelier_store.signing.models import signed_by

from tests.support import ROOT
from tests.support.pages import STORE
from tests.support.searches import atelier

pytestmark = pytest.mark.process

TOOLS = ("--with", "model-signing==1.1.1", "--with", "pyopenssl", "--with", "securesystemslib==1.6.0")


def shown(program: str) -> list[list[str]]:
    """The commands of this program on the page."""
    return [shlex.split(line) for line in re.findall(rf"^    ({program} .*)$", STORE.read_text(), re.MULTILINE)]


def others(uv: str, folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """Run a tool of others, in an environment of its own."""
    isolated = [uv, "run", "--quiet", "--isolated", "--no-project", "--python", "3.11", *TOOLS]
    return subprocess.run([*isolated, *command], capture_output=True, text=True, timeout=600, cwd=folder)


@pytest.fixture
def key(tmp_path: Path) -> Path:
    """A key as the page makes one."""
    for command in shown("openssl"):
        subprocess.run(command, check=True, capture_output=True, cwd=tmp_path)
    return tmp_path / "key.pem"


def test_model_signing_accepts_a_version_and_refuses_a_changed_byte(
    uv: str, store: Store, version: VersionPaths, key: Path, tmp_path: Path
) -> None:
    done = atelier("sign", "--model", "digits", "--store", str(store.root), "--key", str(key))
    assert done.returncode == 0, done.stderr
    (command,) = shown("model_signing")
    command = [re.sub(r"[0-9a-f]{12}", version.version, word) for word in command]
    accepted = others(uv, tmp_path, *command)
    assert accepted.returncode == 0 and "Verification succeeded" in accepted.stdout, accepted.stderr
    with version.report.open("a") as file:
        file.write(" ")
    refused = others(uv, tmp_path, *command)
    assert refused.returncode != 0
    assert "Signature mismatch" in refused.stderr and "report.json" in refused.stderr


def test_model_signing_and_a_server_accept_what_the_other_has_signed(
    uv: str, store: Store, version: VersionPaths, key: Path, tmp_path: Path
) -> None:
    model = store.model("digits")
    promoter(model, key).version(version.version)
    (command,) = shown("model_signing")
    accepted = others(uv, tmp_path, *(re.sub(r"[0-9a-f]{12}", version.version, word) for word in command))
    assert accepted.returncode == 0 and "Verification succeeded" in accepted.stdout, accepted.stderr
    theirs = str(tmp_path / "theirs.sig")
    signing = ("model_signing", "sign", "key", "--private_key", "key.pem", "--signature", theirs, str(version.folder))
    signed = others(uv, tmp_path, *signing)
    assert signed.returncode == 0, signed.stderr
    trusted = keys.read_public(key.with_suffix(".pub"))
    assert signed_by(version, Path(theirs), trusted) == trusted[0]


def test_securesystemslib_accepts_both_statements(
    uv: str, store: Store, version: VersionPaths, key: Path, tmp_path: Path
) -> None:
    atelier("sign", "--model", "digits", "--store", str(store.root), "--key", str(key))
    report = tmp_path / "audit.json"
    atelier("audit", "--report", str(report), "--sign", str(key), "--store", str(store.root))
    script = str(ROOT / "tests" / "support" / "clients" / "dsse.py")
    files = str(store.model("digits").signed_provenance(version.version)), f"{report}.intoto"
    done = others(uv, tmp_path, "python", script, "key.pub", *files)
    assert done.returncode == 0, done.stderr
    of_version, of_search = (json.loads(line) for line in done.stdout.splitlines())
    assert of_version["type"] == of_search["type"] == "application/vnd.in-toto+json"
    assert of_search["said"]["subject"][0]["digest"]["sha256"] == sha256_file(report)
