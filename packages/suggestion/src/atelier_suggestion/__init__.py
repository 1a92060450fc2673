"""Katib's algorithm `atelier`: the searcher as a suggestion service, which remembers nothing between two requests."""
