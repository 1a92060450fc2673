"""What a search knows of earlier ones is found when it begins, said, and kept with it."""

import shutil
from pathlib import Path
from typing import Any

import pytest
from atelier_cli.profile import rules
from atelier_cli.search import experience
from atelier_store.audit import audit
from atelier_store.clock import now
from atelier_store.layout import ExperimentPaths, Store
from atelier_store.ranking import trial_records
from atelier_store.records import Card, DataDescription, EarlierSearches, TornRecord, TrialConfig, TrialRecord
from atelier_store.spec import Spec

from tests.support.experiments import add_curve, begin, spec
from tests.support.searches import Edit, Finished

SPACE: list[dict[str, Any]] = [
    {"name": name, "parameterType": "discrete", "feasibleSpace": {"list": ["4", "8"]}}
    for name in ("stem_width", "stage1_width", "stage2_width", "batch")
]
DATA, OTHER = "a" * 64, "b" * 64


def description(digest: str = DATA, kind: str = "images") -> DataDescription:
    arrays = {"train_rows": 9, "test_rows": 9, "shape": (8, 8), "labels": ("a",), "source": "tests"}
    return DataDescription.model_validate({"digest": digest, "kind": kind, "task": "classification", **arrays})


def searched(
    store: Store, of: Spec, *values: tuple[float, ...], digest: str = DATA, kind: str = "images", **card: Any
) -> str:
    """A search whose trials came to these values; the result is its name."""
    name, paths = begin(store, of), store.experiment(of.experiment_name)
    metric = of.experiment.objective.objective_metric_name
    description(digest, kind).write(store.data(digest).description)
    for number, curve in enumerate(values):
        params = {parameter.name: "4" for parameter in of.experiment.parameters}
        config = TrialConfig(
            params=params | {"of": f"{name} {number}"}, data_digest=digest, validation_fraction=0.2,
            network_digest="", recipe_version=1, seed=0,
        )  # fmt: skip
        trial = store.trial(config.key)
        config.write(trial.config)
        add_curve(store, config.key, metric, curve)
        fields = {"status": "paused", "epochs": len(curve)} | card
        Card(key=config.key, objective_metric_name=metric, updated_at=now(), **fields).write(trial.card)
        named = f"trial-{number:04}"
        TrialRecord(trial=named, number=number, params=params, key=config.key).write(paths.trial(named))
    return name


def learning(*stores: Path, algorithm: str = "random", parameters: list[dict[str, Any]] = SPACE) -> Spec:
    chosen = {
        "experience": {"enabled": True, "stores": list(map(str, stores))},
        "algorithm": {"algorithmName": algorithm},
    }
    document = spec("learns", parameters).model_dump(by_alias=True)
    return Spec.model_validate(document | {"experiment": document["experiment"] | chosen})


def ensured(of: Spec, store: Store) -> tuple[list[tuple[str, int]], list[str]]:
    """The searches with the number of their trials, in the order in which they count; and what is said."""
    said = list[str]()
    known = experience.ensure(of, store, description(), said.append)
    return [(search.name, len(search.trials)) for search in known.searches], said


def test_related_searches_count_those_on_the_same_data_and_of_more_parameters_first(tmp_path: Path) -> None:
    store = Store(tmp_path)
    other = searched(store, spec("other", SPACE), (0.1, 0.2), digest=OTHER)
    half = searched(store, spec("half", SPACE[:2]), (0.3,))
    same = searched(store, spec("same", SPACE), (0.5,), (0.6, 0.7))
    assert ensured(learning(), store)[0] == [(same, 2), (half, 1), (other, 1)]
    (experiment,) = (one for one in store.experiments() if one.folder.name.startswith("learns"))
    kept = {search.name: search for search in EarlierSearches.read(experiment.experience).searches}
    assert [trial.values for trial in kept[same].trials] == [(0.5,), (0.6, 0.7)]
    assert kept[other].data_digest == OTHER


def test_what_cannot_be_compared_does_not_count(tmp_path: Path) -> None:
    store, loss = Store(tmp_path), {"type": "minimize", "objectiveMetricName": "val_loss"}
    searched(store, spec("loss", SPACE, loss), (0.1,))
    searched(store, spec("rows", SPACE), (0.1,), digest=OTHER, kind="rows")
    searched(store, spec("own", SPACE, network="mine:network"), (0.1,))
    searched(store, spec("few", SPACE[:1]), (0.1,))
    searched(store, spec("failed", SPACE), (0.1,), status="failed")
    assert ensured(learning(), store) == (
        [],
        [
            "No experience: of 5 earlier searches, 1 for another objective, 1 of another network, 1 on data of another "
            "kind or task, 1 with less than half of the parameters, 1 without a trial that has ended."
        ],
    )
    assert ensured(learning(), store)[1] == ["No experience: there was none before it."]
    assert ensured(learning(), Store(tmp_path / "empty"))[1] == ["No experience: there was none before it."]


def test_the_search_says_what_it_starts_from(tmp_path: Path) -> None:
    store = Store(tmp_path)
    first = searched(store, spec("first", SPACE), (0.1,), digest=OTHER)
    assert ensured(learning(), store)[1] == [
        f"Learns from 1 search, 1 trial: {first}",
        "Their data differ: only their order counts.",
    ]
    second = searched(store, spec("second", SPACE), (0.1,), (0.2,))
    assert ensured(learning(parameters=SPACE[:3]), store)[1] == [
        f"Learns from 2 searches, 3 trials: {second}, {first}",
        f"The data of {first} differ: only their order counts.",
    ]


def test_other_stores_count_too_until_the_search_has_begun_and_needs_them_no_more(tmp_path: Path) -> None:
    store, other = Store(tmp_path / "store"), Store(tmp_path / "other")
    name = searched(other, spec("there", SPACE), (0.1,))
    of = learning(other.root)
    assert not list(rules.check_stores(of, store))
    assert ensured(of, store)[0] == [(name, 1)]
    shutil.rmtree(other.root)
    assert not list(rules.check_stores(of, store))
    assert ensured(of, store)[0] == [(name, 1)]


def test_what_was_known_stays_known_whatever_comes_later(tmp_path: Path) -> None:
    store = Store(tmp_path)
    name = searched(store, spec("first", SPACE), (0.1,))
    before = ensured(learning(), store)
    searched(store, spec("later", SPACE), (0.9,))
    shutil.rmtree(store.experiment(name).folder)
    assert ensured(learning(), store) == before


def test_a_damaged_experience_ends_the_search_rather_than_changing_it(tmp_path: Path) -> None:
    store = Store(tmp_path)
    ensured(learning(), store)
    (path,) = tmp_path.glob("experiments/*/experience.json")
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(TornRecord, match=r"experience\.json"):
        ensured(learning(), store)


def test_stores_that_are_named_but_not_turned_on_are_said_to_be_of_no_use(tmp_path: Path) -> None:
    of = learning(tmp_path / "other")
    off = of.experiment.experience.model_copy(update={"enabled": False})
    of = of.model_copy(update={"experiment": of.experiment.model_copy(update={"experience": off})})
    assert ensured(of, Store(tmp_path)) == (
        [],
        ["experiment.experience.stores is not used: experiment.experience.enabled is false."],
    )


def test_grid_and_searches_that_do_not_ask_for_it_know_nothing(tmp_path: Path) -> None:
    store = Store(tmp_path)
    searched(store, spec("first", SPACE), (0.1,))
    assert ensured(learning(algorithm="grid"), store) == (
        [],
        ["No experience: grid tries every point in an order of its own."],
    )
    assert ensured(spec("without", SPACE), store) == ([], [])
    assert not list(tmp_path.glob("experiments/*/experience.json"))


@pytest.mark.process
def test_a_search_on_changed_data_begins_with_what_an_earlier_one_found(
    edited: Edit, finished: Finished, copied: Path
) -> None:
    (first,) = Store(copied).experiments()
    second = edited("limit: 300", "limit: 250")
    changes = "experiment.experience.enabled=true", "trainer.maxEpochs=2", "trainer.tailEpochs=0"
    settings = [argument for change in changes for argument in ("--set", change)]
    printed = second.run(copied, "--set", "experiment.maxTrialCount=2", *settings)
    assert printed.returncode == 0, printed.stderr
    assert f"Learns from 1 search, 5 trials: {first.folder.name}" in printed.stdout.replace("\n", " ")
    assert "Their data differ: only their order counts." in printed.stdout
    (learnt,) = (one for one in Store(copied).experiments() if one.folder.name != first.folder.name)
    suggested = records(learnt)
    best, reason = first_of(first), f"from search {first.folder.name}'s {{}}, place 1 of 5, on other data"
    assert suggested[0].reason == reason.format(best.trial) and suggested[0].params == best.params
    assert audit(Store(copied)).mismatches == []
    shutil.rmtree(first.folder)
    again = second.run(copied, "--set", "experiment.maxTrialCount=3", *settings)
    assert again.returncode == 0, again.stderr
    assert records(learnt)[:2] == suggested and len(records(learnt)) == 3


def records(paths: ExperimentPaths) -> list[TrialRecord]:
    return [record for record in trial_records(paths) if record.number is not None]


def first_of(paths: ExperimentPaths) -> TrialRecord:
    """The trial that came furthest; of those, that of the best accuracy."""

    def stands(record: TrialRecord) -> tuple[int, float]:
        card = Card.read(paths.store.trial(str(record.key)).card)
        return card.epochs, card.metrics["val_accuracy"]

    return max(records(paths), key=stands)
