"""The part of a trial that needs no torch: its parameters, data, key, request and target."""
