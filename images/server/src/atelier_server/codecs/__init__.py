"""Rows, tables, pictures and tensors: from the bytes of a request to arrays, and back. Knows no HTTP."""
