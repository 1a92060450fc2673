"""The extractor's two commands: wait for a search, and promote its best trial. Knows no HTTP of this server."""
