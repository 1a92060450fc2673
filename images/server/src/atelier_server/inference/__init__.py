"""Runs predictions: at once on the event loop, several requests in one batch, or in a thread."""
