"""What is known of a trial before torch is loaded: its parameters, data, key, request and target."""
