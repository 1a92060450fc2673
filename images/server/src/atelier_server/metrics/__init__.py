"""Prometheus metrics: what workers count, and how a search is getting on."""
