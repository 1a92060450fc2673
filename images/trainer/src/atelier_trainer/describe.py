"""An architecture in words, for people."""

from __future__ import annotations

from atelier_store.records import TrialConfig
from atelier_store.spec import Kind

OPERATIONS = {
    "conv3": "3×3 convolution",
    "conv5": "5×5 convolution",
    "res3": "residual pair of 3×3 convolutions",
    "sep3": "3×3 separable convolution",
    "sep5": "5×5 separable convolution",
    "mbconv3": "3×3 inverted bottleneck",
    "mbconv5": "5×5 inverted bottleneck",
    "dense": "dense layer",
    "residual": "residual pair of dense layers",
    "gated": "gated linear unit",
}
OF_ROWS = {
    "scaling": "{scaling} scaling",
    "embedding": "{embedding} embedding of numbers",
    "norm": "no batch normalisation",
    "parametrisation": "NTK parametrisation",
    "members": "ensemble of {members}",
}
"""Parameters of rows that are in the canonical form only where they are not at their defaults."""
HEADS = {"avg": "average pooling", "max": "max pooling", "avgmax": "average and max pooling"}


def architecture(config: TrialConfig, kind: Kind) -> str:
    """One sentence, such as: stem of 32 channels; 2 × 3×3 convolution, 64 wide, at half size; average pooling; silu."""
    params = config.params
    if "stages" not in params:
        return ", ".join(f"{name} {value}" for name, value in sorted(params.items()))
    parts = [f"stem of {params['stem_width']} {'units' if kind == 'rows' else 'channels'}"]
    shrink = 1
    for stage in params["stages"]:
        shrink *= stage.get("stride", 1)
        operation = (
            OPERATIONS[stage["op"]]
            if kind != "signals"
            else OPERATIONS[stage["op"]].replace("3×3", "3-tap").replace("5×5", "5-tap")
        )
        size = "" if shrink == 1 else f" at 1/{shrink} size"
        parts.append(f"{stage['depth']} × {operation}, {stage['width']} wide{size}")
    parts += [words.format(**params) for name, words in OF_ROWS.items() if name in params]
    if params.get("se"):
        parts.append("squeeze-and-excitation")
    if "head" in params:
        parts.append(HEADS[params["head"]])
    parts.append(params["activation"])
    if params["dropout"]:
        parts.append(f"dropout {params['dropout']:.2g}")
    return "; ".join(parts)
