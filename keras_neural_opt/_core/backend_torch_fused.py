"""torch's fused kernels: a whole update in one pass over the memory, where the rule is exactly theirs."""

import math
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import compress
from operator import attrgetter
from typing import Any

import numpy as np
import torch

Lists = Sequence[list[Any]]
_dtype = attrgetter("dtype")


def usable(kernel: Any, lists: Lists) -> bool:
    """Whether a kernel takes these tensors: of one float dtype and one device, and contiguous, as it assumes."""
    first = lists[0][0]
    devices = ("cpu",) if kernel is adagrad else ("cpu", "cuda")  # not every torch has Adagrad's on CUDA
    return (
        first.dtype in (torch.float32, torch.float64)
        and first.device.type in devices
        # Of every tensor in every step: without bytecode, this costs a third.
        and all(set(map(_dtype, tensors)) == {first.dtype} for tensors in lists)
        and all(set(map(torch.Tensor.get_device, tensors)) == {first.get_device()} for tensors in lists)
        and all(all(map(torch.Tensor.is_contiguous, tensors)) for tensors in lists)
    )


def adam(
    lists: Lists,
    marks: Sequence[bool],
    lr: float,
    t: float,
    coefficient: float | None,
    *,
    l2: bool,
    beta_1: float,
    beta_2: float,
    epsilon: float,
) -> None:
    """Update variables, means, squares and, for AMSGrad, largest squares.

    Args:
        lists: Variables, gradients and the slots.
        marks: Which of the variables are decayed.
        lr: The learning rate.
        t: The step, from 1.
        coefficient: That of weight decay, or None.
        l2: Whether weight decay is added to the gradients.
        beta_1: Decay of the mean.
        beta_2: Decay of the square.
        epsilon: Added to the root before the bias correction, which is part of the kernel's rate here.
    """
    kernel = torch._fused_adam_ if l2 else torch._fused_adamw_
    first = lists[0][0]
    if first.is_cuda and first.dtype is torch.float32:
        # There the kernel rounds them: 1 - 0.999 is 1.3e-5 off, which the correction must be, too.
        beta_1, beta_2 = float(np.float32(beta_1)), float(np.float32(beta_2))
    rate = lr * math.sqrt(_correction(beta_2, t)) / _correction(beta_1, t)
    endless = _endless(first.device)
    for (p, g, m, v, *v_hat), decay in _by_decay(lists, marks, coefficient):
        if not l2 and decay:
            # The kernel multiplies it by its own rate.
            amount = _dithered(lr * decay, t) if p[0].dtype is torch.float32 else lr * decay
            decay = amount / rate if rate else 0.0
        kernel(
            p,
            g,
            m,
            v,
            v_hat[0] if v_hat else [],
            [endless] * len(p),
            lr=rate,
            beta1=beta_1,
            beta2=beta_2,
            weight_decay=decay,
            eps=epsilon,
            amsgrad=bool(v_hat),
            maximize=False,
        )


def _correction(beta: float, t: float) -> float:
    """Return `1 - beta ** t`, exact to the last digit also where it is small."""
    return -math.expm1(t * math.log(beta)) if beta else 1.0


@cache
def _endless(device: torch.device) -> torch.Tensor:
    """Return the step after which the kernel corrects no bias: its own correction is not that of rounded betas."""
    return torch.full((), math.inf, device=device)


def sgd(
    lists: Lists, marks: Sequence[bool], lr: float, t: float, coefficient: float | None, *, momentum: float
) -> None:
    """Update variables and, with momentum, the momenta, which hold the learning rate as Keras' do.

    torch computes `m = momentum * m + (1 - dampening) * g; p = p - rate * m`. With a rate of -1 and a dampening of
    1 + lr that is `m = momentum * m - lr * g; p = p + m`. Its weight decay is added to the gradient, which without
    momentum is the decoupled kind too.
    """
    for (p, g, *m), decay in _by_decay(lists, marks, coefficient):
        torch._fused_sgd_(
            p,
            g,
            m[0] if momentum else [],
            weight_decay=decay,
            momentum=momentum,
            lr=-1.0 if momentum else lr,
            dampening=1.0 + lr if momentum else 0.0,
            nesterov=False,
            maximize=False,
            is_first_step=False,
        )


def adagrad(lists: Lists, marks: Sequence[bool], lr: float, t: float, coefficient: float | None) -> None:
    """Update variables and accumulators, which hold epsilon from their start."""
    for (p, g, s), decay in _by_decay(lists, marks, coefficient):
        steps = [torch.tensor(t, dtype=torch.float32)] * len(p)
        torch._fused_adagrad_(p, g, s, steps, lr=lr, lr_decay=0.0, weight_decay=decay, eps=0.0, maximize=False)


def _by_decay(lists: Lists, marks: Sequence[bool], coefficient: float | None) -> Iterator[tuple[Lists, float]]:
    """Yield the lists of the decayed variables and of the others, with the coefficient of each."""
    if not coefficient or not any(marks):
        yield lists, 0.0
    elif all(marks):
        yield lists, coefficient
    else:
        yield [list(compress(x, marks)) for x in lists], coefficient
        unmarked = [not mark for mark in marks]
        yield [list(compress(x, unmarked)) for x in lists], 0.0


def _dithered(amount: float, t: float) -> float:
    """Return a small amount, rounded so that float32 holds `1 - amount`, up or down in turn.

    The kernel multiplies a variable by that float32, which is up to 3e-8 off: 0.7 percent of an amount of 4e-6, and
    the same in every step. Rounded by a golden-ratio sequence, the mean over the steps is the amount.
    """
    units = amount * 2.0**24
    golden = t * 0.6180339887498949 % 1.0
    return (math.floor(units) + (golden < units % 1.0)) / 2.0**24
