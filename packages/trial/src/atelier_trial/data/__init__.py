"""Data: their sources, checks, prepared arrays in the store, and split."""

from atelier_trial.data.errors import DataError
from atelier_trial.data.prepare import Arrays, Parts, Prepared, load, load_split, parts, prepare, split_rows
from atelier_trial.data.repeats import Repeats, repeats
from atelier_trial.data.split import split
from atelier_trial.data.statistics import column_statistics, input_statistics

__all__ = [
    "Arrays",
    "DataError",
    "Parts",
    "Prepared",
    "Repeats",
    "column_statistics",
    "input_statistics",
    "load",
    "load_split",
    "parts",
    "prepare",
    "repeats",
    "split",
    "split_rows",
]
