"""What an error becomes that ends a command."""

import errno

import pytest
import typer
from atelier_cli.commands.messages import messages


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
