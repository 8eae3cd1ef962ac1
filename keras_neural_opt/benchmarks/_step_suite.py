"""The steps that the documentation shows, measured in one process."""

from collections.abc import Callable
from typing import Any

import keras

from keras_neural_opt.benchmarks._options import OPTIONS
from keras_neural_opt.benchmarks._step import step


def step_suite(
    rounds: int = 15, seed: int = 0, device: str = "cpu", advance: Callable[[], Any] | None = None
) -> dict[str, Any]:
    """Measure `step` for every optimizer, for Adam with every option and on other models, and on torch compiled.

    Args:
        rounds: Timed rounds of each.
        seed: Of variables and gradients.
        device: `"cpu"` or `"gpu"`.
        advance: Called after each round, to show progress.

    Returns:
        A record as `step` returns it, with the results of all.

    Raises:
        RuntimeError: There is no such device.

    Example:
        >>> from keras_neural_opt.benchmarks import step_suite
        >>> record = step_suite(rounds=15)  # doctest: +SKIP
    """
    adam, everything = ["Adam"], list[str]()
    # Only torch runs a step call by call, so that many small variables cost it more than their elements.
    on_torch = keras.backend.backend() == "torch"
    runs = [("resnet50", "plain", everything), ("many", "plain", everything if on_torch else adam)]
    runs += [(model, "plain", adam) for model in ("transformer", "mlp")]
    runs += [("resnet50", option, adam) for option in OPTIONS if option not in ("plain", "compile")]
    if on_torch:
        runs.append(("resnet50", "compile", everything))
    records = [step(names, model, option, rounds, seed, device, advance) for model, option, names in runs]
    return {**records[0], "results": [result for record in records for result in record["results"]]}
