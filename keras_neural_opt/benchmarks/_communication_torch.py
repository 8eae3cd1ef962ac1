"""torch's own data parallelism: `DistributedDataParallel`, plain or with its float16 hook."""

import itertools
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.distributed.algorithms.ddp_comm_hooks.default_hooks import fp16_compress_hook

from keras_neural_opt.benchmarks._communication_contestants import CLASSES, RATE, Contestant, ring_bytes


def contestant(x: np.ndarray, y: np.ndarray, half: bool, inputs: int, units: int, layers: int) -> Contestant:
    """Return a plain training loop around the same network as that of the others, without Keras.

    Args:
        x: This worker's batch.
        y: Its classes.
        half: Whether gradients are sent as float16.
        inputs: The features of a sample.
        units: Those of each hidden layer.
        layers: How many hidden layers there are.
    """
    torch.manual_seed(1)
    widths = [inputs, *[units] * layers]
    hidden = [part for a, b in itertools.pairwise(widths) for part in (nn.Linear(a, b), nn.ReLU())]
    network = nn.Sequential(*hidden, nn.Linear(widths[-1], CLASSES))
    together = nn.parallel.DistributedDataParallel(network)
    if half:
        together.register_comm_hook(None, fp16_compress_hook)
    optimizer, loss = torch.optim.SGD(network.parameters(), RATE), nn.CrossEntropyLoss()
    steps = [0]

    def step() -> Any:
        optimizer.zero_grad()
        found = loss(together(torch.from_numpy(x)), torch.from_numpy(y).long())
        found.backward()
        optimizer.step()
        steps[0] += 1
        return found.item()

    parameters = sum(p.numel() for p in network.parameters())
    return Contestant(step, lambda: steps[0] * ring_bytes(parameters, 2 if half else 4))
