"""torch's fused kernels: a whole update in one pass over the memory, where the rule is exactly theirs."""

import math
from collections.abc import Sequence
from typing import Any

import torch


def usable(lists: Sequence[Sequence[Any]]) -> bool:
    """Whether the kernels take these tensors: of one float dtype and one device, and contiguous, as they assume."""
    first = lists[0][0]
    return first.dtype in (torch.float32, torch.float64) and all(
        x.dtype == first.dtype and x.device == first.device and x.is_contiguous() for tensors in lists for x in tensors
    )


def adam(lists: Sequence[list[Any]], lr: float, t: float, beta_1: float, beta_2: float, epsilon: float) -> None:
    """Update variables, means, squares and, for AMSGrad, largest squares.

    Args:
        lists: Variables, gradients and the slots.
        lr: The learning rate.
        t: The step, from 1.
        beta_1: Decay of the mean.
        beta_2: Decay of the square.
        epsilon: Added to the root before the bias correction. torch adds its own after it.
    """
    p, g, m, v, *v_hat = lists
    correction = -math.expm1(t * math.log(beta_2)) if beta_2 else 1.0
    torch._fused_adam_(
        p,
        g,
        m,
        v,
        v_hat[0] if v_hat else [],
        [torch.tensor(t, dtype=torch.float32, device=p[0].device)] * len(p),
        lr=lr,
        beta1=beta_1,
        beta2=beta_2,
        weight_decay=0.0,
        eps=epsilon / math.sqrt(correction),
        amsgrad=bool(v_hat),
        maximize=False,
    )


def sgd(lists: Sequence[list[Any]], lr: float, t: float, momentum: float) -> None:
    """Update variables and, with momentum, the momenta, which hold the learning rate as Keras' do.

    torch computes `m = momentum * m + (1 - dampening) * g; p = p - rate * m`. With a rate of -1 and a dampening of
    1 + lr that is `m = momentum * m - lr * g; p = p + m`.
    """
    p, g, *m = lists
    torch._fused_sgd_(
        p,
        g,
        m[0] if momentum else [],
        weight_decay=0.0,
        momentum=momentum,
        lr=-1.0 if momentum else lr,
        dampening=1.0 + lr if momentum else 0.0,
        nesterov=False,
        maximize=False,
        is_first_step=False,
    )
