"""What the terminal shows: the progress of a search, and tables."""
