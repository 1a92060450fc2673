"""The service and the trial program together, as Katib brings them together: what one prints, the other reads."""

from __future__ import annotations

from pathlib import Path

import pytest
from atelier_store.curve import read_curve
from atelier_store.ranking import trial_records
from atelier_suggestion import katib_pb2 as katib

from tests.suggestion.katib_search import Search, params_of
from tests.support.workplace import NETWORK, Workplace, profile

pytestmark = pytest.mark.process

RATE = {"name": "lr", "parameterType": "double", "feasibleSpace": {"min": "0.001", "max": "0.01"}}
HALVING = [{"name": "eta", "value": "2"}, {"name": "min_epochs", "value": "1"}]
EXPERIMENT = {
    "algorithm": {"algorithmName": "atelier"},
    "earlyStopping": {"algorithmName": "halving", "algorithmSettings": HALVING},
    "parameters": [RATE],
}


def test_a_paused_trial_goes_on_from_its_checkpoint_as_another_trial_of_the_search(tmp_path: Path) -> None:
    work, of = Workplace(tmp_path), profile(3, experiment=EXPERIMENT)
    search = Search(of, most=6)
    while len(search.trials) < search.most:
        (name,) = search.grow()
        trial = search.trial(name)
        params = [f"{key}={value}" for key, value in params_of(trial).items()]
        end = work.run(of, *NETWORK, *params, f"--resumed-at={search.resumed_at[name]}", name=name)
        assert end.code == 0, end.err
        assert ("resuming after epoch" in end.err) == (search.resumed_at[name] > 0), end.err
        trial.status.condition = katib.TrialStatus.SUCCEEDED
        lines = (line.partition(" ")[2].partition("=") for line in end.out.splitlines())
        observed = {name: value for name, _, value in lines}
        trial.status.observation.metrics.extend(katib.Metric(name=name, value=text) for name, text in observed.items())
    records = trial_records(work.store.experiments()[0])
    assert [record.trial for record in records] == [trial.name for trial in search.trials]
    on = [(record.key, search.resumed_at[record.trial]) for record in records if search.resumed_at[record.trial]]
    assert on and len(on) == len(set(on))
    curves = [[epoch.epoch for epoch in read_curve(trial.metrics)] for trial in work.store.trials()]
    assert all(curve == sorted(set(curve)) for curve in curves), "no epoch was trained twice"
    finish = work.run(of, "--finish", name=None)
    assert finish.code == 0 and "among the best" not in finish.err, finish.err
