"""Trial processes from the fork server: what they print comes back under their name, and they start fast."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest
from atelier_cli.search.children import PRELOADED, Children, Exited

from tests.support.searches import environment

pytestmark = pytest.mark.process


def exit_codes(children: Children, count: int) -> dict[str, int]:
    """Exit codes by name, once this many trials have exited."""
    codes: dict[str, int] = {}
    while len(codes) < count:
        event = children.event(timeout=180)
        assert event is not None
        if isinstance(event, Exited):
            codes[event.name] = event.code
    return codes


def test_exit_codes_and_messages_come_back_under_their_names(tmp_path: Path) -> None:
    children = Children()
    for name in ("first", "second"):
        spec = str(tmp_path / f"{name}.json")
        messages = tmp_path / "messages" / f"{name}.log"
        children.start(name, ["--spec", spec, "--store", str(tmp_path), "--trial", name], messages)
    assert exit_codes(children, 2) == {"first": 2, "second": 2}
    for name in ("first", "second"):
        assert f"{name}.json" in (tmp_path / "messages" / f"{name}.log").read_text()


@pytest.mark.parametrize("count", [0, 2])
def test_after_a_stop_no_trial_runs(tmp_path: Path, count: int) -> None:
    children = Children()
    for number in range(count):
        children.start(str(number), ["--help"], tmp_path / f"{number}.log")
    children.stop()
    assert children.event(timeout=0) is None


def test_the_fork_server_has_every_module_that_it_is_to_preload() -> None:
    """It says nothing of one that it cannot import, and every trial would import that instead."""
    assert [name for name in PRELOADED if not exists(name)] == []


def exists(name: str) -> bool:
    """Whether there is a module of this name; looked up without importing torch."""
    package, _, rest = name.partition(".")
    spec = importlib.util.find_spec(package)
    if spec is None or not rest:
        return spec is not None
    assert spec.submodule_search_locations
    (folder,) = spec.submodule_search_locations
    place = Path(folder, *rest.split("."))
    return place.is_dir() or place.with_suffix(".py").exists()


def test_what_the_script_of_the_command_imports_is_preloaded(tmp_path: Path) -> None:
    """A trial's process runs the engine's script up to its main guard: that must cost nothing."""
    script = tmp_path / "atelier"
    script.write_text(
        f"""
import sys
from pathlib import Path
with Path({str(tmp_path / "runs")!r}).open("a") as file:
    print(__name__, "atelier_cli.__main__" in sys.modules, file=file)
from atelier_cli.__main__ import main
if __name__ == "__main__":
    from atelier_cli.search.children import Children, Exited
    children = Children()
    children.start("trial", ["--trial"], Path({str(tmp_path / "messages")!r}))
    while not isinstance(event := children.event(180), Exited):
        assert event is not None
    raise SystemExit(event.code)
"""
    )
    completed = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, env=environment())
    assert completed.returncode == 2, completed.stderr
    assert "expected one argument" in (tmp_path / "messages").read_text()
    assert (tmp_path / "runs").read_text().splitlines() == ["__main__ False", "__mp_main__ True"]
