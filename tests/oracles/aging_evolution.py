"""Algorithm 1 of "Regularized Evolution for Image Classifier Architecture Search", one model at a time."""

from collections.abc import Callable
from typing import Any

import numpy as np


def aging_evolution(
    cycles: int,
    population_size: int,
    sample_size: int,
    random_architecture: Callable[[np.random.Generator], Any],
    mutate: Callable[[Any, np.random.Generator], Any],
    accuracy: Callable[[Any], float],
    rng_of: Callable[[int], np.random.Generator],
) -> list[Any]:
    """Return the history. What is in it already is not trained again: the draw is repeated."""
    population: list[tuple[Any, float]] = []
    history: list[Any] = []
    while len(history) < cycles:
        rng = rng_of(len(history))
        while True:
            if len(history) < population_size:
                architecture = random_architecture(rng)
            else:
                sample = [population[index] for index in rng.integers(population_size, size=sample_size)]
                parent, highest = sample[0]
                for candidate, value in sample[1:]:
                    if value > highest:
                        parent, highest = candidate, value
                architecture = mutate(parent, rng)
            if architecture not in history:
                break
        population.append((architecture, accuracy(architecture)))
        history.append(architecture)
        if len(population) > population_size:
            population.pop(0)
    return history
