"""Decisions depend on results and never on their order in time; halving keeps its rule; every search ends."""

import hashlib
import json
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal, get_args

import pytest
from atelier_cli.search.schedule import Job, Result, Schedule, expected_epochs, virtual_workers
from atelier_searcher.decision import NO_EXPERIENCE, Networks
from atelier_searcher.experience import Experience
from atelier_searcher.latency import Measured
from atelier_searcher.rank_model import taught
from atelier_store import halving
from atelier_store.records import EarlierSearch, EarlierTrial
from atelier_store.spec import Budget, Decisions, Spec
from hypothesis import given, settings
from hypothesis import strategies as st

PARAMETERS: list[dict[str, Any]] = [
    {"name": "stem_width", "parameterType": "int", "feasibleSpace": {"min": "1", "max": "400"}},
    {"name": "stage1_op", "parameterType": "categorical", "feasibleSpace": {"list": ["conv3", "sep3"]}},
]


Jobs = list[tuple[Job, Result]]


def spec(
    trials: int = 12,
    max_epochs: int = 27,
    algorithm: str = "multivariate-tpe",
    failed: int = 0,
    goal: float | None = None,
    early: str = "halving",
    parameters: list[dict[str, Any]] | None = None,
    objectives: Sequence[dict[str, Any]] = (),
    decisions: Decisions = "by-jobs",
) -> Spec:
    experiment = {
        "name": "tests",
        "objective": {"goal": goal},
        "objectives": objectives,
        "algorithm": {"algorithmName": algorithm},
        "earlyStopping": {"algorithmName": early},
        "parameters": parameters or PARAMETERS,
        "maxTrialCount": trials,
        "maxFailedTrialCount": failed,
    }
    trainer = {"data": {"source": "sklearn", "name": "digits"}, "maxEpochs": max_epochs}
    return Spec.model_validate({"experiment": experiment, "trainer": trainer, "decisions": decisions})


def key_of(params: dict[str, str]) -> str:
    return hashlib.sha256(json.dumps(params, sort_keys=True).encode()).hexdigest()[:16]


def curve(params: dict[str, str], epochs: int) -> tuple[float, ...]:
    """A curve that grows towards a quality that the params decide."""
    noise = int(key_of(params)[:4], 16) / 65536
    quality = 0.5 + 0.4 * (1 - abs(int(params["stem_width"]) - 250) / 250) + 0.1 * noise
    return tuple(quality * (1 - 0.7 / (epoch + 1)) for epoch in range(1, epochs + 1))


def answer(job: Job, of: Spec) -> Result:
    """The result of a trial that follows its bars."""
    values = curve(job.suggestion.params, of.trainer.max_epochs)
    end_of_run = halving.end_of_run(values, job.bars, of.trainer.max_epochs, of.experiment.objective)
    assert end_of_run
    end, outcome = end_of_run
    return Result(outcome, values[:end])


def search(
    of: Spec,
    parallel: int = 2,
    shuffle: random.Random | None = None,
    reply: Callable[[Job, Spec], Result] = answer,
    made: dict[int, dict[str, str]] | None = None,
    known: Experience = NO_EXPERIENCE,
    networks: Networks | None = None,
) -> Jobs:
    """All jobs with their results; shuffle draws which waiting result is reported next, made is what was suggested."""
    schedule = Schedule(of, networks or Networks(key_of), parallel, made, experience=known)
    jobs: Jobs = []
    waiting: Jobs = []
    while not schedule.is_done or waiting:
        while schedule.ready and not schedule.is_done:
            job = schedule.decide()
            if job is not None:
                jobs.append((job, reply(job, of)))
                waiting.append(jobs[-1])
        if waiting:
            ended = waiting.pop(shuffle.randrange(len(waiting)) if shuffle else 0)
            for job, result in [*waiting, ended]:
                if shuffle and result.values[job.resumed_at :]:
                    schedule.progress(job, shuffle.randint(job.resumed_at + 1, len(result.values)))
            schedule.report(*ended)
    return jobs


def measured(params: Mapping[str, str]) -> Measured:
    width = float(params["stem_width"])
    return Measured((("matrix.macs", width), ("matrix.nodes", 2.0)), 0.1 + width / 1000, "a")


def of_latency(parallel: int, shuffle: random.Random | None = None) -> Jobs:
    """A search where a network over 0.2 ms is found over budget when it is measured."""
    of = spec(20, early="none", algorithm="random", decisions="by-epochs")
    bounded = of.trainer.model_copy(update={"budget": Budget(latency_ms=0.2)})

    def reply(job: Job, of: Spec) -> Result:
        found = measured(job.suggestion.params)
        return Result("over_budget", measured=found) if found.ms > 0.2 else replace(answer(job, of), measured=found)

    networks = Networks(key_of, operations=lambda params: dict(measured(params).operations))
    return search(of.model_copy(update={"trainer": bounded}), parallel, shuffle, reply, networks=networks)


@pytest.mark.parametrize("parallel", [1, 3])
def test_latencies_that_were_measured_lead_later_decisions_whatever_ends_first(parallel: int) -> None:
    jobs = of_latency(parallel)
    late = [result.outcome for job, result in jobs if job.number >= 30]
    assert [result.outcome for _, result in jobs].count("over_budget") > 5 and late == ["succeeded"] * len(late)
    assert of_latency(parallel, random.Random(1)) == jobs


def test_with_several_objectives_a_trial_pauses_at_each_rung_until_what_it_costs_is_known() -> None:
    of = spec(9, algorithm="random", objectives=({"metric": "params"},))
    jobs = search(
        of, reply=lambda job, of: replace(answer(job, of), others=(float(job.suggestion.params["stem_width"]),))
    )
    assert all(job.bars == {rung: None for rung in (3, 9) if rung > job.resumed_at} for job, _ in jobs)
    assert any(result.outcome == "succeeded" for _, result in jobs)


@settings(deadline=None, max_examples=15)
@given(
    st.integers(1, 20),
    st.integers(1, 4),
    st.randoms(use_true_random=False),
    st.sampled_from(["random", "tpe", "multivariate-tpe", "atelier"]),
    st.sampled_from(get_args(Decisions)),
)
def test_whatever_ends_first_the_same_jobs_are_decided(
    trials: int, parallel: int, shuffle: random.Random, algorithm: str, decisions: Decisions
) -> None:
    of = spec(trials, algorithm=algorithm, decisions=decisions)
    assert search(of, parallel, shuffle) == search(of, parallel)


@pytest.mark.parametrize("parallel", [1, 2, 8])
def test_by_epochs_a_decision_sees_the_jobs_that_have_ended_by_the_clock(parallel: int) -> None:
    """Without early stopping, jobs end in the order in which they began."""
    of = spec(30, early="none", algorithm="random", decisions="by-epochs")
    schedule, jobs = Schedule(of, Networks(key_of), parallel), list[Job]()
    while not schedule.is_done:
        while schedule.ready and not schedule.is_done:
            job = schedule.decide()
            if job is not None:
                jobs.append(job)
        ended = next((job for job in jobs if job.number not in reported(schedule)), None)
        assert ended is None or len(jobs) - ended.number <= virtual_workers(parallel)
        if ended is not None:
            schedule.report(ended, answer(ended, of))
    assert len(jobs) == 30


def reported(schedule: Schedule) -> set[int]:
    """The numbers of the jobs whose results a schedule has."""
    return set(schedule._results)


def test_by_epochs_a_long_job_holds_nothing_back_once_it_is_past_its_rung() -> None:
    of = spec(40, algorithm="random", decisions="by-epochs")
    schedule = Schedule(of, Networks(key_of), parallel=2)
    first = list(iter(lambda: schedule.decide() if schedule.ready else None, None))
    assert len(first) == virtual_workers(2) and not schedule.ready
    for job in first[1:]:
        schedule.report(job, Result("paused", curve(job.suggestion.params, 3)))
    assert not schedule.ready  # the first job may still end at its third epoch, and comes before the others then
    schedule.progress(first[0], 4)
    assert schedule.ready


@pytest.mark.parametrize("parallel", [2, 4])
def test_by_epochs_a_search_that_goes_on_half_way_decides_as_if_it_had_never_stopped(parallel: int) -> None:
    of = spec(24, algorithm="atelier", decisions="by-epochs")
    whole = search(of, parallel)
    for count in (0, 5, 15, 24):
        made = {number: params for number, params in suggested(whole).items() if number < count}
        assert search(of, parallel, random.Random(count), made=made) == whole


@pytest.mark.parametrize("outcome", ["failed", "over_budget"])
def test_by_epochs_jobs_without_a_result_end_too(outcome: Literal["failed", "over_budget"]) -> None:
    of = spec(12, algorithm="random", failed=12, decisions="by-epochs")

    def reply(job: Job, of: Spec) -> Result:
        return Result(outcome) if job.number % 3 == 0 else answer(job, of)

    jobs = search(of, 3, reply=reply)
    trainings = {job.key for job, result in jobs if result.outcome != "over_budget"}
    assert len(trainings) == 12
    assert search(of, 3, random.Random(1), reply) == jobs


@settings(deadline=None, max_examples=15)
@given(st.integers(1, 30), st.integers(1, 4), st.integers(2, 40))
def test_every_suggestion_is_made_and_only_the_best_third_that_a_decision_may_see_goes_on(
    trials: int, parallel: int, max_epochs: int
) -> None:
    of = spec(trials, max_epochs, algorithm="random")
    jobs = search(of, parallel)
    assert sum(job.resumed_at == 0 for job, _ in jobs) == trials
    resumed = [job for job, _ in jobs if job.resumed_at]
    assert len({(job.key, job.resumed_at) for job in resumed}) == len(resumed)
    for job in resumed:
        assert job.resumed_at in halving.rungs(of.experiment.early_stopping, max_epochs)
        seen = [(j.key, r.values) for j, r in jobs if j.number <= job.number - (1 if parallel == 1 else 2 * parallel)]
        values = {key: values[job.resumed_at - 1] for key, values in seen if len(values) >= job.resumed_at}
        assert job.key in sorted(values, key=values.__getitem__, reverse=True)[: len(values) // 3]


def test_halving_finds_the_same_best_trial_with_a_third_of_the_epochs() -> None:
    full = {job.key: result for job, result in search(spec(27, algorithm="random", early="none"))}
    halved = {job.key: result for job, result in search(spec(27, algorithm="random"))}
    assert full.keys() == halved.keys()
    epochs = [sum(len(result.values) for result in results.values()) for results in (full, halved)]
    assert epochs[1] <= 0.35 * epochs[0]
    assert max(r.values[-1] for r in halved.values()) == max(r.values[-1] for r in full.values())


def suggested(jobs: Jobs) -> dict[int, dict[str, str]]:
    return {job.suggestion.number: job.suggestion.params for job, _ in jobs if job.resumed_at == 0}


def trained(jobs: Jobs) -> dict[str, tuple[float, ...]]:
    """The longest curve of every key."""
    return {job.key: max((r.values for j, r in jobs if j.key == job.key), key=len) for job, _ in jobs}


@pytest.mark.parametrize("algorithm", ["multivariate-tpe", "grid"])
@pytest.mark.parametrize("parallel", [1, 2])
def test_more_trials_go_on_with_the_same_search(parallel: int, algorithm: str) -> None:
    fewer, more = (suggested(search(spec(trials, algorithm=algorithm), parallel)) for trials in (8, 60))
    assert len(fewer) == 8 and len(more) == 60
    assert {number: more[number] for number in fewer} == fewer


@settings(max_examples=20)
@given(
    st.integers(1, 3),
    st.integers(1, 3),
    st.integers(4, 30),
    st.integers(4, 30),
    st.sampled_from(["multivariate-tpe", "random"]),
)
def test_more_epochs_or_another_number_at_a_time_go_on_with_the_trials_there_are(
    parallel: int, later: int, epochs: int, more: int, algorithm: str
) -> None:
    first = search(spec(16, epochs, algorithm), parallel)
    second = search(spec(20, epochs + more, algorithm), later, made=suggested(first))
    assert {number: suggested(second)[number] for number in suggested(first)} == suggested(first)
    assert trained(first).keys() <= trained(second).keys()


def test_a_search_that_goes_on_half_way_decides_as_if_it_had_never_stopped() -> None:
    whole = search(spec(16), 2)
    for count in (0, 5, 12, 16):
        made = {number: params for number, params in suggested(whole).items() if number < count}
        assert search(spec(16), 2, made=made) == whole


def test_a_search_of_few_networks_ends_with_them_and_says_so() -> None:
    parameters = [{"name": "stem_width", "parameterType": "discrete", "feasibleSpace": {"list": ["100", "200"]}}]
    of = spec(30, algorithm="random", parameters=parameters, early="none")
    schedule = Schedule(of, Networks(key_of), parallel=1)
    for _ in range(2):
        job = schedule.decide()
        assert job
        schedule.report(job, answer(job, of))
    assert schedule.decide() is None and schedule.is_done
    assert schedule.exhausted == "no other network in the search space: 2 were suggested"


def test_trials_that_the_store_has_are_not_counted() -> None:
    def found(job: Job, of: Spec) -> Result:
        return replace(answer(job, of), found=job.suggestion.number % 2 == 0)

    jobs = search(spec(10, early="none"), 2, reply=found)
    assert sum(not result.found for _, result in jobs) == 10
    assert len(jobs) >= 19


@pytest.mark.process
@pytest.mark.parametrize("algorithm", ["cmaes", "sobol", "bayesianoptimization"])
def test_every_other_algorithm_brings_a_search_to_its_end(algorithm: str) -> None:
    numbers = [entry for entry in PARAMETERS if entry["parameterType"] == "int"]
    numbers.append({"name": "lr", "parameterType": "double", "feasibleSpace": {"min": "0.1", "max": "0.9"}})
    first, again = (
        search(spec(14, algorithm=algorithm, parameters=numbers), 2, shuffle) for shuffle in (None, random.Random(1))
    )
    assert first == again
    assert len(suggested(first)) == 14


def test_a_failure_counts_when_it_is_reported_and_not_when_a_decision_sees_it() -> None:
    schedule = Schedule(spec(30, failed=1), Networks(key_of), parallel=2)
    jobs = [schedule.decide(), schedule.decide()]
    assert not schedule.gave_up
    assert jobs[1]
    schedule.report(jobs[1], Result("failed"))
    assert schedule.gave_up
    assert schedule.decide() is None
    assert schedule.is_done


def test_a_goal_that_a_trial_reached_and_lost_again_does_not_end_the_search() -> None:
    of = spec(3, goal=0.6, early="none", algorithm="random", max_epochs=2)
    assert len(search(of, 1, reply=lambda job, of: Result("succeeded", (0.7, 0.5)))) == 3
    assert len(search(of, 1, reply=lambda job, of: Result("succeeded", (0.5, 0.7)))) == 1


def test_the_goal_ends_the_search() -> None:
    jobs = search(spec(30, goal=0.6, early="none", algorithm="random"), 1)
    assert len(jobs) < 30
    assert max(jobs[-1][1].values) >= 0.6
    assert all(max(result.values) < 0.6 for _, result in jobs[:-1])


@pytest.mark.parametrize(("most", "failed"), [(0, 1), (1, 1), (2, 2), (5, 5)])
def test_as_many_failures_as_in_katib_end_the_search(most: int, failed: int) -> None:
    def fails(job: Job, of: Spec) -> Result:
        return Result("failed") if job.number % 2 else answer(job, of)

    jobs = search(spec(30, failed=most, algorithm="random", early="none"), 1, reply=fails)
    assert sum(result.outcome == "failed" for _, result in jobs) == failed


def test_a_search_without_failures_goes_to_its_end_whatever_number_is_allowed() -> None:
    assert len(search(spec(8, failed=0, algorithm="random", early="none"), 1)) == 8


def test_trials_over_budget_teach_the_sampler_and_do_not_end_the_search() -> None:
    def too_big(job: Job, of: Spec) -> Result:
        return Result("over_budget") if int(job.suggestion.params["stem_width"]) > 300 else answer(job, of)

    jobs = search(spec(40), 1, reply=too_big)
    new = [int(job.suggestion.params["stem_width"]) > 300 for job, _ in jobs if job.resumed_at == 0]
    assert len(new) - sum(new) == 40  # only trainings count
    half = len(new) // 2
    assert sum(new[half:]) < sum(new[:half])


def test_a_grid_ends_when_it_has_no_other() -> None:
    parameters = [
        {"name": "stem_width", "parameterType": "int", "feasibleSpace": {"min": "10", "max": "30", "step": "10"}},
        {"name": "stage1_op", "parameterType": "categorical", "feasibleSpace": {"list": ["conv3", "sep3"]}},
    ]
    jobs = search(spec(50, algorithm="grid", parameters=parameters, early="none"))
    assert len({job.key for job, _ in jobs}) == len(jobs) == 6


def epochs_spent(of: Spec) -> int:
    spent: dict[str, int] = {}
    for job, result in search(of, 1):
        spent[job.key] = max(spent.get(job.key, 0), len(result.values))
    return sum(spent.values())


def test_the_expected_epochs_are_those_that_a_search_takes() -> None:
    searches = [seeded(spec(81, algorithm="random"), seed) for seed in range(5)]
    spent = sum(map(epochs_spent, searches)) / len(searches)
    assert expected_epochs(searches[0]) == pytest.approx(spent, rel=0.1)


def seeded(of: Spec, seed: int) -> Spec:
    return of.model_copy(update={"trainer": of.trainer.model_copy(update={"seed": seed})})


def test_without_early_stopping_every_epoch_is_expected() -> None:
    assert expected_epochs(spec(12, max_epochs=27, early="none")) == 12 * 27


def test_the_expected_epochs_of_many_trials_are_in_proportion() -> None:
    assert expected_epochs(spec(3000)) == pytest.approx(10 * expected_epochs(spec(300)), abs=10)
    assert expected_epochs(spec(100)) / 100 == pytest.approx(expected_epochs(spec(3000)) / 3000, rel=0.1)


def test_the_expected_epochs_hold_those_of_a_winner_that_too_few_trials_left_paused() -> None:
    assert expected_epochs(spec(1)) == 27
    assert expected_epochs(spec(2)) == 3 + 27


def learnt(of: Spec, sign: int = 1) -> Experience:
    """What two earlier searches teach, whose curves were these, or the opposite."""
    searches = []
    for name, seed in (("a", 1), ("b", 2)):
        draw = random.Random(seed)
        tried = [{"stem_width": str(draw.randint(1, 400)), "stage1_op": "conv3"} for _ in range(40)]
        trials = [
            EarlierTrial(trial=name, key=key_of(params), params=params, values=noisy(params, sign)) for params in tried
        ]
        searches.append(EarlierSearch(name=name, data_digest="d", trials=tuple(trials)))
    model = taught(of, searches)
    assert model is not None and model.is_worth_asking
    return Experience("d", (), model)


def noisy(params: dict[str, str], sign: int = 1) -> tuple[float, ...]:
    """A curve whose first epoch tells less than the parameters do."""
    noise = int(key_of(params)[4:8], 16) / 65536
    first, *others = (sign * value for value in curve(params, 27))
    return (first + noise, *others)


def noisily(job: Job, of: Spec) -> Result:
    ended = halving.end_of_run(noisy(job.suggestion.params), job.bars, 27, of.experiment.objective)
    assert ended
    return Result(ended[1], noisy(job.suggestion.params)[: ended[0]])


def epochs(jobs: Jobs) -> int:
    return sum(len(result.values) - job.resumed_at for job, result in jobs)


@pytest.mark.process  # scikit-learn asks lscpu for the cores, once for each process
def test_what_earlier_searches_teach_saves_epochs_and_says_why_a_trial_goes_on() -> None:
    of = spec(24, algorithm="random")
    jobs, without = (search(of, reply=noisily, known=known) for known in (learnt(of), NO_EXPERIENCE))
    assert [job.suggestion for job, _ in jobs if not job.resumed_at] == [
        job.suggestion for job, _ in without if not job.resumed_at
    ]
    assert epochs(jobs) < 0.8 * epochs(without)
    went_on = [job for job, _ in jobs if job.resumed_at == 1]
    assert went_on and all("by what earlier searches teach" in str(job.why) for job in went_on)
    assert all(job.why is None for job, _ in without)


@pytest.mark.process  # scikit-learn asks lscpu for the cores, once for each process
def test_decisions_by_what_was_taught_do_not_depend_on_the_order_of_results_in_time() -> None:
    of = spec(24, algorithm="random")
    known = learnt(of)
    assert search(of, 2, random.Random(1), noisily, known=known) == search(of, 2, None, noisily, known=known)


@pytest.mark.process  # scikit-learn asks lscpu for the cores, once for each process
def test_where_the_opposite_was_taught_the_search_falls_back_to_halving() -> None:
    of = spec(24, algorithm="random")
    jobs = search(of, reply=noisily, known=learnt(of, sign=-1))
    late = [job for job, _ in jobs if not job.resumed_at][12:]
    assert late and not any(1 in job.bars for job in late), "no rung but halving's"
    assert not any(len(result.values) == 1 for _, result in last_results(jobs).values()), "none is left behind there"


def last_results(jobs: Jobs) -> dict[str, tuple[Job, Result]]:
    return {job.key: (job, result) for job, result in jobs}
