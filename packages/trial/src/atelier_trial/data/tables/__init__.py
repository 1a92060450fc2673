"""Tables as people have them: with words, dates and gaps, in many formats, read by polars."""

from atelier_trial.data.tables.source import read

__all__ = ["read"]
