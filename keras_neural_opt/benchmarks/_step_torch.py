"""One optimizer step on torch: ours, Keras', torch's and pytorch_optimizer's."""

import contextlib
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
import torch


def set_threads(count: int) -> None:
    """Let torch compute on `count` threads."""
    torch.set_num_threads(count)


def keras_step(optimizer: Any, values: Sequence[np.ndarray], gradients: Sequence[np.ndarray]) -> Callable[[], None]:
    """Return one step of a Keras optimizer."""
    variables = [keras.Variable(value) for value in values]
    tensors = [torch.tensor(gradient) for gradient in gradients]
    optimizer.build(variables)
    return lambda: optimizer.apply(tensors, variables)


def peers(
    name: str, option: str, values: Sequence[np.ndarray], gradients: Sequence[np.ndarray]
) -> dict[str, Callable[[], None]]:
    """Return the same step of the libraries that torch users take, where they have it."""
    found: dict[str, Callable[[], None]] = {}
    decay = 0.01 if option == "decay" else 0.0
    torch_class = getattr(torch.optim, "AdamW" if name == "Adam" and decay else name, None)
    if torch_class is not None:
        for form in ("foreach", "fused"):
            with contextlib.suppress(TypeError, RuntimeError):
                found[f"torch {form}"] = _torch_step(
                    torch_class, option, values, gradients, lr=1e-3, weight_decay=decay, **{form: True}
                )
    with contextlib.suppress(ImportError):
        import pytorch_optimizer

        if torch_class is None and hasattr(pytorch_optimizer, name):
            found["pytorch_optimizer"] = _torch_step(
                getattr(pytorch_optimizer, name), option, values, gradients, lr=1e-3, weight_decay=decay
            )
    return found


def _torch_step(
    cls: Any, option: str, values: Sequence[np.ndarray], gradients: Sequence[np.ndarray], **options: Any
) -> Callable[[], None]:
    parameters = [torch.nn.Parameter(torch.tensor(value)) for value in values]
    for parameter, gradient in zip(parameters, gradients, strict=True):
        parameter.grad = torch.tensor(gradient)
    optimizer = cls(parameters, **options)

    def step() -> None:
        if option == "clip":
            torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()

    step()  # Forms that torch does not offer for this class raise here.
    return step
