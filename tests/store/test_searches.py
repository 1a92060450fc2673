"""The searches of a store in a few words each."""

import pytest
from atelier_store.layout import Store
from atelier_store.lease import Lease
from atelier_store.ranking import rank
from atelier_store.searches import searched
from atelier_store.spec import Spec

from benchmarks.made_up_store import make


@pytest.fixture
def made(store: Store) -> Spec:
    """A search of six trials, of which the last is said to run."""
    return make(store, 6, running=1)


def state(store: Store) -> str:
    (only,) = searched(store)
    return only.state


def test_a_search_runs_while_its_engine_does_or_a_process_trains_one_of_its_trials(store: Store, made: Spec) -> None:
    experiment = store.experiment(made.experiment_name)
    (running,) = [entry.key for entry in rank(store, made).entries if entry.status == "running"]
    ended = next(entry.key for entry in rank(store, made).entries if entry.status == "paused")
    assert running and ended
    assert state(store) == "unfinished"
    for path, expected in [
        (experiment.lease, "running"),
        (store.trial(running).lease, "running"),
        (store.trial(ended).lease, "unfinished"),
    ]:
        with Lease.acquire(path, "a test"):
            assert state(store) == expected
    rank(store, made).write(experiment.leaderboard)
    assert state(store) == "ended"


def test_a_search_is_told_by_what_its_trials_came_to(store: Store, made: Spec) -> None:
    (only,) = searched(store)
    best = rank(store, made).entries[0]
    assert (only.trials, only.max_trial_count, only.best, only.best_trial) == (6, 6, best.metric, best.trial)


def test_a_search_whose_spec_is_torn_is_unreadable_and_still_counted(store: Store, made: Spec) -> None:
    store.experiment(made.experiment_name).spec.write_text("{")
    (only,) = searched(store)
    assert (only.state, only.trials, only.best) == ("unreadable", 6, None)
