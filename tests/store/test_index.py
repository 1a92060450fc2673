"""The index of an experiment shows what reading every file shows, whatever happens to the store and to the index."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from atelier_store import index, sealed
from atelier_store.index import Index, read_rows
from atelier_store.layout import ExperimentPaths, Store
from atelier_store.ranking import leaderboard, rank, standings
from atelier_store.records import Card, TrialRecord
from atelier_store.spec import Spec
from atelier_store.trial_rows import CardRow
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from benchmarks.made_up_store import make
from tests.support.damage import altered, emptied, made_a_folder, torn

TRIALS = 5


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of one search; tests copy it."""
    folder = tmp_path_factory.mktemp("made") / "store"
    make(Store(folder), TRIALS, running=1)
    return folder


@pytest.fixture
def store(made: Path, tmp_path: Path) -> Store:
    return Store(Path(shutil.copytree(made, tmp_path / "store")))


@pytest.fixture
def eager(monkeypatch: pytest.MonkeyPatch) -> None:
    """The index keeps rows at once, and writes its file for one of them."""
    monkeypatch.setattr(index, "SETTLED", 0.0)
    monkeypatch.setattr(index, "WORTH_WRITING", 1)


def only(store: Store) -> ExperimentPaths:
    (experiment,) = store.experiments()
    return experiment


def look(store: Store) -> list[Any]:
    """What a process sees that has not looked before."""
    return list(Index(store, only(store)).rows())


def wait_for_the_next_step_of_time(store: Store) -> None:
    """Until a change gets another time than all changes so far."""
    newest = max(path.lstat().st_ctime_ns for path in store.root.rglob("*"))
    probe = store.root / ".tmp-probe"
    while True:
        probe.touch()
        if probe.stat().st_ctime_ns > newest:
            return probe.unlink()


# what may happen to a file


def deleted(path: Path) -> None:
    path.unlink()


def folder_deleted(path: Path) -> None:
    shutil.rmtree(path.parent)


def written_again(path: Path) -> None:
    """Replaced by the same content."""
    beside = path.with_name(".tmp-beside")
    beside.write_bytes(path.read_bytes())
    beside.replace(path)


DAMAGES = [torn, altered, emptied, deleted, made_a_folder, folder_deleted, written_again]
Change = Callable[[Store], None]


def files_of_rows(store: Store) -> list[Path]:
    trials = [path for trial in store.trials() for path in (trial.card, trial.bundle.manifest)]
    return [path for path in [*sorted(only(store).trials.glob("*.json")), *trials] if path.is_file()]


@st.composite
def changes(draw: st.DrawFn) -> Change:
    """Something that a run, a kill, a disk or a person may do."""
    number, damage = draw(st.integers(0, 99)), draw(st.sampled_from(DAMAGES))
    what = draw(st.sampled_from(["damage", "damage", "damage the index", "card", "suggest", "share a key"]))

    def change(store: Store) -> None:
        files, experiment = files_of_rows(store), only(store)
        cards = [path for path in files if path.name == "card.json"]
        if what == "damage" and files:
            damage(files[number % len(files)])
        elif what == "damage the index" and experiment.index.is_file() and damage is not folder_deleted:
            damage(experiment.index)
        elif what == "card" and cards:
            card = Card.read_if_whole(path := cards[number % len(cards)])
            if card is not None:
                status = ("running", "paused", "succeeded", "failed")[number % 4]
                card.model_copy(update={"status": status, "epochs": number}).write(path)
        elif what == "suggest":
            TrialRecord(trial=f"new-{number}", number=number, params={"a": "1"}, key=None, error="lr").write(
                experiment.trial(f"new-{number}")
            )
        elif what == "share a key" and store.trials():
            key = store.trials()[number % len(store.trials())].key
            TrialRecord(trial=f"new-{number}", params={}, key=key).write(experiment.trial(f"new-{number}"))

    return change


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(happening=st.lists(changes(), max_size=8))
@pytest.mark.usefixtures("eager")
def test_a_look_shows_what_reading_everything_shows(made: Path, happening: list[Change]) -> None:
    with TemporaryDirectory() as folder:
        store = Store(Path(shutil.copytree(made, Path(folder) / "store")))
        kept = Index(store, only(store))
        for change in [lambda _: None, *happening]:
            wait_for_the_next_step_of_time(store)
            change(store)
            expected = read_rows(store, only(store))
            assert kept.rows() == expected, "of a process that has looked before"
            assert look(store) == expected, "of a new process"


@pytest.mark.usefixtures("eager")
def test_the_leaderboard_of_a_look_is_that_of_a_promotion_where_every_bundle_is_whole(store: Store) -> None:
    of = Spec.read(only(store).spec)
    entries = rank(store, of).entries
    assert len(entries) == TRIALS and any(entry.rank == 1 for entry in entries)
    for _ in range(2):  # the second from the file
        assert leaderboard(store, of, standings(of, look(store)), rejected={}).entries == entries


@pytest.mark.usefixtures("eager")
def test_what_a_promotion_refuses_by_its_digest_is_ranked_in_a_look(store: Store) -> None:
    of = Spec.read(only(store).spec)
    best = rank(store, of).entries[0]
    assert best.key is not None
    store.trial(best.key).bundle.network.write_bytes(b"?")
    assert rank(store, of).entries[0].key != best.key
    assert leaderboard(store, of, standings(of, look(store)), rejected={}).entries[0] == best


# what is read


@pytest.fixture(scope="module")
def opened() -> Iterator[list[str]]:
    """The names of all files that this process opens, as it opens them."""
    names: list[str] = []
    active = True

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if active and event == "open" and isinstance(arguments[0], str):
            names.append(Path(arguments[0]).name)

    sys.addaudithook(hook)
    yield names
    active = False


@pytest.mark.usefixtures("eager")
def test_of_what_has_not_changed_nothing_is_read_again(store: Store, opened: list[str]) -> None:
    kept = Index(store, only(store))
    rows = kept.rows()
    opened.clear()
    assert kept.rows() == rows
    assert "card.json" not in opened
    assert look(store) == rows
    assert "index.json" in opened and "card.json" not in opened
    wait_for_the_next_step_of_time(store)
    written_again(store.trials()[0].card)
    opened.clear()
    assert kept.rows() == rows
    assert opened.count("card.json") == 1


def test_what_has_just_changed_is_read_again_since_times_come_in_steps(
    store: Store, opened: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(index, "WORTH_WRITING", 1)
    kept = Index(store, only(store))
    kept.rows()
    opened.clear()
    kept.rows()
    assert opened.count("card.json") == len(store.trials())
    assert not only(store).index.exists()


def test_a_small_search_gets_no_file(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index, "SETTLED", 0.0)
    assert look(store) == look(store) == read_rows(store, only(store))
    assert not only(store).index.exists()


# the file


@pytest.mark.usefixtures("eager")
def test_where_the_file_cannot_be_written_the_rows_stay_in_memory(store: Store, opened: list[str]) -> None:
    only(store).index.mkdir()
    kept = Index(store, only(store))
    rows = kept.rows()
    opened.clear()
    assert kept.rows() == rows == read_rows(store, only(store)) == look(store)
    assert [path.name for path in only(store).folder.glob(".tmp-*")] == []


@pytest.mark.usefixtures("eager")
@pytest.mark.parametrize("field", ["schema_version", "fields"])
def test_a_file_of_another_release_is_not_read(store: Store, field: str) -> None:
    rows, path = look(store), only(store).index
    kept = json.loads(sealed.read_document(path.read_bytes()))
    kept["rows"]["trial"] = ["another"] * len(kept["names"])
    path.write_text(sealed.document(json.dumps(kept).removesuffix("}") + "\n}"))
    assert {row.trial for row in look(store)} == {"another"}, "this release would believe it"
    kept[field] = 99
    path.write_text(sealed.document(json.dumps(kept).removesuffix("}") + "\n}"))
    assert look(store) == rows


@pytest.mark.usefixtures("eager")
def test_a_copied_store_is_read_anew(store: Store, tmp_path: Path, opened: list[str]) -> None:
    rows = look(store)
    copy = Store(Path(shutil.copytree(store.root, tmp_path / "copy")))
    opened.clear()
    assert [row._replace(recorded_at=0) for row in look(copy)] == [row._replace(recorded_at=0) for row in rows]
    assert "card.json" in opened


def test_a_trial_without_any_file_and_an_experiment_without_trials_are_rows_and_none(store: Store) -> None:
    shutil.rmtree(store.trial("").folder)
    assert {row.card for row in look(store)} == {None}
    shutil.rmtree(only(store).trials)
    assert look(store) == []


def test_a_file_that_cannot_be_read_is_named(store: Store) -> None:
    trial = store.trials()[0]
    made_a_folder(trial.card)
    (row,) = [row for row in look(store) if row.key == trial.key]
    assert row.card == f"trials/{trial.key}/card.json: cannot be read: Is a directory"
    assert sum(isinstance(row.card, CardRow) for row in look(store)) == TRIALS - 1
