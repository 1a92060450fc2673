"""Answers predictions from a promoted bundle, and promotes."""
