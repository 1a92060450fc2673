"""Trial processes from the fork server: what they say comes back under their name, and they are trials and nothing else."""

import subprocess
import sys

import pytest
from atelier_cli.search.children import Children, Ended

from tests.support.searches import environment


def ended(children: Children) -> dict[str, int]:
    """Exit codes by name, once all have ended."""
    codes = {}
    while len(children):
        event = children.event(timeout=60)
        assert event is not None
        if isinstance(event, Ended):
            codes[event.name] = event.code
    return codes


def test_exit_codes_and_messages_come_back_under_their_names(tmp_path) -> None:
    children = Children()
    for name in ("first", "second"):
        spec = str(tmp_path / f"{name}.json")
        children.start(
            name, ["--spec", spec, "--store", str(tmp_path), "--trial", name], tmp_path / "messages" / f"{name}.log"
        )
    assert len(children) == 2
    assert ended(children) == {"first": 2, "second": 2}
    for name in ("first", "second"):
        assert f"{name}.json" in (tmp_path / "messages" / f"{name}.log").read_text()


@pytest.mark.parametrize("ending", ["stop", "nothing"])
def test_all_are_gone_after_a_stop_and_stopping_none_is_quick(tmp_path, ending) -> None:
    children = Children()
    if ending == "stop":
        children.start("only", ["--help"], tmp_path / "only.log")
    children.stop()
    assert len(children) == 0


def test_a_trial_does_not_run_the_main_program_again(tmp_path) -> None:
    script = tmp_path / "main.py"
    script.write_text(
        f"""
from pathlib import Path
with Path({str(tmp_path / "runs")!r}).open("a") as file:
    file.write("once ")
if __name__ == "__main__":
    from atelier_cli.search.children import Children, Ended
    children = Children()
    children.start("trial", ["--trial"], Path({str(tmp_path / "messages")!r}))
    while not isinstance(event := children.event(60), Ended):
        assert event is not None
    raise SystemExit(event.code)
"""
    )
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, env=environment())
    assert done.returncode == 2, done.stderr
    assert "expected one argument" in (tmp_path / "messages").read_text()
    assert (tmp_path / "runs").read_text() == "once "
