"""A function of tensors on torch, as it runs inside of a step."""

from collections.abc import Callable, Sequence
from typing import Any

import torch


def compiled(function: Callable[..., Any], inputs: Sequence[Any]) -> Callable[[], Any]:
    """Return what runs the function eagerly, without gradients, and waits for its results."""

    @torch.no_grad()
    def run() -> Any:
        results = function(*inputs)
        if inputs[0].is_cuda:
            torch.cuda.synchronize()
        return results

    return run
