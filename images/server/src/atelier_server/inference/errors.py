"""Why a request is not computed."""

from __future__ import annotations


class Overloaded(Exception):
    """As many requests as allowed are under way already."""


class TooLate(Exception):
    """There was no result within the deadline."""
