"""The limit that no optimizer can beat: moving the bytes of a step through the memory."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np

from keras_neural_opt.benchmarks._candidate import Candidate


def bandwidth(parameters: int, slots: int, threads: int) -> Candidate:
    """Return a change of sign in place that moves as many bytes as a step: float32 variables, gradients and slots.

    Args:
        parameters: The number of parameters.
        slots: The number of slots of each.
        threads: How many threads work.
    """
    moved = 4 * parameters * (3 + 2 * slots)  # variable, gradient and slots are read, variable and slots are written
    pieces = np.split(np.ones(moved // 8 // threads * threads, "float32"), threads)  # each is read and written
    pool = ThreadPoolExecutor(threads)

    def step() -> None:
        list(pool.map(lambda piece: np.negative(piece, out=piece), pieces))

    return Candidate(step, lambda: 0)
