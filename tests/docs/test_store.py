"""docs/store.md: every file of a store is described, and commands that any page shows do their work on one."""

from __future__ import annotations

import json
import re

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from tests.support.pages import STORE, fenced, shown_commands, words_of
from tests.support.private_keys import write_key
from tests.support.reader import Reader

pytestmark = pytest.mark.process

CHOICES = re.compile(r"--(version|trial|previous)\b")
"""They need a history, or a version of just this name; tests/cli/test_promoting.py runs them."""
ON_A_STORE = [
    line
    for line in shown_commands()
    if re.match(r"uv run atelier (leaderboard|compare|export (?!mlflow)|audit|sign|promote|versions|replay)\b", line)
    and not CHOICES.search(line)
]


def test_profiles_shown_were_searched(trained: Reader) -> None:
    cards = {e.folder.name.rsplit("-", 1)[0]: len(list(e.trials.glob("*.json"))) for e in trained.store.experiments()}
    assert cards == {"flats": 2, "flats-mlp": 2, "digits": 3}
    networks = [json.loads(trial.config.read_text())["params"] for trial in trained.store.trials()]
    assert sum("hidden" in params for params in networks) == 2


@pytest.mark.parametrize("line", ON_A_STORE)
def test_a_shown_command_does_its_work_on_a_store(line: str, trained: Reader) -> None:
    key = next(trained.store.root.glob("trials/*/model/manifest.json")).parts[-3]
    write_key(trained.folder / "key.pem", ec.generate_private_key(ec.SECP256R1()))
    searches = iter([paths.folder.name for paths in trained.store.experiments()])
    line = re.sub(r"\bquickstart-[0-9a-f]{8}\b", lambda _: next(searches), line)
    printed = trained.run(re.sub(r"\b[0-9a-f]{16}\b", key, line))
    if " audit " in line:
        assert "7 trials, 3 experiments, 2 models hashed: 0 do not match" in printed
    if " replay " in line:
        assert " 0 differ" in printed


def test_every_subcommand_that_reads_a_store_is_shown() -> None:
    assert {words_of(line)[3] for line in ON_A_STORE} == {
        "leaderboard",
        "compare",
        "export",
        "audit",
        "sign",
        "promote",
        "versions",
        "replay",
    }


STANDS_FOR = {
    "<key>": "[0-9a-f]{16}",
    "<digest>": "[0-9a-f]{16}",
    "<version>": "[0-9a-f]{12}",
    "<source>": "[0-9a-f]{64}",
    "<epoch>": r"\d+",
    "<time>": r"\d{4}-\d\d-\d\dT\d{6}\.\d{3}Z",
    "<experiment>": "[a-z0-9-]+-[0-9a-f]{8}",
    "<trial>": "trial-[0-9]{4}",
    "<number>": r"\d+",
    "<model>": "[a-z0-9._-]+",
    "<file>": ".+",
}


def tree() -> dict[str, bool]:
    """Pattern of every file in docs/store.md, and whether it is always there."""
    found: dict[str, bool] = {}
    above: list[tuple[str, bool]] = []
    for line in fenced(STORE, "")[0].splitlines():
        depth = (len(line) - len(line.lstrip())) // 2
        name, _, words = line.strip().partition(" ")
        above = [*above[:depth], (re.escape(name), words.strip().startswith("*"))]
        if not name.endswith("/"):
            pattern = "".join(step for step, _ in above)
            for stand_in, expression in STANDS_FOR.items():
                pattern = pattern.replace(re.escape(stand_in), expression)
            found[pattern] = not any(sometimes for _, sometimes in above)
    return found


def test_every_file_of_a_store_is_described_and_every_described_file_is_there(trained: Reader) -> None:
    described = tree()
    there = [
        path.relative_to(trained.store.root).as_posix() for path in trained.store.root.rglob("*") if path.is_file()
    ]
    assert not [path for path in there if not any(re.fullmatch(pattern, path) for pattern in described)]
    always = [pattern for pattern, is_always in described.items() if is_always]
    assert len(always) > 20
    assert not [pattern for pattern in always if not any(re.fullmatch(pattern, path) for path in there)]
    assert any(re.fullmatch(pattern, path) for pattern in described if "rungs" in pattern for path in there)
