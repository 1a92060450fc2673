"""What a change of the code's structure must not change: documents, metrics, flags, keys of trials, files of a store.

`before/` holds them as they were at 0.1.0, with a store of that release; capture.py says how they were captured.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from atelier_store import sealed
from atelier_store.layout import Store
from atelier_store.records import Card, Current, Leaderboard, Manifest, TrialRecord
from atelier_store.spec import Spec

from tests.contracts import capture
from tests.contracts.capture import BEFORE, differences, recorded
from tests.support.searches import Searches, atelier
from tests.support.server_process import serving

pytestmark = pytest.mark.process

EXPERIMENT = "tiny-9d1df962"
MODEL = "tiny"
WINNER = "trial-0002"
SEARCHES = Searches(BEFORE / "tiny.yaml")


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """A copy of the store of 0.1.0."""
    return Path(shutil.copytree(BEFORE / "store", tmp_path / "store"))


@pytest.fixture(scope="module")
def new(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of the same search and promotion, made by the code under test."""
    store = tmp_path_factory.mktemp("new") / "store"
    succeeds(SEARCHES.run(store))
    succeeds(module("atelier_server", "promote", "--store", store, "--experiment", EXPERIMENT, "--model", MODEL))
    return store


def module(name: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", name, *map(str, arguments)], capture_output=True, text=True)


def succeeds(done: subprocess.CompletedProcess[str]) -> str:
    """What a command printed that ended well."""
    assert done.returncode == 0, f"exit status {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def agree(lines: Iterable[str]) -> None:
    """Fail with every difference named."""
    found = sorted(lines)
    if found:
        pytest.fail("not as before:\n" + "\n".join(found), pytrace=False)


# HTTP


@pytest.mark.parametrize("served", capture.SERVED)
def test_the_openapi_document_says_what_it_said(served: str) -> None:
    before, now = recorded(f"openapi-{served}"), capture.openapi(served)
    agree(differences(before, now))
    assert list(now["paths"]) == list(before["paths"]), "the paths stand in another order in the documentation"


@pytest.mark.parametrize("search", ["without a search", "with a search"])
def test_metrics_keep_their_names_types_help_labels_and_buckets(search: str) -> None:
    agree(differences(recorded("metrics")[search], capture.metrics(with_a_search=search == "with a search")))


# what is typed


ADDED_COMMANDS = {
    "atelier_cli": ["board", "compare", "data", "experiments", "export", "katib", "report", "sign"],
}
ADDED_FLAGS = {
    "atelier_cli": ["--version", "--install-completion", "--show-completion"],
    "atelier_cli audit": ["--output", "-o", "--report", "--sign"],
    "atelier_cli doctor": ["--output", "-o", "--release"],
    "atelier_cli leaderboard": ["--output", "-o"],
    "atelier_cli promote": ["--sign"],
    "atelier_cli serve": ["--signed-by"],
    "atelier_cli up": ["--sign"],
    "atelier_server promote": ["--sign"],
    "atelier_server serve": ["--board-url", "--signed-by"],
    "atelier_trainer": ["--average-of", "--int8-of", "--mirror-of", "--resumed-at", "--retrain-of"],
}
ADDED_ARGUMENTS = {"atelier_cli audit": ["experiment"]}
"""What came since 0.1.0, by program and command."""


def test_commands_take_the_same_flags_with_the_same_defaults() -> None:
    before, now = recorded("flags"), capture.flags()
    for program, commands in ADDED_COMMANDS.items():
        for command in commands:
            now[program]["commands"].remove(command)
            del now[f"{program} {command}"]
    for command, flags in ADDED_FLAGS.items():
        for flag in flags:
            del now[command]["flags"][flag]
    for command, arguments in ADDED_ARGUMENTS.items():
        for argument in arguments:
            now[command]["arguments"].remove(argument)
    for command, page in now.items():
        for name, flag in page["flags"].items():
            then = before.get(command, {}).get("flags", {}).get(name, {})
            flag["help"] = then.get("help")  # in other words, perhaps
            if "range" not in then:
                flag.pop("range", None)  # it may be told now
    agree(differences(before, now))


OF_ARGPARSE = """\
usage: p [-h] [--level {low,high}] --store
         STORE [--port PORT] COMMAND ...

positional arguments:
  COMMAND
    go           start

options:
  -h, --help     show this
  --level {low,high}
  --store STORE  where
                 it is
  --port PORT    a port (default: 80, as usual)
"""
OF_TYPER = """
 Usage: p [OPTIONS] COMMAND [ARGS]...

╭─ Options ──────────────────────────────────╮
│ *  --store        STORE         where      │
│                                 it is      │
│                                 [required] │
│    --level        [low|high]               │
│    --port         INTEGER       a port     │
│                                 [default:  │
│                                 80]        │
│    --help    -h                 Show this. │
╰────────────────────────────────────────────╯
╭─ Commands ─────────────────────────────────╮
│ go  start                                  │
╰────────────────────────────────────────────╯
"""
OF_CLICK = """\
Usage: p [OPTIONS] COMMAND [ARGS]...

Options:
  --level [low|high]
  --store STORE       where it is  [required]
  --port INTEGER      a port  [default: 80]
  -h, --help          Show this.

Commands:
  go  start
"""


@pytest.mark.parametrize("page", [OF_ARGPARSE, OF_TYPER, OF_CLICK], ids=["argparse", "typer", "click"])
def test_help_is_read_alike_whichever_library_writes_it(page: str) -> None:
    found = capture.told(page)
    told = {name: (flag["default"], flag["choices"], flag["required"]) for name, flag in found["flags"].items()}
    no = (None, None, False)
    expected = {"--level": (None, ["low", "high"], False), "--port": ("80", None, False), "--store": (None, None, True)}
    assert told == {"--help": no, "-h": no, **expected}
    assert (found["arguments"], found["commands"]) == ([], ["go"])


# what trials are called


@pytest.mark.parametrize("case", recorded("keys")["cases"], ids=lambda case: case["name"])
def test_a_trial_and_its_search_have_the_names_they_had(case: Any) -> None:
    now = capture.keys(recorded("keys")[capture.NETWORK], [case])["cases"][0]
    agree(differences(without_digest_of_own_network(case), without_digest_of_own_network(now)))


def without_digest_of_own_network(case: Any) -> Any:
    """A network of one's own is told from others by more than its module's file now, so it has another key."""
    if "network" not in case["spec"]["trainer"]:
        return case
    config = {**case["gives"]["config"], "network_digest": None, "parent": None}
    return {**case, "gives": {**case["gives"], "key": None, "config": config}}


# a store of then


def test_an_old_store_has_no_findings(old: Path) -> None:
    printed = succeeds(atelier("audit", "--store", str(old)))
    assert printed == "1 data sets, 6 trials, 1 experiments, 1 models hashed: 0 do not match\n"


def test_an_old_store_ranks_its_trials_in_the_same_order(old: Path) -> None:
    written = Leaderboard.read(Store(old).experiment(EXPERIMENT).leaderboard)
    printed = succeeds(atelier("leaderboard", "--store", str(old)))
    ranked = re.findall(r"^\s*(\d+)\s+\S+\s+([0-9a-f]{16})\s", printed, re.MULTILINE)
    assert ranked == [(str(entry.rank), entry.key) for entry in written.entries], printed


def test_a_finished_search_of_an_old_store_is_answered_from_it(old: Path) -> None:
    experiment = Store(old).experiment(EXPERIMENT)
    again = {path: path.read_bytes() for path in (experiment.spec, *experiment.trials.iterdir())}
    before = capture.contents(old)
    printed = succeeds(SEARCHES.run(old))
    for path, content in again.items():  # written again, with a digest now
        assert sealed.read_document(path.read_bytes()) == content
        path.write_bytes(content)
    assert "5 found trained, 0 failed; 0 epochs trained" in printed, printed
    of_now = ("leaderboard.json", "report.html")  # with the time of now, and not kept before
    written = {f"experiments/{EXPERIMENT}/{name}" for name in of_now}
    prepared = {f"data/sources/{path.name}" for path in Store(old).data_sources.iterdir()}  # one for each scikit-learn
    now = capture.contents(old)
    agree(line for line in differences(before, now) if line.partition(":")[0] not in written | prepared)


def test_an_old_trial_goes_on_from_its_checkpoint(old: Path, tmp_path: Path) -> None:
    experiment = Store(old).experiment(EXPERIMENT)
    record, spec = TrialRecord.read(experiment.trial(WINNER)), Spec.read(experiment.spec)
    assert record.key
    trial = Store(old).trial(record.key)
    curve = trial.metrics.read_text().splitlines()
    longer = spec.trainer.model_copy(update={"max_epochs": spec.trainer.max_epochs + 1})
    spec.model_copy(update={"trainer": longer}).write(tmp_path / "spec.json")
    where = ["--spec", tmp_path / "spec.json", "--store", old, "--trial", WINNER, "--threads", "1", "--bar", "none"]
    succeeds(module("atelier_trainer", *where, *(f"{name}={value}" for name, value in record.params.items())))
    epochs = trial.metrics.read_text().splitlines()
    assert epochs[:-1] == curve, "its first epochs were trained again"
    assert len(epochs) == longer.max_epochs
    assert Card.read(trial.card).epochs == longer.max_epochs


def test_what_an_old_store_has_promoted_is_promoted_already(old: Path) -> None:
    current = Current.read(Store(old).model(MODEL).current)
    printed = succeeds(atelier("promote", "--model", MODEL, "--store", str(old)))
    assert f"Promoted already: {MODEL} version {current.version} (trial {WINNER}," in printed, printed
    assert Current.read(Store(old).model(MODEL).current) == current


def test_the_model_of_an_old_store_is_served_and_answers_as_it_did(old: Path) -> None:
    model = Store(old).model(MODEL)
    version = Current.read(model.current).version
    with np.load(model.versions / version / "reference.npz") as arrays:
        inputs, outputs = arrays["input"], arrays["output"]
    with serving(Store(old), MODEL) as server:
        assert server.version() == version
        answer = server.client.post("/predict", json={"instances": inputs.tolist()}).raise_for_status().json()
    labels = Manifest.read(model.versions / version / "manifest.json").labels
    assert labels
    given = [[row["probabilities"][label] for label in labels] for row in answer["predictions"]]
    np.testing.assert_allclose(given, outputs, rtol=1e-3, atol=1e-4)


# a store of now


ADDED_FIELDS = (
    f"experiments/{EXPERIMENT}/leaderboard.json > entries[].parameters",
    f"experiments/{EXPERIMENT}/spec.json > decisions",
    f"experiments/{EXPERIMENT}/trials/<trial>.json > reason",
    "models/tiny/versions/<digest>/report.json > quality",
)
ADDED_FILES = re.compile(rf"models/tiny/versions/<digest>/provenance\.json|experiments/{EXPERIMENT}/report\.html")
ADDED_METRICS = re.compile(
    r"metrics\.(val|test)_(auc|average_precision|balanced_accuracy|ece|mcc): new,|card\.json > peak_memory_bytes: new,"
)
"""What came since 0.1.0."""


def test_a_new_store_has_the_files_and_fields_of_an_old_one(new: Path) -> None:
    before = recorded("store-listing")
    digests = {name: {"sha256": None} if name.endswith((".json", ".jsonl")) else {} for name in before}  # added since
    now = {name: fields for name, fields in capture.listing(new).items() if not ADDED_FILES.fullmatch(name)}
    assert Store(new).experiment(EXPERIMENT).report.is_file()  # since
    lines = differences({name: before[name] | digests[name] for name in before}, now)
    agree(line for line in lines if not line.startswith(ADDED_FIELDS) and not ADDED_METRICS.search(line))


def test_a_search_suggests_the_same_trials_under_the_same_keys(new: Path) -> None:
    agree(differences(suggested(BEFORE / "store"), suggested(new)))


def suggested(store: Path) -> dict[str, Any]:
    """The trial records, by name, but for `reason`, which old ones have not; without the tail's.

    Whose that is depends on the processor.
    """
    folder = Store(store).experiment(EXPERIMENT).trials
    return {
        path.stem: TrialRecord.read(path).model_dump(exclude={"reason"}) for path in sorted(folder.glob("trial-*.json"))
    }


def test_trials_come_to_the_same_weights_on_the_same_processor_and_libraries(new: Path) -> None:
    if capture.processor() != recorded("processor") or environments(new) != environments(BEFORE / "store"):
        pytest.skip("the old store is of another processor, or of other releases of the libraries")
    agree(differences(weights(BEFORE / "store"), weights(new)))


def environments(store: Path) -> dict[str, Any]:
    """Where each trial was trained, by key."""
    cards = {paths.key: Card.read(paths.card) for paths in Store(store).trials()}
    return {
        key: card.environment and card.environment.model_dump(exclude={"code_version"}) for key, card in cards.items()
    }


def weights(store: Path) -> dict[str, Any]:
    """The digest of each trial's weights, by key."""
    return {paths.key: Card.read(paths.card).weights_sha256 for paths in Store(store).trials()}
