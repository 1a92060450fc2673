"""The contract between trainer, server and engine."""
