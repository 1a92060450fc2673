"""What earlier searches came to leads the first suggestions, and nothing else changes."""

import hashlib
import json
from typing import Any

from atelier_searcher.decision import NO_EXPERIENCE, Networks, Suggestion, decide
from atelier_searcher.experience import EVERY, GOOD, OPENING, Experience
from atelier_searcher.history import Trial
from atelier_searcher.space import Space
from atelier_store.records import EarlierSearch, EarlierTrial
from atelier_store.spec import Parameter, Spec

WIDTH = {"name": "width", "parameterType": "int", "feasibleSpace": {"min": "1", "max": "64"}}
OP = {"name": "op", "parameterType": "categorical", "feasibleSpace": {"list": ["dense", "gated"]}}
RATE = {"name": "lr", "parameterType": "double", "feasibleSpace": {"min": "0.001", "max": "0.1"}}
DATA = "d" * 64
NETWORKS = Networks(lambda params: hashlib.sha256(json.dumps(params, sort_keys=True).encode()).hexdigest()[:16])


def spec(*parameters: dict[str, Any], algorithm: str = "multivariate-tpe") -> Spec:
    counts = {"maxTrialCount": 64, "maxFailedTrialCount": 3}
    chosen = {"algorithm": {"algorithmName": algorithm}, "parameters": parameters or (WIDTH, OP)}
    trainer = {"data": {"source": "sklearn", "name": "digits"}, "maxEpochs": 9}
    return Spec.model_validate({"experiment": {"name": "tests", **chosen, **counts}, "trainer": trainer})


def earlier(name: str, *trials: tuple[dict[str, str], tuple[float, ...]], data: str = DATA) -> EarlierSearch:
    tried = [
        EarlierTrial(trial=f"trial-{place:04}", key=f"{place:016x}", params=params, values=values)
        for place, (params, values) in enumerate(trials)
    ]
    return EarlierSearch(name=name, data_digest=data, trials=tuple(tried))


def widths(name: str, *best_last: int, data: str = DATA) -> EarlierSearch:
    """A search of these widths, of which a later one came to a better value."""
    trials = [({"width": str(width), "op": "dense"}, (place / 100,) * 9) for place, width in enumerate(best_last)]
    return earlier(name, *trials, data=data)


def suggested(of: Spec, known: Experience, count: int = 1) -> list[Suggestion]:
    history, made = list[Trial](), list[Suggestion]()
    for _ in range(count):
        decision = decide(of, history, NETWORKS, known=known)
        assert isinstance(decision, Suggestion)
        made.append(decision)
        history.append(Trial(decision.params, decision.key, "succeeded", (0.5,) * 9))
    return made


def test_the_best_of_each_search_comes_first_then_the_second_of_each() -> None:
    known = Experience(DATA, (widths("a", 1, 2, 3, 4, 5, 6), widths("b", 11, 12, 13, 14, 15, 16, data="other")))
    made = suggested(spec(), known, 5)
    of_experience = [one for one in made if one.number % EVERY != EVERY - 1]
    assert [one.params["width"] for one in of_experience] == ["6", "16", "5", "15"]
    assert [one.reason for one in of_experience[:2]] == [
        "from search a's trial-0005, place 1 of 6",
        "from search b's trial-0005, place 1 of 6, on other data",
    ]
    assert made[3].reason == "at random, until multivariate-tpe has results to learn from"


def test_only_the_good_third_is_suggested_and_no_more_than_the_opening() -> None:
    few = suggested(spec(), Experience(DATA, (widths("a", 1, 2, 3, 4, 5, 6),)), OPENING)
    assert sum("from search" in str(one.reason) for one in few) == 6 // GOOD
    many = suggested(spec(), Experience(DATA, (widths("a", *range(1, 65)),)), OPENING + 4)
    assert [one.number for one in many if "from search" in str(one.reason)] == [0, 1, 2, 4, 5, 6, 8, 9]


def test_who_came_further_is_better_and_a_lower_value_if_the_objective_is_a_loss() -> None:
    search = earlier("a", ({"width": "1"}, (0.2,) * 3), ({"width": "2"}, (0.4,) * 9), ({"width": "3"}, (0.3,) * 9))
    of = spec(WIDTH)
    assert suggested(of, Experience(DATA, (search,)))[0].params == {"width": "2"}
    loss = of.experiment.objective.model_copy(update={"type": "minimize", "objective_metric_name": "val_loss"})
    of = of.model_copy(update={"experiment": of.experiment.model_copy(update={"objective": loss})})
    assert suggested(of, Experience(DATA, (search,)))[0].params == {"width": "3"}


def test_what_lies_outside_of_the_space_is_passed_over() -> None:
    search = earlier(
        "a", *[({"width": width, "op": op}, (0.1,) * 9) for width, op in (("99", "dense"), ("8", "conv3"))]
    )
    alone, without = (suggested(spec(), known)[0] for known in (Experience(DATA, (search,)), NO_EXPERIENCE))
    assert (alone, alone.reason) == (without, without.reason)


def test_a_parameter_that_the_earlier_search_had_not_is_the_algorithms_and_one_too_many_is_dropped() -> None:
    search = earlier("a", ({"width": "8", "op": "gated", "batch": "32"}, (0.1,)))
    of = spec(WIDTH, OP, RATE)
    made, without = suggested(of, Experience(DATA, (search,)))[0], suggested(of, NO_EXPERIENCE)[0]
    assert made.params == {"width": "8", "op": "gated", "lr": without.params["lr"]}
    assert str(made.reason).endswith("; lr from multivariate-tpe")


def test_a_text_of_another_space_is_the_value_that_it_means_in_this_one() -> None:
    discrete = {"name": "rate", "parameterType": "discrete", "feasibleSpace": {"list": ["0.10", "0.2"]}}
    stepped = {"name": "drop", "parameterType": "double", "feasibleSpace": {"min": "0", "max": "0.9", "step": "0.3"}}
    space = Space([Parameter.model_validate(one) for one in (WIDTH, discrete, stepped)])
    assert space.shared({"rate": "0.1", "drop": "0.6", "width": "8.0"}) == {"rate": 0, "drop": 0.6, "width": 8}
    assert space.shared({"unknown": "1"}) == {}
    for outside in ({"rate": "0.3"}, {"drop": "0.5"}, {"width": "8.5"}, {"width": "wide"}, {"drop": "nan"}):
        assert space.shared(outside) is None, outside


def test_without_earlier_searches_everything_is_suggested_as_before() -> None:
    made, before = suggested(spec(), Experience(DATA, ()), 14), suggested(spec(), NO_EXPERIENCE, 14)
    assert [(one, one.reason) for one in made] == [(one, one.reason) for one in before]


def test_equal_histories_and_experience_give_equal_suggestions() -> None:
    known = Experience(DATA, (widths("a", *range(1, 65)),))
    assert suggested(spec(), known, 14) == suggested(spec(), known, 14)
