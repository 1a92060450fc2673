"""Patterns of names in arguments, paths and requests."""

from __future__ import annotations

import re

MODEL = re.compile(r"[a-z0-9]([a-z0-9._-]{0,61}[a-z0-9])?")
NAMESPACE = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
VERSION = re.compile(r"[0-9a-f]{12}")
