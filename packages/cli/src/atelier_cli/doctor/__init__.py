"""Checks of a cluster before anything is installed: whether it has what a search needs."""
