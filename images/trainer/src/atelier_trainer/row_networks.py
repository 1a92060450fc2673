"""Networks for rows: what `networks` has, with robust scaling, embeddings, NTK parametrisation, and ensembles.

This file's digest is in the key of every trial that uses one of these: an edit makes other networks. Sources: Gorishniy
et al. 2022, On Embeddings for Numerical Features in Tabular Deep Learning; Gorishniy et al. 2025, TabM: Advancing
Tabular Deep Learning with Parameter-Efficient Ensembling; Holzmüller et al. 2024, Better by Default: Strong Pre-Tuned
MLPs and Boosted Trees on Tabular Data (RealMLP).
"""

from __future__ import annotations

import math
from typing import Any, cast

import numpy as np
import torch
from atelier_trial.space import row_domains
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from atelier_trainer.networks import ACTIVATIONS

EMBEDDING_RATE = 0.1
BIAS_RATE = 0.1
SCALE_RATE = 6.0
"""How much faster or slower than a weight these learn under the NTK parametrisation, as in RealMLP."""

NARROWEST = 1e-6
"""Quantiles of standardised numbers that are closer have no bin between them, nor count as a spread."""

OUTERMOST = 1e4


def build(
    params: dict[str, Any], inputs: int, outputs: int, rows: NDArray[np.float32], numbers: int | None = None
) -> nn.Module:
    """A network for rows (N, inputs), of which the first `numbers` entries are numbers; None: all of them.

    rows are the training rows (n, inputs) as the network is given them: their quantiles become buffers of it. It gives
    scores (N, outputs); of an ensemble the scores of each member, (N, members, outputs).
    """
    chosen = {name: domain.default for name, domain in row_domains().items()} | params
    return RowNetwork(chosen, inputs, outputs, rows, inputs if numbers is None else numbers)


class RowNetwork(nn.Module):
    """Scaling and embedding of the numbers, a stem, stages of dense layers, a linear head for each member."""

    def __init__(
        self, params: dict[str, Any], inputs: int, outputs: int, rows: NDArray[np.float32], numbers: int
    ) -> None:
        super().__init__()
        self.numbers, self.members = numbers, params["members"]
        ntk = params["parametrisation"] == "ntk"
        self.scaling = RobustScaling(rows[:, :numbers]) if params["scaling"] == "robust" else nn.Identity()
        scaled = self.scaling(torch.from_numpy(rows[:, :numbers])).numpy()
        self.embedding = embedding(params, scaled, EMBEDDING_RATE if ntk else 1.0)
        width = inputs - numbers + numbers * (1 if params["embedding"] == "none" else params["embedding_width"])
        self.diagonal = Diagonal(width) if ntk else nn.Identity()
        first = "signs" if params["embedding"] == "none" else "normal"
        layers: list[nn.Module] = [Stem(params, width, params["stem_width"], first)]
        width = params["stem_width"]
        for stage in params["stages"]:
            for _ in range(stage["depth"]):
                layers.append(Block(params, width, stage["width"], stage["op"]))
                width = stage["width"]
        self.features = nn.Sequential(*layers)
        self.classifier = GroupedLinear(self.members, width, outputs, ntk=ntk)

    def forward(self, x: Tensor) -> Tensor:
        numbers = self.embedding(self.scaling(x[:, : self.numbers]))
        x = self.diagonal(torch.cat([numbers, x[:, self.numbers :]], 1))
        scores: Tensor = self.classifier(self.features(x.unsqueeze(1).expand(-1, self.members, -1)))
        return scores if self.members > 1 else scores.squeeze(1)


# what becomes of a number


class RobustScaling(nn.Module):
    """Numbers (N, F) by median and interquartile range, then x / sqrt(1 + (x / 3)²): -3 to 3 (RealMLP).

    Where the quartiles are equal, half of the range takes the place of theirs; a constant becomes 0.
    """

    centre: Tensor
    factor: Tensor

    def __init__(self, rows: NDArray[np.float32]) -> None:
        super().__init__()
        low, first, centre, third, high = np.quantile(rows.astype(np.float64), [0, 0.25, 0.5, 0.75, 1], axis=0)
        spread = np.where(third - first > NARROWEST, third - first, (high - low) / 2)
        factor = np.divide(1, spread, out=np.zeros_like(spread), where=spread > NARROWEST)
        self.register_buffer("centre", torch.from_numpy(centre.astype(np.float32)))
        self.register_buffer("factor", torch.from_numpy(factor.astype(np.float32)))

    def forward(self, x: Tensor) -> Tensor:
        x = ((x - self.centre) * self.factor).clamp(-OUTERMOST, OUTERMOST)  # whose square is a float32
        return x / torch.sqrt(1 + (x / 3) ** 2)


def embedding(params: dict[str, Any], rows: NDArray[np.float32], rate: float) -> nn.Module:
    """The embedding of numbers (N, F), to (N, F x embedding_width); they stay as they are if there is none."""
    kind, features, width = params["embedding"], rows.shape[1], params["embedding_width"]
    if kind == "none" or not features:
        return nn.Identity()
    if kind == "piecewise":
        return PiecewiseLinear(bins(rows, params["embedding_bins"]), width, rate)
    frequencies, sigma = params["embedding_frequencies"], params["embedding_sigma"]
    of = Periodic if kind == "periodic" else PeriodicDense
    return of(features, frequencies, sigma, width, rate)


def bins(rows: NDArray[np.float32], count: int) -> list[NDArray[np.float32]]:
    """The edges of at most `count` bins for each feature of rows (n, F): distinct quantiles; two edges at least."""
    edges = []
    for column in rows.T:
        quantiles = np.quantile(column.astype(np.float64), np.linspace(0, 1, count + 1)).astype(np.float32)
        distinct = quantiles[np.diff(quantiles, prepend=-np.inf) > NARROWEST]
        edges.append(distinct if len(distinct) > 1 else np.array([distinct[0], distinct[0] + 1], dtype=np.float32))
    return edges


class PiecewiseLinear(nn.Module):
    """A linear layer over the piecewise-linear encoding of each number, beside one over the number itself.

    A number fills the bins below it with 1, its own bin with the share that it has come through it (Gorishniy et al.
    2022, eq. 1); the first and the last bin go on beyond their edges. The encoding's weights start at 0, so that the
    network starts as one without it (version B of the authors' rtdl_num_embeddings 0.0.12).
    """

    left: Tensor
    scale: Tensor
    least: Tensor
    most: Tensor

    def __init__(self, edges: list[NDArray[np.float32]], width: int, rate: float) -> None:
        super().__init__()
        most = max(map(len, edges)) - 1
        beyond = float(np.finfo(np.float32).max)
        left, scale, least, top = (np.zeros((len(edges), most), dtype=np.float32) for _ in range(4))
        for feature, of in enumerate(edges):
            last = len(of) - 1  # the bins after the last one are constants: 0
            left[feature, :last], scale[feature, :last], top[feature, :last] = of[:-1], 1 / np.diff(of), 1
            least[feature, 0], top[feature, last - 1] = -beyond, beyond
        for name, values in (("left", left), ("scale", scale), ("least", least), ("most", top)):
            self.register_buffer(name, torch.from_numpy(values))
        self.linear = GroupedLinear(len(edges), 1, width, rate=rate)
        self.encoded = GroupedLinear(len(edges), most, width, rate=rate, has_bias=False)
        nn.init.zeros_(self.encoded.weight)

    def forward(self, x: Tensor) -> Tensor:
        x = x.unsqueeze(2)
        encoding = torch.minimum(torch.maximum((x - self.left) * self.scale, self.least), self.most)
        return cast(Tensor, self.linear(x) + self.encoded(encoding)).flatten(1)


class Periodic(nn.Module):
    """ReLU(linear(sin and cos of 2 pi c x)) of each number, with c drawn from N(0, sigma²) and learnt.

    "PLR" of Gorishniy et al. 2022, section 3.3.
    """

    def __init__(self, features: int, frequencies: int, sigma: float, width: int, rate: float) -> None:
        super().__init__()
        self.rate, self.shape = rate, (features, frequencies)
        self.frequencies = nn.Parameter(torch.randn(features * frequencies) * sigma / rate)
        self.linear = GroupedLinear(features, 2 * frequencies, width, rate=rate)

    def forward(self, x: Tensor) -> Tensor:
        angle = 2 * math.pi * x.unsqueeze(2) * (self.frequencies.reshape(self.shape) * self.rate)
        return functional.relu(self.linear(torch.cat([angle.sin(), angle.cos()], 2))).flatten(1)


class PeriodicDense(nn.Module):
    """Each number, beside linear(cos(2 pi (c x) + b)), with c drawn from N(0, sigma²) and b from all angles.

    "PBLD" of Holzmüller et al. 2024, appendix A.
    """

    def __init__(self, features: int, frequencies: int, sigma: float, width: int, rate: float) -> None:
        super().__init__()
        self.rate, self.shape = rate, (features, frequencies)
        self.frequencies = nn.Parameter(torch.randn(features * frequencies) * sigma / rate)
        self.phases = nn.Parameter((torch.rand(features * frequencies) * 2 - 1) * math.pi / rate)
        self.linear = GroupedLinear(features, frequencies, width - 1, rate=rate)

    def forward(self, x: Tensor) -> Tensor:
        x = x.unsqueeze(2)
        frequencies, phases = (p.reshape(self.shape) * self.rate for p in (self.frequencies, self.phases))
        waves = torch.cos(2 * math.pi * x * frequencies + phases)
        return torch.cat([x, self.linear(waves)], 2).flatten(1)


# layers


class GroupedLinear(nn.Linear):
    """A linear layer of its own for each group: (N, groups, inputs) to (N, groups, outputs).

    Its weight (groups x outputs, inputs) is trained divided by `rate`, so it learns that much faster. ntk: see Layer.
    """

    def __init__(
        self, groups: int, inputs: int, outputs: int, rate: float = 1.0, ntk: bool = False, has_bias: bool = True
    ) -> None:
        super().__init__(inputs, groups * outputs, bias=has_bias)
        self.groups = groups
        self.gain, self.bias_gain = _start(self, rate, ntk)

    def forward(self, x: Tensor) -> Tensor:
        weight = self.weight.reshape(self.groups, -1, self.in_features) * self.gain
        y = torch.matmul(x.transpose(0, 1), weight.transpose(1, 2)).transpose(0, 1)
        return y if self.bias is None else y + self.bias.reshape(self.groups, -1) * self.bias_gain


def _start(layer: nn.Linear, rate: float, ntk: bool) -> tuple[float, float]:
    """Give a layer its first weights; what weight and bias are multiplied with when they are used."""
    with torch.no_grad():
        if ntk:
            layer.weight.normal_()
            if layer.bias is not None:
                layer.bias.zero_()
            return 1 / math.sqrt(layer.in_features), BIAS_RATE
        layer.weight.div_(rate)
        if layer.bias is not None:
            layer.bias.div_(rate)
    return rate, rate


class Layer(nn.Linear):
    """A linear layer that all members share: (N, members, inputs) to (N, members, outputs).

    Of several, each has factors of its own for inputs and outputs: W(x * r) * s + b (Wen et al. 2020, BatchEnsemble;
    TabM). first says how r starts: at "ones", or, in the first layer of a network, where members have to differ, as
    random "signs", or drawn from N(0, 1) where numbers are embedded ("normal"). ntk: weights start from N(0, 1) and are
    used divided by the square root of inputs (Jacot et al. 2018), so that one learning rate suits every width.
    """

    def __init__(self, params: dict[str, Any], inputs: int, outputs: int, first: str = "ones") -> None:
        normalised = params["norm"] == "batch"
        super().__init__(inputs, outputs, bias=False)
        ntk, self.members = params["parametrisation"] == "ntk", params["members"]
        self.gain, _ = _start(self, 1.0, ntk)
        # vectors, which have no weight decay
        self.factors_in = nn.Parameter(_factors(self.members, inputs, first)) if self.members > 1 else None
        self.factors_out = nn.Parameter(torch.ones(self.members * outputs)) if self.members > 1 else None
        self.shift = None if normalised else nn.Parameter(torch.zeros(self.members * outputs))
        self.shift_gain = BIAS_RATE if ntk else 1.0
        self.norm = nn.BatchNorm1d(self.members * outputs) if normalised else None

    def forward(self, x: Tensor) -> Tensor:
        if self.factors_in is not None:
            x = x * self.factors_in.reshape(self.members, -1)
        x = functional.linear(x, self.weight * self.gain)
        if self.factors_out is not None:
            x = x * self.factors_out.reshape(self.members, -1)
        if self.shift is not None:
            x = x + self.shift.reshape(self.members, -1) * self.shift_gain
        if self.norm is not None:
            x = self.norm(x.flatten(1)).unflatten(1, (self.members, -1))
        return x


def _factors(members: int, inputs: int, first: str) -> Tensor:
    """The factors of inputs, (members x inputs)."""
    if first == "ones":
        return torch.ones(members * inputs)
    drawn = torch.randn(members * inputs)
    return drawn if first == "normal" else drawn.sign()


class Diagonal(nn.Module):
    """A learnt factor for each input (N, F), which selects among them (RealMLP's scaling layer)."""

    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.factors = nn.Parameter(torch.full((inputs,), 1 / SCALE_RATE))

    def forward(self, x: Tensor) -> Tensor:
        return x * (self.factors * SCALE_RATE)


class Stem(nn.Module):
    """The first layer, with its activation."""

    def __init__(self, params: dict[str, Any], inputs: int, width: int, first: str) -> None:
        super().__init__()
        self.layer = Layer(params, inputs, width, first)
        self.activation = ACTIVATIONS[params["activation"]]()

    def forward(self, x: Tensor) -> Tensor:
        return cast(Tensor, self.activation(self.layer(x)))


class Block(nn.Module):
    """A dense layer, a residual pair or a gated unit, then dropout."""

    def __init__(self, params: dict[str, Any], inputs: int, width: int, op: str) -> None:
        super().__init__()
        self.op = op
        self.activation = ACTIVATIONS[params["activation"]]()
        if op == "residual":
            layers = [Layer(params, inputs, width), ACTIVATIONS[params["activation"]](), Layer(params, width, width)]
            self.body: nn.Module = nn.Sequential(*layers)
            self.shortcut: nn.Module = nn.Identity() if inputs == width else nn.Linear(inputs, width)
        else:
            self.body = Layer(params, inputs, 2 * width if op == "gated" else width)
        self.dropout = nn.Dropout(params["dropout"])

    def forward(self, x: Tensor) -> Tensor:
        y = self.body(x)
        if self.op == "gated":
            return cast(Tensor, self.dropout(functional.glu(y)))
        if self.op == "residual":
            y = y + self.shortcut(x)
        return cast(Tensor, self.dropout(self.activation(y)))
