"""Profiles: read, merged over the chart's defaults, checked against its schema and rules."""

from atelier_cli.profile.loading import InvalidProfile, Profile, chart_defaults, load

__all__ = ["InvalidProfile", "Profile", "chart_defaults", "load"]
