"""What tests of several rooms use: servers, bundles, searches, clusters."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
"""The checkout."""
