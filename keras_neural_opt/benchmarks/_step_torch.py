"""One optimizer step on torch: ours, Keras', torch's and pytorch_optimizer's."""

import contextlib
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from functools import partial
from typing import Any

import keras
import numpy as np
import torch
import torch.compiler.config

from keras_neural_opt.benchmarks._candidate import Candidate, Maker
from keras_neural_opt.benchmarks._options import WINDOW, calls


def without_caches() -> AbstractContextManager[None]:
    """Return a context in which a first step takes what it takes on a machine that has never compiled it."""
    patched: AbstractContextManager[None] = torch.compiler.config.patch(force_disable_caches=True)
    return patched


def has_gpu() -> bool:
    """Whether torch finds a GPU."""
    return bool(torch.cuda.is_available())


def device_name(device: str) -> str:
    """Return what the device calls itself."""
    return str(torch.cuda.get_device_name()) if device == "gpu" else "cpu"


def keras_candidate(
    optimizer: Any, option: str, values: Sequence[np.ndarray], gradients: Sequence[np.ndarray]
) -> Candidate:
    """Return a Keras optimizer with variables and gradients."""
    variables = [keras.Variable(value) for value in values]
    tensors = [keras.ops.convert_to_tensor(gradient) for gradient in gradients]
    optimizer.build(variables)

    def step() -> None:
        for _ in range(calls(option)):
            optimizer.apply(tensors, variables)
        _wait()

    return Candidate(step, lambda: sum(v.value.nbytes for v in optimizer.variables))


def peers(name: str, option: str, values: Sequence[np.ndarray], gradients: Sequence[np.ndarray]) -> dict[str, Maker]:
    """Return the same step of the libraries that torch users take, where they have it."""
    if option == "decay" and name not in ("Adam", "AdamW"):
        return {}  # what torch adds to the gradient is another method than ours
    decay = 0.01 if option == "decay" else 0.0
    torch_class = _named(torch.optim, "AdamW" if name == "Adam" and decay else name)
    found: dict[str, Maker] = {}
    if torch_class is not None:
        for form in ("foreach", "fused"):
            maker = partial(_candidate, torch_class, option, values, gradients, weight_decay=decay, **{form: True})
            with contextlib.suppress(TypeError, RuntimeError):  # a form that torch does not offer for this class
                trial = torch.nn.Parameter(keras.ops.zeros(1))
                trial.grad = keras.ops.zeros(1)
                torch_class([trial], **{form: True}).step()
                found[f"torch {form}"] = maker
        return found
    with contextlib.suppress(ImportError):
        import pytorch_optimizer

        if cls := _named(pytorch_optimizer, name):
            # Some of its classes have lists, and not all of these by default.
            maker = partial(_candidate, cls, option, values, gradients, weight_decay=decay, foreach=True)
            found["pytorch_optimizer"] = maker
    return found


def _named(module: Any, name: str) -> Any:
    """Return the class called `name`, in any case, or None."""
    classes = {x.lower(): getattr(module, x) for x in dir(module) if isinstance(getattr(module, x), type)}
    return classes.get(name.lower())


def _candidate(
    cls: Any, option: str, values: Sequence[np.ndarray], gradients: Sequence[np.ndarray], **options: Any
) -> Candidate:
    parameters = [torch.nn.Parameter(keras.ops.convert_to_tensor(value)) for value in values]
    given = [keras.ops.convert_to_tensor(gradient) for gradient in gradients]
    for parameter, gradient in zip(parameters, given, strict=True):
        parameter.grad = gradient.clone()
    optimizer = cls(parameters, lr=1e-3, **options)
    kept: list[Any] = [x.detach().clone() for x in parameters] if option == "ema" else []
    step = _with_option(option, optimizer, parameters, given, kept)

    def waited() -> None:
        step()
        _wait()

    def state_bytes() -> int:
        state = [x for entry in optimizer.state.values() for x in entry.values() if isinstance(x, torch.Tensor)]
        return sum(x.nbytes for x in (*state, *kept))

    return Candidate(waited, state_bytes)


def _with_option(
    option: str, optimizer: Any, parameters: list[Any], given: list[Any], averages: list[Any]
) -> Callable[[], Any]:
    """Return a step as torch's users write it with this option."""
    scaler = torch.amp.GradScaler(given[0].device.type, init_scale=1.0, growth_interval=10**9)
    average = torch.optim.swa_utils.get_ema_multi_avg_fn(0.99)

    def clip() -> None:
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()

    def ema() -> None:
        optimizer.step()
        average(averages, [x.detach() for x in parameters], 0)

    def accumulation() -> None:
        sums = [x.grad for x in parameters]
        torch._foreach_zero_(sums)
        for _ in range(WINDOW):
            torch._foreach_add_(sums, given, alpha=1 / WINDOW)
        optimizer.step()

    def skip() -> None:
        if torch.isfinite(torch.nn.utils.get_total_norm([x.grad for x in parameters])):
            optimizer.step()

    def mixed_precision() -> None:
        scaler.scale(given[0].new_ones(()))
        scaler.step(optimizer)
        scaler.update()

    forms = {
        "clip": clip,
        "ema": ema,
        "accumulation": accumulation,
        "skip": skip,
        "mixed precision": mixed_precision,
    }
    return forms.get(option, optimizer.step)


def _wait() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()
