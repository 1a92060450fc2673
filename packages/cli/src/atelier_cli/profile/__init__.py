"""Profiles: read, merged over the chart's defaults, checked against its schema and rules."""
