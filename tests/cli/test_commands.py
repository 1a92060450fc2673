"""The commands on a finished store: what they print, what they reject, how they exit."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import httpx
import numpy as np
import onnx
import pytest
from atelier_store.files import sha256_file
from atelier_store.layout import Store
from atelier_store.records import Manifest, Replay

from tests.support.searches import Edit, Finished, Searches, atelier, environment
from tests.support.server_process import free_port

pytestmark = pytest.mark.process

UNBUFFERED = {"PYTHONUNBUFFERED": "1"}
PATIENCE = 180
COMMANDS = (
    "data",
    "up",
    "search",
    "experiments",
    "leaderboard",
    "compare",
    "promote",
    "versions",
    "serve",
    "replay",
    "audit",
    "doctor",
    "export",
    "katib",
    "sign",
)


ROWS = """
experiment:
  name: cars
  objective: {type: minimize, objectiveMetricName: val_rmse}
  maxTrialCount: 1
  parameters: [{name: lr, parameterType: double, feasibleSpace: {min: "0.001", max: "0.01"}}]
trainer:
  data: {source: csv, task: regression, target: price, files: {train: {path: cars.csv}}}
"""


def test_data_are_shown_before_a_search_and_nothing_is_trained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    rows = [f"{number},1,{number * 100}" for number in range(100)]
    (tmp_path / "cars.csv").write_text("\n".join(["age,wheels,price", *rows]))
    (tmp_path / "cars.yaml").write_text(ROWS)
    shown = atelier("data", "-f", "cars.yaml", "--store", "store")
    assert shown.returncode == 0, shown.stderr
    assert "csv cars.csv: rows of 2 features\n64 rows to train on, 16 to validate with, 20 to test with" in shown.stdout
    assert re.search(r"wheels +1 +1 +1 +1 \(constant\)", shown.stdout)
    told = json.loads(atelier("data", "-f", "cars.yaml", "--store", "store", "--output=json").stdout)
    (price,) = told["targets"]
    assert price["name"] == "price" and price["distinct"] == 80 and 0 <= price["min"] < price["max"] <= 9900
    assert str(Store(tmp_path / "store").data(told["digest"]).folder) in shown.stdout
    assert not (tmp_path / "store" / "trials").exists() and not (tmp_path / "store" / "experiments").exists()


def test_data_that_cannot_be_used_are_refused_as_a_search_would(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "cars.csv").write_text("age,price\n1,2\n3,many\n")
    (tmp_path / "cars.yaml").write_text(ROWS)
    refused = atelier("data", "-f", "cars.yaml", "--store", "store")
    assert refused.returncode == 2 and "column 'price' is not numeric: 1 cell, the first is 'many'" in refused.stderr


TABLE = ROWS.replace("source: csv", "source: table")


def test_a_table_is_shown_by_its_columns_with_what_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    rows = [
        f"{number};{number % 7 or 'NA'};{('red', 'blue')[number % 2]};{number * 31 % 100},5" for number in range(100)
    ]
    (tmp_path / "cars.csv").write_text("\n".join(["id;age;colour;price", *rows]))
    (tmp_path / "cars.yaml").write_text(TABLE)
    shown = atelier("data", "-f", "cars.yaml", "--store", "store")
    assert shown.returncode == 0, shown.stderr
    assert "table cars.csv: rows of 2 columns (1 numeric, 1 of categories)" in shown.stdout
    assert "column 'id' is left out: it numbers the rows" in shown.stdout
    told = json.loads(atelier("data", "-f", "cars.yaml", "--store", "store", "--output=json").stdout)
    age, colour = told["columns"]
    assert (age["kind"], age["min"], age["max"]) == ("number", 1, 6) and age["gaps"] > 0
    assert [level["level"] for level in colour["levels"]] == ["blue", "red"] and not told["features"]


def test_everything_that_is_wrong_with_a_table_is_said_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    rows = [f"{number % 7},{number},{number}" for number in range(2, 60)]
    (tmp_path / "cars.csv").write_text("\n".join(["age,wheels,price", *rows, "old,inf,5"]))
    (tmp_path / "cars.yaml").write_text(TABLE)
    refused = atelier("data", "-f", "cars.yaml", "--store", "store")
    assert refused.returncode == 2
    assert "cars.csv, column 'age': 1 cell 'old' at line 60 among 58 numbers" in refused.stderr
    assert "cars.csv, column 'wheels': 1 cell 'inf' at line 60: infinite" in refused.stderr
    assert not list((tmp_path / "store").rglob("*.npy"))


def trained(store: Path) -> list[str]:
    """Keys of trials that are no tails."""
    configs = [Manifest.read(paths.bundle.manifest).config for paths in Store(store).trials()]
    return [config.key for config in configs if config.parent is None]


def test_help_names_every_command() -> None:
    text = atelier("--help").stdout
    assert all(command in text for command in COMMANDS)


@pytest.mark.parametrize(
    ("command", "named"),
    [
        ("up", ["--values", "-f", "--set", "--store", "--data-dir", "--host", "--port", "--no-serve"]),
        ("search", ["--values", "-f", "--set", "--store", "--data-dir"]),
        ("data", ["--values", "-f", "--set", "--store", "--data-dir", "--output"]),
        ("experiments", ["--store", "--output"]),
        ("leaderboard", ["experiment", "--store", "--all", "--output"]),
        ("compare", ["A", "B", "--store", "--check", "--output"]),
        ("promote", ["experiment", "--model", "--store", "--policy", "--trial", "--version", "--previous", "--why"]),
        ("versions", ["--model", "--store", "--history"]),
        ("serve", ["--model", "--store", "--host", "--port"]),
        ("replay", ["key", "--store"]),
        ("audit", ["experiment", "--store", "--report", "--sign", "--output"]),
        ("sign", ["--model", "--key", "--version", "--store"]),
        ("export", ["csv", "jsonl", "optuna", "mlflow"]),
        ("katib", ["register"]),
        ("doctor", ["--values", "-f", "--set", "--namespace", "--context", "--kubeconfig", "--katib-namespace"]),
    ],
)
def test_help_of_a_command_names_everything_that_it_takes(command: str, named: list[str]) -> None:
    completed = atelier(command, "--help")
    assert completed.returncode == 0
    assert all(name in completed.stdout for name in named)
    assert "\x1b" not in completed.stdout and "class" not in completed.stdout


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stop_while_it_serves_leaves_no_server(searches: Searches, copied: Path, number: signal.Signals) -> None:
    port = free_port()
    command = searches.command("up", copied, "--port", str(port))
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, start_new_session=True, env=environment() | UNBUFFERED
    )
    assert process.stdout is not None
    assert any("Ctrl-C ends it" in line for line in process.stdout)
    assert httpx.get(f"http://127.0.0.1:{port}/model").status_code == 200
    os.killpg(process.pid, number) if number == signal.SIGINT else process.send_signal(number)
    rest, _ = process.communicate(timeout=PATIENCE)
    assert (process.returncode, "Stopped." in rest) == (0, True)
    with socket.create_server(("127.0.0.1", port)):
        pass


def test_a_server_that_dies_is_not_taken_for_a_good_end(searches: Searches, copied: Path) -> None:
    port = free_port()
    command = searches.command("up", copied, "--port", str(port))
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment() | UNBUFFERED
    )
    assert process.stdout is not None
    assert any("Ctrl-C ends it" in line for line in process.stdout)
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    (server,) = [pid for pid in children if b"atelier_server" in Path(f"/proc/{pid}/cmdline").read_bytes()]
    os.kill(int(server), signal.SIGKILL)
    _, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 2
    assert "the server ended with exit code -9" in errors


def test_up_shows_leaderboard_winner_scores_predictions_address_and_store(searches: Searches, copied: Path) -> None:
    port = free_port()
    completed = searches.run(copied, "--no-serve", "--port", str(port), name="up")
    assert completed.returncode == 0, completed.stderr
    for shown in (
        "by val_accuracy",
        "Promoted tiny version",
        "stem of",
        "validation: val_accuracy",
        "test:       test_accuracy",
    ):
        assert shown in completed.stdout
    assert "Not serving any more" in completed.stdout
    assert str(copied) in completed.stdout
    assert len(re.findall(r"^ +\d+ +\d +\d +\d\.\d{3} *$", completed.stdout, re.MULTILINE)) == 8
    again = searches.run(copied, "--no-serve", "--port", str(port), name="up")
    assert "Promoted already: tiny version" in again.stdout


def test_a_port_that_is_taken_is_named(searches: Searches, copied: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        completed = searches.run(copied, "--no-serve", "--port", str(listening.getsockname()[1]), name="up")
    assert completed.returncode == 2
    assert re.search(r"cannot listen on 127.0.0.1 port \d+: Address already in use; choose another", completed.stderr)
    assert completed.stdout == ""


def test_the_leaderboard_fits_eighty_columns_and_ranks_every_trial(finished: Finished) -> None:
    printed = atelier("leaderboard", "--store", str(finished[0]), "--all").stdout
    assert max(map(len, printed.splitlines())) <= 100  # COLUMNS of these tests
    assert all(key in printed for key in trained(finished[0]))
    assert "…" not in re.sub("tail-.*?…", "", printed)


def test_promote_and_audit_say_what_they_did(copied: Path) -> None:
    completed = atelier("promote", "--model", "clothes", "--store", str(copied))
    assert completed.returncode == 0, completed.stderr
    assert "Promoted clothes version" in completed.stdout
    audited = atelier("audit", "--store", str(copied))
    assert (audited.returncode, "0 do not match" in audited.stdout) == (0, True)


@pytest.mark.parametrize(
    "name", ["model/model.onnx", "model/reference.npz", "config.json", "last.ckpt", "metrics.jsonl", "card.json"]
)
def test_audit_names_a_file_of_which_one_bit_has_flipped(copied: Path, name: str) -> None:
    path = Store(copied).trial(trained(copied)[0]).folder / name
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    audited = atelier("audit", "--store", str(copied))
    assert audited.returncode == 1
    assert str(path.relative_to(copied)) in audited.stdout or "model" in audited.stdout
    assert trained_folder(path) in audited.stdout


def trained_folder(path: Path) -> str:
    return next(part for part in path.parts if re.fullmatch("[0-9a-f]{16}", part))


def test_audit_names_data_that_changed_and_leaves_unfinished_files_alone(copied: Path) -> None:
    (copied / "trials" / ".tmp-killed").mkdir()
    assert "1 unfinished" in atelier("audit", "--store", str(copied)).stdout
    path = next(copied.glob("data/*/train_x.npy"))
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    audited = atelier("audit", "--store", str(copied))
    assert audited.returncode == 1 and path.parent.name in audited.stdout


def test_a_replay_gives_every_tensor_bit_for_bit_and_names_one_that_was_changed(copied: Path) -> None:
    key = trained(copied)[0]
    completed = atelier("replay", key, "--store", str(copied))
    assert completed.returncode == 0, completed.stdout + completed.stderr
    assert re.search(r"\d+ tensors compared, 0 differ", completed.stdout)
    bundle = Store(copied).trial(key).bundle
    model = onnx.load(bundle.network)
    changed = next(tensor for tensor in model.graph.initializer if tensor.name.endswith("classifier.bias"))
    values = onnx.numpy_helper.to_array(changed) + np.float32(1e-7)
    changed.CopyFrom(onnx.numpy_helper.from_array(values, changed.name))
    onnx.save(model, bundle.network)
    manifest = Manifest.read(bundle.manifest)
    files = manifest.files | {bundle.network.name: sha256_file(bundle.network)}
    manifest.model_copy(update={"files": files}).write(bundle.manifest)
    again = atelier("replay", key, "--store", str(copied))
    assert again.returncode == 1
    assert "classifier.bias" in again.stdout and ", 1 differ" in again.stdout
    first, second = (Replay.read(path) for path in sorted(Store(copied).trial(key).replays.iterdir()))
    assert (first.key, first.epochs, first.different) == (key, manifest.provenance.epochs, ())
    assert second.different == (changed.name,) and second.tensors == first.tensors > 1


def test_what_is_not_there_is_named_with_what_is(finished: Finished, tmp_path: Path) -> None:
    for arguments, message in (
        (("leaderboard", "other", "--store", str(finished[0])), r"no experiment 'other'; it has: tiny-[0-9a-f]{8}"),
        (("leaderboard", "--store", str(tmp_path)), "has no experiment; it has: none"),
        (
            ("replay", "0" * 16, "--store", str(finished[0])),
            "0{16}: no trial with a bundle has this key in .*; it has: [0-9a-f]{16}, ",
        ),
        (("audit", "--store", str(tmp_path / "nowhere")), "no such folder"),
        (("promote", "--model", "x", "--store", str(tmp_path)), "has no experiment"),
    ):
        completed = atelier(*arguments)
        assert completed.returncode == 2
        assert re.search(message, completed.stderr.replace("\n", " ")), completed.stderr


@pytest.mark.parametrize("command", ["promote", "serve", "versions"])
@pytest.mark.parametrize("name", ["../../escaped", "Bad Name", ""])
def test_a_name_that_is_none_is_refused_in_one_line_and_nothing_is_written(
    copied: Path, command: str, name: str
) -> None:
    around = sorted(path.name for path in copied.parent.iterdir())
    completed = atelier(command, "--model", name, "--store", str(copied))
    assert (completed.returncode, completed.stdout) == (2, "")
    assert completed.stderr.startswith(f"--model: {name!r} is not allowed; allowed: at most 63 lower-case letters")
    assert len(completed.stderr.strip().splitlines()) == 1
    assert sorted(path.name for path in copied.parent.iterdir()) == around


def test_a_wrong_profile_is_refused_with_every_violation_at_its_line(edited: Edit, tmp_path: Path) -> None:
    wrong = edited("maxTrialCount: 5", "maxTrialCount: 0\n  trials: 3")
    completed = wrong.run(tmp_path / "store")
    assert completed.returncode == 2
    assert "tiny.yaml:4: experiment.maxTrialCount: 0" in completed.stderr
    assert "tiny.yaml:5: experiment.trials: unknown key" in completed.stderr
    assert not (tmp_path / "store").exists()


@pytest.mark.parametrize("command", ["up", "search", "data"])
def test_a_store_to_learn_from_that_is_none_is_refused_before_anything_is_prepared(
    command: str, searches: Searches, tmp_path: Path
) -> None:
    named = "experiment.experience.stores[0]"
    chosen = f"experiment.experience.enabled=true,{named}={tmp_path}/nowhere"
    refused = searches.run(tmp_path / "store", "--set", chosen, name=command)
    assert refused.returncode == 2
    assert f"{named}: {tmp_path}/nowhere does not exist; allowed: the folder of a store" in refused.stderr
    assert len(refused.stderr.splitlines()) == 1 and not (tmp_path / "store").exists()


def test_a_store_whose_path_looks_like_markup_is_shown_as_it_is(
    searches: Searches, finished: Finished, tmp_path: Path
) -> None:
    store = tmp_path / "[red]" / "[/]"
    shutil.copytree(finished[0], store, symlinks=True)
    completed = searches.run(store)
    assert completed.returncode == 0, completed.stderr
    assert f"store: {store}" in completed.stdout


def test_a_store_that_is_a_file_is_refused_in_one_line(searches: Searches, tmp_path: Path) -> None:
    (tmp_path / "store").write_text("")
    completed = searches.run(tmp_path / "store")
    assert completed.returncode == 2
    assert len(completed.stderr.strip().splitlines()) == 1 and "store" in completed.stderr


def test_a_torn_card_is_written_again_without_training(searches: Searches, finished: Finished, copied: Path) -> None:
    key = trained(copied)[0]
    Store(copied).trial(key).card.write_text("{")
    completed = searches.run(copied)
    assert completed.returncode == 0, completed.stderr
    assert "0 failed; 0 epochs trained" in completed.stdout


def test_the_version_is_that_of_the_package() -> None:
    completed = atelier("--version")
    assert (completed.returncode, completed.stdout) == (0, f"atelier {metadata.version('atelier-cli')}\n")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_completes_commands(shell: str) -> None:
    words = {"COMP_WORDS": "atelier lead", "COMP_CWORD": "1", "_TYPER_COMPLETE_ARGS": "atelier lead"}
    asked = (
        environment() | words | {"_ATELIER_COMPLETE": f"complete_{shell}", "_TYPER_COMPLETE_FISH_ACTION": "get-args"}
    )
    done = subprocess.run([sys.executable, "-m", "atelier_cli"], capture_output=True, text=True, env=asked)
    assert "leaderboard" in done.stdout, done.stderr
    assert "promote" not in done.stdout


def test_a_leaderboard_as_json_has_every_trial_with_its_parameters(finished: Finished) -> None:
    board = json.loads(atelier("leaderboard", "--store", str(finished[0]), "--output", "json").stdout)
    suggested = [entry for entry in board["entries"] if entry["trial"].startswith("trial-")]
    assert len(suggested) == 5
    assert all(entry["parameters"].keys() == {"stem_width", "stage1_width", "lr", "batch"} for entry in suggested)


def test_experiments_lists_the_searches_of_a_store(finished: Finished, tmp_path: Path) -> None:
    table = atelier("experiments", "--store", str(finished[0])).stdout
    (one,) = json.loads(atelier("experiments", "--store", str(finished[0]), "--output", "json").stdout)
    board = json.loads(atelier("leaderboard", "--store", str(finished[0]), "--output", "json").stdout)
    assert (one["state"], one["trials"], one["max_trial_count"]) == ("ended", 5, 5)
    assert (one["best"], one["best_trial"]) == (board["entries"][0]["metric"], board["entries"][0]["trial"])
    assert one["name"].endswith(one["search_digest"][:8])
    assert all(part in table for part in (one["name"], "ended", "5 of 5"))
    missing = atelier("experiments", "--store", str(tmp_path / "nothing"))
    assert (missing.returncode, missing.stderr) == (2, f"--store: {tmp_path / 'nothing'}: no such folder\n")


def test_an_audit_as_json_names_what_does_not_match(copied: Path) -> None:
    sound = atelier("audit", "--store", str(copied), "--output", "json")
    assert (sound.returncode, json.loads(sound.stdout)["mismatches"]) == (0, [])
    network = next(copied.glob("trials/*/model/model.onnx"))
    network.write_bytes(network.read_bytes()[:-1] + b"x")
    harmed = atelier("audit", "--store", str(copied), "--output", "json")
    assert harmed.returncode == 1
    assert str(network.relative_to(copied)) in {found["path"] for found in json.loads(harmed.stdout)["mismatches"]}
