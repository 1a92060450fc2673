"""What requests and answers are made of: rows, tables, pictures and tensors, to arrays and back. Knows no HTTP."""
