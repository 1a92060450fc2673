"""What a search does next: a function of its spec and of its trials. No clock, no file, no process, no torch."""
