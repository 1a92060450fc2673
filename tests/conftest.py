"""Tests mean the same wherever they start: property tests draw the same examples, a busy machine fails none, Ctrl-C works."""

import signal

from hypothesis import HealthCheck, settings

settings.register_profile("repeatable", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("repeatable")

# A shell ignores Ctrl-C for what it starts in the background, and every command that a test starts would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)
