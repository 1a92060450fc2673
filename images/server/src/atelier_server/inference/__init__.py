"""Who computes: the event loop at once, several requests together, or a thread."""
