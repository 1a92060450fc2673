"""What differs between two trials, or between two searches: only what differs, by meaning and not by spelling."""
