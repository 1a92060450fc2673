"""Tables of trained networks, and searches that are replayed on them without training."""
