"""AdamW (Loshchilov & Hutter 2019) over the weights in one vector, and the average of the weights that is evaluated.

Not torch.optim, whose optimizers import torch's compiler: four seconds, which would double the start of every trial.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from atelier_trainer import model

BETAS = (0.9, 0.99)
EPSILON = 1e-8
AVERAGE_DECAY = 0.995


class FlatParameters:
    """Parameters as views of one vector, so that a step is a handful of kernels whatever the network's depth.

    parts says where in the vector each parameter lies.
    """

    def __init__(self, parameters: Sequence[nn.Parameter]) -> None:
        self.vector = torch.cat([p.detach().reshape(-1) for p in parameters])
        self.gradient = torch.zeros_like(self.vector)
        self.parts: dict[nn.Parameter, slice] = {}
        start = 0
        for parameter in parameters:
            end = start + parameter.numel()
            parameter.data = self.vector[start:end].view_as(parameter)
            parameter.grad = self.gradient[start:end].view_as(parameter)
            self.parts[parameter] = slice(start, end)
            start = end


class AveragedAdamW:
    """Updates a module's trainable weights and keeps their exponential moving average, with the buffers', in `average`.

    Weights that do not require a gradient stay as they are, in both; so does, in a step, a parameter that backward has
    not reached since zero_grad, as in torch.optim. ValueError if none requires a gradient.

    The average's decay after t steps is min(0.995, (t + 1) / (t + 10)). Vectors (biases, normalisation) have no weight
    decay.
    """

    def __init__(self, module: nn.Module, weight_decay: float) -> None:
        self.module = module
        self.average = copy.deepcopy(module).eval()
        trainable, averaged = model.trainable(module), model.trainable(self.average)
        if not trainable:
            raise ValueError("the network has no weights to train: none requires a gradient")
        self.average.requires_grad_(False)
        self.flat = FlatParameters(trainable)
        self.flat_average = FlatParameters(averaged)
        self.decay = weight_decay * torch.cat([torch.full((p.numel(),), float(p.dim() > 1)) for p in trainable]).to(
            self.flat.vector.device
        )
        self.first = torch.zeros_like(self.flat.vector)
        self.second = torch.zeros_like(self.flat.vector)
        self.steps = 0
        self._reached: set[nn.Parameter] = set()
        for parameter in trainable:
            parameter.register_post_accumulate_grad_hook(self._reached.add)  # type: ignore[no-untyped-call]

    def zero_grad(self) -> None:
        """Forget the gradients, keeping where they lie."""
        self.flat.gradient.zero_()
        self._reached.clear()

    @torch.no_grad()
    def step(self, lr: float) -> None:
        """One update from the gradients that backward left."""
        weights, gradient = self.flat.vector, self.flat.gradient
        left = [part for parameter, part in self.flat.parts.items() if parameter not in self._reached]
        stays = [(old[part], old[part].clone()) for old in (weights, self.first, self.second) for part in left]
        self.steps += 1
        self.first.lerp_(gradient, 1 - BETAS[0])
        self.second.mul_(BETAS[1]).addcmul_(gradient, gradient, value=1 - BETAS[1])
        denominator = (self.second / (1 - BETAS[1] ** self.steps)).sqrt_().add_(EPSILON)
        weights.addcmul_(weights, self.decay, value=-lr)
        weights.addcdiv_(self.first, denominator, value=-lr / (1 - BETAS[0] ** self.steps))
        for changed, before in stays:
            changed.copy_(before)
        self._follow(1 - min(AVERAGE_DECAY, self.steps / (self.steps + 9)))

    def _follow(self, share: float) -> None:
        self.flat_average.vector.lerp_(self.flat.vector, share)
        for averaged, buffer in zip(self.average.buffers(), self.module.buffers(), strict=True):
            if buffer.is_floating_point():
                averaged.lerp_(buffer, share)
            else:
                averaged.copy_(buffer)

    def averaged_state(self) -> dict[str, Any]:
        """A copy of the averages alone."""
        buffers = {name: buffer.clone() for name, buffer in self.average.named_buffers()}
        return {"average": self.flat_average.vector.clone(), "average_buffers": buffers}

    def load_averaged_state(self, state: dict[str, Any]) -> None:
        """Put the averages back; what is trained stays as it is."""
        self.flat_average.vector.copy_(state["average"])
        for name, buffer in self.average.named_buffers():
            buffer.copy_(state["average_buffers"][name])

    def state_dict(self) -> dict[str, Any]:
        """Everything needed to go on, as tensors and numbers."""
        return {
            "steps": self.steps,
            "weights": self.flat.vector,
            "average": self.flat_average.vector,
            "first": self.first,
            "second": self.second,
            "buffers": dict(self.module.named_buffers()),
            "average_buffers": dict(self.average.named_buffers()),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a state_dict. RuntimeError or KeyError if it is of another network."""
        self.steps = state["steps"]
        self.flat.vector.copy_(state["weights"])
        self.first.copy_(state["first"])
        self.second.copy_(state["second"])
        for name, buffer in self.module.named_buffers():
            buffer.copy_(state["buffers"][name])
        self.load_averaged_state(state)
