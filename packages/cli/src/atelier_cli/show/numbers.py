"""How a score is shown."""


def score(value: float) -> str:
    """Four digits after the point; four in all where these would be mostly zeros, as an RMSE of 1e-7 has them."""
    return f"{value:.4f}" if value == 0 or abs(value) >= 0.01 else f"{value:.4g}"
