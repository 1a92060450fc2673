"""Searches from end to end: what was trained is never trained again, and no end leaves a process behind."""

import contextlib
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from atelier_store.audit import audit
from atelier_store.curve import read_curve
from atelier_store.layout import Store
from atelier_store.ranking import rank
from atelier_store.records import Card, Manifest, TrialConfig, TrialRecord
from atelier_store.spec import Spec

from tests.support.searches import (
    Edit,
    Finished,
    Searches,
    atelier,
    environment,
    fork_servers,
    held,
    suggested,
    trial_processes,
    weights,
)
from tests.support.server_process import eventually

pytestmark = pytest.mark.process

PATIENCE = 180
"""Seconds. A busy machine may take long, and only a fault takes as long as this."""


def has_trained(store: Path) -> bool:
    """Whether a trial has ended its first epoch."""
    return any(store.glob("trials/*/metrics.jsonl"))


def is_running(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


def winner(store: Path) -> str | None:
    (experiment,) = Store(store).experiments()
    return rank(Store(store), Spec.read(experiment.spec)).entries[0].key


def counted(text: str) -> dict[str, int]:
    """The numbers in a search's last line but the leaderboard."""
    line = re.search(r"(\d+) trials? in .*?: (\d+) found trained, (\d+) failed; (\d+) epochs? trained", text)
    assert line, text
    return dict(zip(("trials", "reused", "failed", "epochs"), map(int, line.groups()), strict=True))


def test_a_search_trains_every_suggestion_and_leaves_a_whole_store(finished: Finished) -> None:
    store, printed = finished
    counts = counted(printed)
    assert counts["trials"] == 5 and counts["failed"] == counts["reused"] == 0
    assert counts["epochs"] == sum(len(read_curve(paths.metrics)) for paths in Store(store).trials())
    assert audit(Store(store)).mismatches == []
    for paths in Store(store).trials():
        assert Manifest.read(paths.bundle.manifest).parity.argmax_equal
    assert "\x1b" not in printed


def test_a_second_run_starts_no_process_and_comes_to_the_same(
    searches: Searches, finished: Finished, copied: Path
) -> None:
    touched = [
        *copied.rglob("metrics.jsonl"),
        *copied.glob("experiments/*/messages/*"),
    ]  # a process empties its messages
    before = {path: path.stat().st_mtime_ns for path in touched}
    again = searches.run(copied)
    assert counted(again.stdout) == counted(finished[1]) | {"reused": 5, "epochs": 0}
    assert len(touched) > 10 and {path: path.stat().st_mtime_ns for path in touched} == before
    assert winner(copied) == winner(finished[0])


def test_the_same_search_in_another_store_gives_the_same_keys_weights_and_winner(
    searches: Searches, finished: Finished, tmp_path: Path
) -> None:
    searches.run(tmp_path / "store")
    assert weights(tmp_path / "store") == weights(finished[0])
    assert winner(tmp_path / "store") == winner(finished[0])


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_search_leaves_no_process_and_resumes_to_the_same_weights(
    searches: Searches, finished: Finished, tmp_path: Path, number: signal.Signals
) -> None:
    store = tmp_path / "store"
    with held(store, suggested(finished[0])[1]):
        process = searches.start(store)
        trials = eventually(lambda: has_trained(store) and trial_processes(process.pid), PATIENCE)
        os.killpg(process.pid, number) if number == signal.SIGINT else process.send_signal(number)
        out, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130
    assert re.search(
        r"^Stopping: waiting for the batch under way of .*, 30 s at most; Ctrl-C again ends it now$", out, re.M
    )
    assert "the same command goes on" in errors
    assert not any(map(is_running, trials))
    assert searches.run(store).returncode == 0
    assert weights(store) == weights(finished[0])


def test_a_stop_before_the_first_trial_is_one_line(searches: Searches, finished: Finished, tmp_path: Path) -> None:
    store = tmp_path / "store"
    with held(store, suggested(finished[0])[0]):
        process = searches.start(store)
        eventually(lambda: fork_servers(process.pid), PATIENCE)
        os.killpg(process.pid, signal.SIGINT)
        _, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130
    assert errors.startswith("Stopped.") and len(errors.strip().splitlines()) == 1


def test_a_killed_engine_leaves_no_trial_behind_and_the_next_goes_on(
    searches: Searches, finished: Finished, tmp_path: Path
) -> None:
    store = tmp_path / "store"
    with held(store, suggested(finished[0])[1]):
        process = searches.start(store)
        trials = eventually(lambda: has_trained(store) and trial_processes(process.pid), PATIENCE)
        process.kill()
        process.communicate()
        eventually(lambda: not any(map(is_running, trials)), PATIENCE)
    assert searches.run(store).returncode == 0
    assert weights(store) == weights(finished[0])


def test_killed_trials_go_on_within_the_search(searches: Searches, finished: Finished, tmp_path: Path) -> None:
    store = tmp_path / "store"
    with held(store, suggested(finished[0])[1]):
        process = searches.start(store)
        trials = eventually(lambda: has_trained(store) and trial_processes(process.pid), PATIENCE)
        for pid in trials:
            with contextlib.suppress(ProcessLookupError):  # all but the one that is held may have ended
                os.kill(pid, signal.SIGKILL)
    printed, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, errors
    assert counted(printed)["failed"] == 0
    assert weights(store) == weights(finished[0])


def test_a_second_run_on_a_store_in_use_names_the_first(searches: Searches, finished: Finished, tmp_path: Path) -> None:
    store = tmp_path / "store"
    with held(store, suggested(finished[0])[0]):
        process = searches.start(store)
        eventually(lambda: list(store.glob("experiments/*/lease")), PATIENCE)
        second = searches.run(store)
        process.terminate()
        process.communicate(timeout=PATIENCE)
    assert second.returncode == 2
    assert f"process {process.pid} on" in second.stderr


def test_more_trials_and_more_epochs_continue_instead_of_starting_over(
    searches: Searches, finished: Finished, copied: Path
) -> None:
    curves = {paths.key: read_curve(paths.metrics) for paths in Store(copied).trials()}
    more = counted(searches.run(copied, "--set", "experiment.maxTrialCount=7", "--set", "trainer.maxEpochs=8").stdout)
    assert more["trials"] == 7
    after = {paths.key: read_curve(paths.metrics) for paths in Store(copied).trials()}
    assert more["epochs"] == sum(map(len, after.values())) - sum(map(len, curves.values()))
    for key, curve in curves.items():
        assert after[key][: len(curve)] == curve


def test_the_average_of_the_best_is_tried_at_the_end_found_again_and_replayed(
    searches: Searches, finished: Finished, copied: Path
) -> None:
    first, again = (searches.run(copied, "--set", "trainer.finish.average=2") for _ in range(2))
    assert counted(first.stdout)["epochs"] == counted(again.stdout)["epochs"] == 0
    (average,) = [path for path in Store(copied).trials() if TrialConfig.read(path.config).members]
    assert first.stdout.count("average of ") == again.stdout.count("average of ") == 1
    assert weights(copied).keys() == {*weights(finished[0]), average.key}
    assert audit(Store(copied)).mismatches == []
    before = {member.key: member.epochs for member in TrialConfig.read(average.config).members or ()}
    to_the_end = ("--set", "trainer.maxEpochs=8", "--set", "experiment.earlyStopping.algorithmName=none")
    assert searches.run(copied, *to_the_end).returncode == 0
    cards = {paths.key: Card.read(paths.card) for paths in Store(copied).trials()}
    assert any((cards[key].epochs or 0) > epochs for key, epochs in before.items()), "no member has gone on"
    replayed = atelier("replay", average.key, "--store", str(copied))
    assert replayed.returncode == 0, replayed.stdout + replayed.stderr
    assert re.search(r"\d+ tensors compared, 0 differ", replayed.stdout)


def test_the_winner_in_int8_is_made_at_the_end_found_again_and_replayed(
    searches: Searches, finished: Finished, copied: Path
) -> None:
    first, again = (searches.run(copied, "--set", "trainer.finish.int8=1") for _ in range(2))
    assert counted(first.stdout)["epochs"] == counted(again.stdout)["epochs"] == 0
    (made,) = [path for path in Store(copied).trials() if TrialConfig.read(path.config).int8_of]
    assert first.stdout.count("int8 of ") == again.stdout.count("int8 of ") == 1
    assert weights(copied).keys() == {*weights(finished[0]), made.key}
    assert audit(Store(copied)).mismatches == []
    replayed = atelier("replay", made.key, "--store", str(copied))
    assert replayed.returncode == 0, replayed.stdout + replayed.stderr
    assert re.search(r"\d+ tensors compared, 0 differ", replayed.stdout)


def test_the_winner_is_mirrored_at_the_end_found_again_and_replayed(
    searches: Searches, finished: Finished, copied: Path
) -> None:
    first, again = (searches.run(copied, "--set", "trainer.finish.mirror=true") for _ in range(2))
    assert counted(first.stdout)["epochs"] == counted(again.stdout)["epochs"] == 0
    (made,) = [path for path in Store(copied).trials() if TrialConfig.read(path.config).mirror_of]
    assert first.stdout.count("mirror of ") == again.stdout.count("mirror of ") == 1
    assert weights(copied).keys() == {*weights(finished[0]), made.key}
    assert audit(Store(copied)).mismatches == []
    replayed = atelier("replay", made.key, "--store", str(copied))
    assert replayed.returncode == 0, replayed.stdout + replayed.stderr
    assert re.search(r"\d+ tensors compared, 0 differ", replayed.stdout)


def test_another_number_at_a_time_goes_on_with_the_trials_there_are(
    searches: Searches, finished: Finished, copied: Path
) -> None:
    again = searches.run(copied, "--set", "experiment.parallelTrialCount=1", "--set", "trainer.tailEpochs=0")
    assert counted(again.stdout)["trials"] == 5
    assert weights(copied).keys() == weights(finished[0]).keys()


def test_a_search_ends_when_every_network_of_its_space_is_trained(edited: Edit, tmp_path: Path) -> None:
    same = edited("list: [8, 12, 16]", "list: [8]")
    text = same.profile.read_text()
    double = "{name: lr, parameterType: double, feasibleSpace: {min: 0.003, max: 0.02, distribution: logUniform}}"
    same.profile.write_text(text.replace(double, "{name: lr, parameterType: discrete, feasibleSpace: {list: [0.01]}}"))
    first, again = (same.run(tmp_path / "store", "--set", "trainer.tailEpochs=0") for _ in range(2))
    for completed, reused in ((first, 0), (again, 2)):
        counts = counted(completed.stdout)
        assert (counts["trials"], counts["reused"]) == (2, reused)
        assert "The search ends: no other network in the search space: 2 were suggested." in completed.stdout
    assert len(Store(tmp_path / "store").trials()) == 2


def test_another_search_space_reuses_every_trial_that_it_shares(edited: Edit, finished: Finished, copied: Path) -> None:
    grid = "algorithm: {algorithmName: grid}"
    space = "{name: lr, parameterType: discrete, feasibleSpace: {list: [0.01]}}"
    double = "{name: lr, parameterType: double, feasibleSpace: {min: 0.003, max: 0.02, distribution: logUniform}}"
    first = edited(double, space)
    first.profile.write_text(first.profile.read_text().replace("algorithm: {algorithmName: random}", grid))
    assert counted(first.run(copied).stdout)["reused"] == 0
    first.profile.write_text(first.profile.read_text().replace("list: [8, 12, 16]", "list: [8, 12]"))
    second = counted(first.run(copied, "--set", "experiment.maxTrialCount=4").stdout)
    assert second["trials"] == 4
    assert second["reused"] >= 3  # five of the six points were trained before, at least three of these four
    assert len(Store(copied).experiments()) == 3


def test_what_another_search_has_trained_does_not_count(edited: Edit, finished: Finished, copied: Path) -> None:
    named = edited("maxTrialCount: 5", "maxTrialCount: 5\n  objective: {additionalMetricNames: [val_loss]}")
    once, again = (counted(named.run(copied, "--set", "experiment.maxTrialCount=2").stdout) for _ in range(2))
    assert (once["trials"], once["reused"]) == (7, 5)  # the first five suggestions are the same
    assert (again["trials"], again["reused"], again["epochs"]) == (7, 7, 0)
    assert weights(copied).keys() > weights(finished[0]).keys()


def test_nothing_over_budget_is_suggested_and_the_search_says_why_there_is_no_more(
    searches: Searches, tmp_path: Path
) -> None:
    completed = searches.run(tmp_path / "store", "--set", "trainer.budget.params=500", "--set", "trainer.tailEpochs=0")
    assert completed.returncode == 0
    printed = " ".join(completed.stdout.split())  # the line is longer than the screen is wide
    assert re.search(r"The search ends: no other network .* with params [\d,]+ > 500", printed)
    assert not list((tmp_path / "store").glob("experiments/*/trials/*"))


def test_only_networks_within_the_budget_are_trials(searches: Searches, finished: Finished, tmp_path: Path) -> None:
    sizes = sorted(Manifest.read(paths.bundle.manifest).params for paths in Store(finished[0]).trials())
    most = sizes[len(sizes) // 2]
    completed = searches.run(tmp_path / "store", "--set", f"trainer.budget.params={most}")
    assert counted(completed.stdout)["trials"] == 5
    assert all(Manifest.read(paths.bundle.manifest).params <= most for paths in Store(tmp_path / "store").trials())


def test_a_trial_over_budget_in_milliseconds_is_not_trained_and_says_why(edited: Edit, tmp_path: Path) -> None:
    one = edited("list: [8, 12, 16]", "list: [8]")
    double = "{name: lr, parameterType: double, feasibleSpace: {min: 0.003, max: 0.02, distribution: logUniform}}"
    text = one.profile.read_text().replace(double, "{name: lr, parameterType: discrete, feasibleSpace: {list: [0.01]}}")
    one.profile.write_text(text.replace("list: [8, 12]", "list: [8]"))
    completed = one.run(tmp_path / "store", "--set", "trainer.budget.latencyMs=0.000001")
    assert completed.returncode == 0
    assert re.search(r"over budget: latencyMs", completed.stdout)
    assert "The search ends: no other network in the search space: 1 were suggested." in completed.stdout


WIDTHS = "feasibleSpace: {list: [6, 7]}"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 8 MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(folder)], capture_output=True).returncode:
        pytest.skip("this user may not mount")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_a_full_disk_is_one_message_and_the_search_resumes_once_there_is_room(
    searches: Searches, finished: Finished, small_disk: Path, tmp_path: Path
) -> None:
    store, filler = small_disk / "store", small_disk / "filler"
    store.mkdir()
    with held(store, suggested(finished[0])[1]):
        process = searches.start(store)
        eventually(lambda: list(store.glob("trials/*/model/manifest.json")), PATIENCE)
        with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
            while file.write(bytes(4096)):
                pass
    _, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 2, errors
    assert "No space left on device" in errors
    assert len(errors.strip().splitlines()) == 1, errors
    filler.unlink()
    assert searches.run(store).returncode == 0
    assert weights(store) == weights(finished[0])


def test_a_store_that_cannot_be_written_is_one_message(searches: Searches, finished: Finished, tmp_path: Path) -> None:
    folder = tmp_path / "read-only"
    folder.mkdir()
    if subprocess.run(["mount", "--bind", "-o", "ro", str(finished[0]), str(folder)], capture_output=True).returncode:
        pytest.skip("this user may not mount")
    try:
        completed = searches.run_process(folder)
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)
    assert completed.returncode == 2
    assert "Read-only file system" in completed.stderr and len(completed.stderr.strip().splitlines()) == 1


@pytest.fixture
def own_network(edited: Edit) -> Searches:
    own = edited(
        "stem_width, parameterType: discrete, feasibleSpace: {list: [8, 12]}",
        "width, parameterType: discrete, feasibleSpace: {list: [6, 7]}",
    )
    text = own.profile.read_text()
    text = text.replace("    - {name: stage1_width, parameterType: discrete, feasibleSpace: {list: [8, 12, 16]}}\n", "")
    own.profile.write_text(text.replace("trainer:\n", "trainer:\n  network: tests.support.failing_network:build\n"))
    return own


def test_a_trial_that_fails_fails_alone_with_its_reason(own_network: Searches, tmp_path: Path) -> None:
    completed = own_network.run(tmp_path / "store", "--set", "experiment.maxFailedTrialCount=5")
    assert completed.returncode == 0, completed.stderr
    assert "RuntimeError: no network of width 7" in completed.stdout
    assert counted(completed.stdout)["trials"] == 5
    assert counted(completed.stdout)["failed"] > 0


def test_how_far_a_long_epoch_is_is_said_and_logged(own_network: Searches, tmp_path: Path) -> None:
    own_network.profile.write_text(own_network.profile.read_text().replace("list: [6, 7]", "list: [12]"))
    one = "experiment.maxTrialCount=1,experiment.parallelTrialCount=1"
    completed = own_network.run(tmp_path / "store", "--set", one)
    assert completed.returncode == 0, completed.stderr
    said = re.findall(r"^trial-0000: (epoch 1: 1 of \d+ batches, \d+%, about .* left)$", completed.stdout, re.MULTILINE)
    assert len(said) == 1, completed.stdout
    (key,) = {*suggested(tmp_path / "store")}
    assert said[0] in Store(tmp_path / "store").trial(key).log.read_text()


def test_a_trial_that_the_full_disk_keeps_from_saying_so_ends_the_search_as_the_disk_does(
    own_network: Searches, small_disk: Path
) -> None:
    own_network.profile.write_text(own_network.profile.read_text().replace("list: [6, 7]", "list: [11]"))
    completed = own_network.run(small_disk / "store", "--set", "experiment.parallelTrialCount=1")
    assert completed.returncode == 2, completed.stdout
    assert "No space left on device" in completed.stderr and len(completed.stderr.strip().splitlines()) == 1


def test_too_many_failures_end_the_search_with_their_reason(own_network: Searches, tmp_path: Path) -> None:
    own_network.profile.write_text(own_network.profile.read_text().replace("list: [6, 7]", "list: [7]"))
    completed = own_network.run(tmp_path / "store", "--set", "experiment.maxTrialCount=30", name="up")
    assert completed.returncode == 3
    counts = counted(completed.stdout)
    assert 1 <= counts["failed"] <= counts["trials"] <= 2
    assert re.search(r"RuntimeError: no network of width 7 \(failing_network.py:\d+, in build\)", completed.stdout)
    assert re.search(r"key [0-9a-f]{16}; width=7; .*log: trials/[0-9a-f]{16}/trial.log", completed.stdout)
    assert "and experiment.maxFailedTrialCount is 1: the search ended early" in completed.stderr


def test_a_search_of_which_every_trial_failed_does_not_end_as_one_that_found_something(
    own_network: Searches, tmp_path: Path
) -> None:
    own_network.profile.write_text(own_network.profile.read_text().replace("list: [6, 7]", "list: [7]"))
    counts = ("--set", "experiment.maxTrialCount=2", "--set", "experiment.maxFailedTrialCount=2")
    completed = own_network.run(tmp_path / "store", *counts, "--set", "experiment.parallelTrialCount=1")
    assert completed.returncode == 3
    assert counted(completed.stdout)["failed"] == 2


PATIENT = """
from atelier_cli.search import children, engine
children.STOP_TIMEOUT = engine.STOP_TIMEOUT = 3600.0
from atelier_cli.__main__ import main
main()
"""
"""The command, with an hour for the batch under way: only a second Ctrl-C ends it while a test waits."""


def test_a_second_ctrl_c_ends_the_batch_under_way_and_what_is_left_is_said(
    own_network: Searches, tmp_path: Path
) -> None:
    own_network.profile.write_text(own_network.profile.read_text().replace("list: [6, 7]", "list: [10]"))
    _, _, _, *arguments = own_network.command("search", tmp_path / "store", "--set", "experiment.parallelTrialCount=1")
    process = subprocess.Popen(
        [sys.executable, "-c", PATIENT, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env=environment(),
    )
    eventually(lambda: list(tmp_path.glob("store/trials/*/card.json")), PATIENCE)
    process.send_signal(signal.SIGINT)
    printed = process.stdout
    assert printed
    eventually(lambda: "Stopping: waiting for the batch" in printed.readline(), PATIENCE)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130
    assert errors == "Stopped; the same command goes on from here: trial-0000 anew, without a checkpoint.\n"


def test_a_search_says_that_its_trials_are_other_networks_by_now(searches: Searches, copied: Path) -> None:
    (experiment,) = Store(copied).experiments()
    record = TrialRecord.read(experiment.trial("trial-0000"))
    record.model_copy(update={"key": "0123456789abcdef"}).write(experiment.trial("trial-0000"))
    printed = searches.run(copied).stdout
    assert f"trial-0000 was 0123456789abcdef and is {record.key} now: the network's code has changed" in printed
    assert printed.count("Such trials train anew.") == 1


def test_the_best_of_few_trials_is_trained_to_its_end(searches: Searches, tmp_path: Path) -> None:
    few = ("--set", "experiment.maxTrialCount=2", "--set", "trainer.tailEpochs=0")
    printed = searches.run(tmp_path / "store", *few).stdout
    assert re.search(r"trial-000\d +succeeded +epoch +5", printed), printed
    (experiment,) = Store(tmp_path / "store").experiments()
    best = rank(Store(tmp_path / "store"), Spec.read(experiment.spec)).entries[0]
    assert (best.status, best.epochs) == ("succeeded", 5)
    again = searches.run(tmp_path / "store", *few)
    assert counted(again.stdout) == {"trials": 2, "reused": 2, "failed": 0, "epochs": 0}


def test_a_trial_that_finds_the_disk_full_ends_the_search_and_is_not_blamed(
    own_network: Searches, tmp_path: Path
) -> None:
    own_network.profile.write_text(own_network.profile.read_text().replace("list: [6, 7]", "list: [9]"))
    completed = own_network.run(tmp_path / "store")
    assert completed.returncode == 2
    assert re.search(r"store: .*No space left on device.* \(trial-000\d\)", completed.stderr)
    assert len(completed.stderr.strip().splitlines()) == 1
