"""A second search that is worse, a person who says otherwise, and the way back, as the command does it."""

import re
from pathlib import Path
from typing import get_args

import pytest
from atelier_store import pointer
from atelier_store.layout import Store
from atelier_store.records import Decision, Policy

from tests.support.experiments import history_of
from tests.support.searches import Completed, Searches, atelier
from tests.support.server_process import free_port

pytestmark = pytest.mark.process

WORSE = (
    "experiment.name=worse",
    "experiment.maxTrialCount=1",
    "experiment.parallelTrialCount=1",
    "trainer.maxEpochs=1",
    "trainer.tailEpochs=0",
    "experiment.parameters[3].feasibleSpace.list={32}",
)
"""One training of one epoch, with another batch size, so that the search shares no trial with the first."""


def served(store: Path) -> str | None:
    found = pointer.served(Store(store).model("tiny"))
    return found.name if found else None


def promote(store: Path, *arguments: str) -> Completed:
    return atelier("promote", *arguments, "--model", "tiny", "--store", str(store))


def shown(completed: Completed) -> str:
    assert completed.returncode == 0, completed.stderr
    return " ".join(completed.stdout.split())


@pytest.fixture
def two_searches(searches: Searches, copied: Path) -> tuple[Path, str]:
    """A store whose served version is better than the winner of its second search; and that version."""
    shown(promote(copied))
    first = served(copied)
    assert first
    assert searches.run(copied, *(f"--set={one}" for one in WORSE)).returncode == 0
    return copied, first


def test_a_worse_search_is_refused_approved_and_undone(two_searches: tuple[Path, str]) -> None:
    store, first = two_searches
    refused = shown(promote(store))
    found = re.search(r"Not promoted: tiny version (\w{12}) \(trial trial-\d{4}\) is refused: it is worse: ", refused)
    assert found, refused
    assert re.search(rf"val_accuracy 0\.\d+, served 0\.\d+, .*; version {first} stays", refused)
    assert f"atelier promote --model tiny --version {found[1]}" in refused
    assert served(store) == first
    listed = shown(atelier("versions", "--model", "tiny", "--store", str(store)))
    assert re.search(rf"{first} .* served", listed) and f"{found[1]} refused: it is worse" in listed

    assert "Promoted tiny" in shown(promote(store, "--version", found[1], "--why", "it is smaller"))
    assert served(store) == found[1]
    assert "Promoted already" in shown(promote(store, "--version", found[1]))
    assert f"Promoted tiny version {first}" in shown(promote(store, "--previous", "--why", "wrong on sevens"))
    assert served(store) == first
    assert f"a person has chosen version {first}" not in shown(promote(store))
    assert served(store) == first
    lines = history_of(Store(store), "tiny")
    assert [line.version for line in lines] == [first, found[1], first]
    told = shown(atelier("versions", "--model", "tiny", "--history", "--store", str(store)))
    assert "it is smaller" in told and "wrong on sevens" in told
    assert atelier("audit", "--store", str(store)).returncode == 0


def test_any_trial_can_be_chosen(two_searches: tuple[Path, str]) -> None:
    store, first = two_searches
    assert "Promoted tiny" in shown(promote(store, "--trial", "trial-0000"))
    assert served(store) != first
    wrong = promote(store, "--trial", "trial-9999")
    assert wrong.returncode == 2
    assert re.search(r"worse-\w{8} has no trial 'trial-9999'; it has: trial-0000", wrong.stderr)


def test_up_keeps_and_serves_the_better_model(searches: Searches, two_searches: tuple[Path, str]) -> None:
    store, first = two_searches
    arguments = [*(f"--set={one}" for one in (*WORSE, "server.model=tiny")), "--no-serve", "--port", str(free_port())]
    kept = shown(searches.run(store, *arguments, name="up"))
    assert "Not promoted: tiny version" in kept and "Not serving any more" in kept
    assert served(store) == first
    always = shown(searches.run(store, *arguments, "--set=promotion.policy=always", name="up"))
    assert "Promoted tiny version" in always and served(store) != first
    back = shown(searches.run(store, *arguments, f"--set=promotion.version={first}", name="up"))
    assert "Not serving any more" in back and served(store) == first


@pytest.mark.parametrize(("policy", "outcome"), [("candidate", "waiting"), ("none", "none")])
def test_up_says_that_nothing_is_served_yet(searches: Searches, copied: Path, policy: str, outcome: str) -> None:
    arguments = ["--no-serve", "--port", str(free_port()), f"--set=promotion.policy={policy}"]
    told = shown(searches.run(copied, *arguments, name="up"))
    assert f"promotion.policy is {policy}; no version is served" in told and "Nothing is served yet." in told
    decision = Decision.read(Store(copied).model("tiny").decision)
    assert (decision.outcome, served(copied)) == (outcome, None)
    approve = re.search(r"atelier (promote .*)", told[: told.index(" stem of")])
    assert approve
    assert atelier(*approve[1].split(), "--store", str(copied)).returncode == 0
    assert served(copied)


def test_what_does_not_go_together_is_refused_at_once(copied: Path) -> None:
    wrong = promote(copied, "tiny-0", "--version", "0" * 12, "--previous", "--policy", "always")
    assert wrong.returncode == 2
    assert wrong.stderr.splitlines() == [
        "--version, --previous: only one of them says what is served",
        "--policy: always does not go with --version, which says what is served whatever the policy",
        "tiny-0: an experiment does not go with --version",
    ]
    assert promote(copied, "--why", "so").stderr.startswith("--why: goes with --trial, --version or --previous")
    assert promote(copied, "--version", "../x").stderr.startswith("--version: '../x' is not allowed; allowed: 12 hex")
    assert promote(copied, "--version", "0" * 12).stderr.startswith("version: tiny has no version '000000000000'; it")
    assert promote(copied, "--previous").returncode == 1


def test_every_policy_of_a_store_can_be_given() -> None:
    told = atelier("promote", "--help").stdout
    assert all(policy in told for policy in get_args(Policy))


def test_a_model_that_is_not_there_is_named_with_those_that_are(copied: Path) -> None:
    shown(promote(copied))
    wrong = atelier("versions", "--model", "tin", "--store", str(copied))
    assert (wrong.returncode, wrong.stderr.strip().endswith("has no model 'tin'; it has: tiny")) == (2, True)
