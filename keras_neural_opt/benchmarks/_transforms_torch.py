"""The gradient transforms of torch and pytorch_optimizer, before torch's Adam in its foreach form."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

from keras_neural_opt.benchmarks._transforms import NORM, RATE, UNIT, VALUE
from keras_neural_opt.benchmarks._wrappers_torch import Step, parameters_of

Change = Callable[[list[Any]], Any]


def pairs(name: str, values: Sequence[np.ndarray], gradients: Sequence[np.ndarray]) -> dict[str, tuple[Step, Step]]:
    """Return, by library, a step without and with the transform."""

    def stepping(change: Change) -> Step:
        weights = parameters_of(values, gradients)
        optimizer = torch.optim.Adam(weights, lr=RATE, foreach=True)

        def step() -> None:
            change(weights)
            optimizer.step()

        return step

    return {who: (stepping(_nothing), stepping(change)) for who, change in _changes(name).items()}


def _nothing(weights: list[Any]) -> None:
    """Leave the gradients alone."""


def _changes(name: str) -> dict[str, Change]:
    if name in ("ClipByGlobalNorm", "three that share the norm"):
        strict = name != "ClipByGlobalNorm"
        return {"torch": lambda p: torch.nn.utils.clip_grad_norm_(p, NORM, error_if_nonfinite=strict, foreach=True)}
    if name == "ClipByValue":
        return {"torch": lambda p: torch.nn.utils.clip_grad_value_(p, VALUE, foreach=True)}
    try:
        import pytorch_optimizer
    except ImportError:
        return {}
    if name == "GradientCentralization":
        return {"pytorch_optimizer": lambda p: pytorch_optimizer.centralize_gradient([x.grad for x in p])}
    if name == "AdaptiveGradientClipping":

        def by_unit(weights: list[Any]) -> None:
            for p in weights:
                p.grad.copy_(pytorch_optimizer.agc(p.detach(), p.grad, agc_clip_val=UNIT))

        return {"pytorch_optimizer": by_unit}
    return {}
