"""The atelier command and the laptop engine."""
