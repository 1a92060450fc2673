"""Promoted bundles: followed, verified, loaded, kept in memory. Knows no HTTP."""
