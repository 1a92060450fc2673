"""Processes: sockets, supervisor, workers, and what they share."""
