"""Signatures that a stranger can check with published tools: DSSE, in-toto, OpenSSF Model Signing."""
