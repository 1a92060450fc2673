"""Promoted bundles: followed, verified, loaded, kept."""
