"""Whether a cluster has what a search needs, before anything is installed."""
