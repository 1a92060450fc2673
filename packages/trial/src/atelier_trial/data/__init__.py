"""Data: their sources, checks, prepared arrays in the store, and split."""

from atelier_store.split import Parts, split

from atelier_trial.data.errors import DataError
from atelier_trial.data.prepare import Arrays, Prepared, load, parts, prepare
from atelier_trial.data.repeats import Repeats, repeats
from atelier_trial.data.statistics import column_statistics, input_statistics, statistics_of_parts

__all__ = [
    "Arrays",
    "DataError",
    "Parts",
    "Prepared",
    "Repeats",
    "column_statistics",
    "input_statistics",
    "load",
    "parts",
    "prepare",
    "repeats",
    "split",
    "statistics_of_parts",
]
