"""A profile: read, merged over the chart's values, checked against its schema and rules."""
