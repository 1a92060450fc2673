"""What a trial runs: space, data, network, training, export."""
