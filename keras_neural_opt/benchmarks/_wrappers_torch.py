"""The wrappers of torch and pytorch_optimizer, around torch's Adam in its foreach form."""

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
import torch

from keras_neural_opt.benchmarks._wrappers import PERIOD, RATE, WINDOW

Step = Callable[[], Any]


def pairs(name: str, values: Sequence[np.ndarray], gradients: Sequence[np.ndarray]) -> dict[str, tuple[Step, Step]]:
    """Return, by library, a step without and with the wrapper."""

    def bare(cls: Any = torch.optim.Adam, **options: Any) -> Any:
        return cls(parameters_of(values, gradients), lr=RATE, foreach=True, **options)

    averages = {
        "ExponentialMovingAverage": torch.optim.swa_utils.get_ema_multi_avg_fn(0.99),
        "StochasticWeightAveraging": torch.optim.swa_utils.get_swa_multi_avg_fn(),
    }
    if name in averages:
        return {"torch": (bare().step, _averaged(bare(), averages[name]))}
    if name == "LayerwiseLearningRate":
        return {"torch": (bare().step, _in_two_groups(values, gradients).step)}
    if name == "GradientAccumulation":
        return {"torch": (bare().step, _accumulated(bare(), gradients))}
    try:
        import pytorch_optimizer
    except ImportError:
        return {}
    if name == "Lookahead":
        return {"pytorch_optimizer": (bare().step, pytorch_optimizer.Lookahead(bare(), k=PERIOD).step)}
    if name == "SwitchToSGD":
        return {"pytorch_optimizer": (bare().step, bare(pytorch_optimizer.SWATS).step)}
    if name == "Grokfast":
        filtered = bare(pytorch_optimizer.GrokFastAdamW, grokfast_after_step=0)
        return {"pytorch_optimizer": (bare(torch.optim.AdamW).step, filtered.step)}
    return {}


def parameters_of(values: Sequence[np.ndarray], gradients: Sequence[np.ndarray]) -> list[Any]:
    """Return torch's parameters with their gradients."""
    found = [torch.nn.Parameter(keras.ops.convert_to_tensor(value)) for value in values]
    for parameter, gradient in zip(found, gradients, strict=True):
        parameter.grad = keras.ops.convert_to_tensor(gradient).clone()
    return found


def _of(optimizer: Any) -> list[Any]:
    return [p for group in optimizer.param_groups for p in group["params"]]


def _averaged(optimizer: Any, average: Callable[..., Any]) -> Step:
    means, count = [p.detach().clone() for p in _of(optimizer)], torch.zeros(())

    def step() -> None:
        optimizer.step()
        average(means, [p.detach() for p in _of(optimizer)], count)
        count.add_(1)

    return step


def _in_two_groups(values: Sequence[np.ndarray], gradients: Sequence[np.ndarray]) -> Any:
    everything = parameters_of(values, gradients)
    groups = [{"params": everything[::2], "lr": RATE}, {"params": everything[1::2], "lr": 0.5 * RATE}]
    return torch.optim.Adam(groups, foreach=True)


def _accumulated(optimizer: Any, gradients: Sequence[np.ndarray]) -> Step:
    """Return a micro-step: `backward` adds into the gradients, and every so often there is a step."""
    given = [keras.ops.convert_to_tensor(gradient) for gradient in gradients]
    sums, phase = [p.grad for p in _of(optimizer)], [0]

    def step() -> None:
        torch._foreach_add_(sums, given, alpha=1 / WINDOW)
        phase[0] += 1
        if phase[0] == WINDOW:
            optimizer.step()
            torch._foreach_zero_(sums)
            phase[0] = 0

    return step
