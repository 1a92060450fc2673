"""What an error becomes that ends a command."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from atelier_cli.commands.messages import messages
from atelier_store.layout import Store

from tests.support.experiments import add_trial, begin, spec
from tests.support.onnx_bundles import image_bundle


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OSError(errno.ENETUNREACH, "Network is unreachable"), "Network is unreachable\n"),
        (OSError(errno.ENOSPC, "No space left on device", "/store/trials"), "/store/trials: No space left on device\n"),
        (ConnectionError("the other side went away"), "the other side went away\n"),
    ],
)
def test_an_error_of_the_system_names_its_file_and_no_other(
    error: OSError, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(typer.Exit) as ended, messages():
        raise error
    assert (ended.value.exit_code, capsys.readouterr().err) == (2, said)


@pytest.mark.process
@pytest.mark.parametrize(
    "command", [["--version"], ["audit"], ["experiments", "--output=json"], ["export", "csv"]], ids=" ".join
)
def test_output_that_nobody_reads_is_no_finding(command: list[str], tmp_path: Path) -> None:
    """As in `atelier audit | head`: neither a mismatch nor wrong input, and not a word."""
    store, of = Store(tmp_path), spec()
    begin(store, of)
    add_trial(store, of, image_bundle(1), "t")
    reading, writing = os.pipe()
    os.close(reading)
    named = [] if command == ["--version"] else ["--store", str(tmp_path)]
    done = subprocess.run(
        [sys.executable, "-m", "atelier_cli", *command, *named], stdout=writing, stderr=subprocess.PIPE
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (141, b"")
