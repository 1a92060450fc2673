"""The board: the searches of a store, in a browser. It reads the store, and writes no more than the index of it."""
