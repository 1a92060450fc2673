"""The pages of the server and of the board: how one is built of its files, and the files that both have."""
