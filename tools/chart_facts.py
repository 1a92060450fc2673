"""Write what the chart's guards know about search spaces and algorithms, from the code that trials and the command use.

    uv run python tools/chart_facts.py > charts/katib-nas-atelier/files/facts.json

Helm cannot import Python; a test compares the file with what this prints.
"""

from __future__ import annotations

import json
import math
import sys
from typing import Any

from atelier_cli.profile.rules import ALGORITHM_SETTINGS, EARLY_STOPPING_SETTINGS, METRICS, Choice, Number
from atelier_trial.data.sources import BUNDLED
from atelier_trial.space import AUGMENTATIONS, Domain, domains


def facts() -> dict[str, Any]:
    """Domains by kind and task, metrics by task, settings by algorithm, bundled data sets."""
    return {
        "bundled": sorted(BUNDLED),
        "domains": {
            f"{kind} {task}": {name: of_domain(domain) for name, domain in domains(kind, task).items()}
            for kind in AUGMENTATIONS
            for task in METRICS
        },
        "metrics": METRICS,
        "settings": {
            name: {setting: of_setting(rule) for setting, rule in rules.items()}
            for name, rules in (ALGORITHM_SETTINGS | EARLY_STOPPING_SETTINGS).items()
        },
    }


def of_domain(domain: Domain) -> dict[str, Any]:
    """What a builder accepts of a parameter, as JSON can say it."""
    if isinstance(domain.default, bool) or domain.choices:
        return {"choices": domain.allowed.split(", ")}
    return {"low": domain.low, "high": domain.high, "whole": isinstance(domain.default, int), "allowed": domain.allowed}


def of_setting(rule: Number | Choice) -> dict[str, Any]:
    """What an algorithm accepts as a setting, as JSON can say it."""
    if isinstance(rule, Choice):
        return {"choices": list(rule.words)}
    bounds = {"low": rule.low, "high": rule.high}
    return {key: bound for key, bound in bounds.items() if math.isfinite(bound)} | {
        "whole": rule.whole,
        "open": rule.is_open,
    }


if __name__ == "__main__":
    sys.stdout.write(json.dumps(facts(), indent=1) + "\n")
