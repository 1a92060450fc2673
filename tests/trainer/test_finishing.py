"""What is left of a search on a cluster: trials that halving paused before others had come, and the tail."""

import signal
from pathlib import Path

import pytest
from atelier_store.curve import read_curve
from atelier_store.exit_codes import ExitCode
from atelier_store.layout import Store
from atelier_store.records import Card, TrialRecord

from tests.support.current import applied_last
from tests.support.server_process import eventually
from tests.support.workplace import NETWORK, TIMEOUT, Workplace, profile

pytestmark = pytest.mark.process

HALVING = {"earlyStopping": {"algorithmName": "halving", "algorithmSettings": [{"name": "min_epochs", "value": "1"}]}}
GOOD, POOR, POORER = "lr=0.01", "lr=0.00001", "lr=0.000001"


def card(store: Store, name: str) -> Card:
    (experiment,) = store.experiments()
    key = TrialRecord.read(experiment.trial(name)).key
    assert key
    return Card.read(store.trial(key).card)


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> Workplace:
    """Three trials, one after the other as Katib starts them; the best came first, when it had none to beat."""
    work = Workplace(tmp_path_factory.mktemp("searched"))
    for name, lr in {"first": GOOD, "second": POOR, "third": POORER}.items():
        end = work.run(profile(3, experiment=HALVING), *NETWORK, lr, name=name)
        assert end.code == 0, end.err
    return work


def test_the_first_of_a_search_pauses_whatever_its_value(searched: Workplace) -> None:
    cards = [card(searched.store, name) for name in ("first", "second", "third")]
    assert [(one.status, one.epochs) for one in cards] == [("paused", 1)] * 3
    assert max(cards, key=lambda one: one.metric or 0) is cards[0]


def test_who_deserves_it_goes_on_at_the_end_and_nobody_else(searched: Workplace) -> None:
    end = searched.run(profile(3, experiment=HALVING, tailEpochs=1), "--finish", name=None)
    assert end.code == 0, end.err
    assert "first is among the best at epoch 1 by now and goes on" in end.err
    assert (card(searched.store, "first").status, card(searched.store, "first").epochs) == ("succeeded", 3)
    assert {card(searched.store, name).epochs for name in ("second", "third")} == {1}
    tail = card(searched.store, "tail")
    assert (tail.status, tail.epochs) == ("succeeded", 1)


def test_finishing_again_finds_everything_done(searched: Workplace) -> None:
    searched.run(profile(3, experiment=HALVING, tailEpochs=1), "--finish", name=None)
    before = {trial.key: trial.card.read_bytes() for trial in searched.store.trials()}
    end = searched.run(profile(3, experiment=HALVING, tailEpochs=1), "--finish", name=None)
    assert end.code == 0, end.err
    assert "goes on" not in end.err
    assert {trial.key: trial.card.read_bytes() for trial in searched.store.trials()} == before


def test_a_search_that_another_one_has_replaced_is_not_finished(
    searched: Workplace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    applied_last("another-89abcdef", tmp_path, monkeypatch)
    before = {trial.key: trial.card.read_bytes() for trial in searched.store.trials()}
    end = searched.run(profile(3, experiment=HALVING, tailEpochs=2), "--finish", name=None)
    assert end.code == 0, end.err
    assert "not finished: another-89abcdef was applied later than " in end.err
    assert {trial.key: trial.card.read_bytes() for trial in searched.store.trials()} == before


def test_each_trial_keeps_its_own_log(searched: Workplace) -> None:
    searched.run(profile(3, experiment=HALVING, tailEpochs=1), "--finish", name=None)
    for trial in searched.store.trials():
        assert {
            line.rpartition(" is ")[2] for line in trial.log.read_text().splitlines() if " INFO trial " in line
        } == {trial.key}
        assert read_curve(trial.metrics)


def test_the_winner_is_trained_to_its_end_though_too_few_came_for_it_to_pass_a_rung(work: Workplace) -> None:
    for name, lr in {"first": GOOD, "second": POOR}.items():
        assert work.run(profile(3, experiment=HALVING), *NETWORK, lr, name=name).code == 0
    assert {card(work.store, name).status for name in ("first", "second")} == {"paused"}
    end = work.run(profile(3, experiment=HALVING), "--finish", name=None)
    assert end.code == 0, end.err
    assert "first is the best and is trained to epoch 3" in end.err
    assert (card(work.store, "first").status, card(work.store, "first").epochs) == ("succeeded", 3)
    assert card(work.store, "second").epochs == 1


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, "stopped"), (signal.SIGKILL, "running")])
def test_a_winner_that_is_interrupted_on_the_way_to_its_end_goes_on_from_there(
    work: Workplace, number: signal.Signals, status: str
) -> None:
    spec = profile(60, experiment=HALVING)
    for name, lr in {"first": GOOD, "second": POOR}.items():
        assert work.run(spec, *NETWORK, lr, name=name).code == 0
    first = work.store.trial(card(work.store, "first").key)
    process = work.start(spec, "--finish", name=None)
    eventually(lambda: len(read_curve(first.metrics)) > 1, TIMEOUT)
    process.send_signal(number)
    process.communicate(timeout=TIMEOUT)
    assert process.returncode == (ExitCode.STOPPED if number == signal.SIGTERM else -number)
    assert (card(work.store, "first").status, len(read_curve(first.metrics)) < 60) == (status, True)
    end = work.run(spec, "--finish", name=None)
    assert end.code == 0, end.err
    assert "resuming after epoch" in end.err
    assert [card(work.store, name).epochs for name in ("first", "second")] == [60, 1]


def test_a_goal_that_is_reached_leaves_the_winner_where_it_is(work: Workplace) -> None:
    reached = HALVING | {"objective": {"goal": 0.01}}
    assert work.run(profile(3, experiment=reached), *NETWORK, GOOD).code == 0
    assert work.run(profile(3, experiment=reached), "--finish", name=None).code == 0
    assert (work.card.status, work.card.epochs) == ("paused", 1)


def test_a_search_without_halving_and_tail_has_nothing_to_finish(work: Workplace) -> None:
    assert work.run(profile(1), *NETWORK).code == 0
    before = work.trial.card.read_bytes()
    end = work.run(profile(1), "--finish", name=None)
    assert (end.code, end.out) == (0, ""), end.err
    assert work.trial.card.read_bytes() == before


def test_finish_takes_no_trial(work: Workplace) -> None:
    end = work.run(profile(1), "--finish")
    assert end.code == 2
    assert "not allowed with argument" in end.err
