"""The chart's files that the command needs: its defaults and its schema."""

from __future__ import annotations

from pathlib import Path

CHART = "katib-nas-atelier"


def chart_file(name: str) -> Path:
    """The path of a file of the chart: in a checkout the file itself, else the package's copy. FileNotFoundError."""
    here = Path(__file__).resolve().parents[1]
    places = [parent / "charts" / CHART / name for parent in here.parents[3:4]] + [here / "chart" / name]
    for place in places:
        if place.is_file():
            return place
    raise FileNotFoundError(
        f"{name} of chart {CHART} not found in {' or '.join(str(place.parent) for place in places)}"
    )
