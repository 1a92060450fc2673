"""Data: their sources, checks, prepared arrays in the store, and split."""

from atelier_trial.data.errors import DataError
from atelier_trial.data.prepare import Arrays, Prepared, load, load_split, prepare, split_rows
from atelier_trial.data.split import split
from atelier_trial.data.statistics import column_statistics, input_statistics, statistics_of_parts

__all__ = [
    "Arrays",
    "DataError",
    "Prepared",
    "column_statistics",
    "input_statistics",
    "load",
    "load_split",
    "prepare",
    "split",
    "split_rows",
    "statistics_of_parts",
]
