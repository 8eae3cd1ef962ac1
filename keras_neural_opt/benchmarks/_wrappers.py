"""What a wrapper adds to the time of a step, against the same wrapper of other libraries."""

from collections.abc import Callable, Sequence
from typing import Any

from keras_neural_opt import optimizers
from keras_neural_opt._core.arguments import check_arguments, choice, integer
from keras_neural_opt.benchmarks._added import Case, added
from keras_neural_opt.benchmarks._shapes import MODELS

RATE, PERIOD, WINDOW = 1e-3, 6, 4

# A wrapper around an optimizer, and how many calls of `apply` show all that it does.
_WRAPPERS: dict[str, tuple[Callable[[Any], Any], int]] = {
    "Lookahead": (lambda inner: optimizers.Lookahead(inner, PERIOD), PERIOD),
    "ExponentialMovingAverage": (optimizers.ExponentialMovingAverage, 1),
    "StochasticWeightAveraging": (lambda inner: optimizers.StochasticWeightAveraging(inner, start_step=1), 1),
    "SWAG": (lambda inner: optimizers.SWAG(inner, start_step=1, period=WINDOW), WINDOW),
    "SwitchToSGD": (optimizers.SwitchToSGD, 1),
    "Cautious": (optimizers.Cautious, 1),
    "Grokfast": (optimizers.Grokfast, 1),
    "LayerwiseLearningRate": (lambda inner: optimizers.LayerwiseLearningRate(inner, {"[13579]$": 0.5}), 1),
    "GradientAccumulation": (lambda inner: optimizers.GradientAccumulation(inner, WINDOW), WINDOW),
}


def wrappers(
    names: Sequence[str] = (),
    model: str = "resnet50",
    rounds: int = 15,
    seed: int = 0,
    advance: Callable[[], Any] | None = None,
) -> dict[str, Any]:
    """Time Adam with and without each wrapper, ours and other libraries', all in turn.

    Args:
        names: Which wrappers; all by default.
        model: Whose variables, as in `step`.
        rounds: Timed rounds, after 7 untimed ones.
        seed: Of variables and gradients.
        advance: Called after each round, to show progress.

    Returns:
        A record. For each wrapper and library: the median milliseconds of one call of `apply` without and with it, and
        what it adds, the median over the rounds of their difference. What accumulation adds is negative.

    Raises:
        ValueError: An argument breaks its rule.

    Example:
        >>> from keras_neural_opt.benchmarks import wrappers
        >>> record = wrappers(["Lookahead"], model="mlp", rounds=1)
        >>> "adds_ms" in record["results"][0]["ours"]
        True
    """
    check_arguments("wrappers", model=choice(model, MODELS), rounds=integer(rounds, 1))
    for name in names:
        choice(name, _WRAPPERS).check("wrappers", "names")

    def case(name: str) -> Case:
        wrap, calls = _WRAPPERS[name]
        inner = optimizers.AdamW if name == "Grokfast" else optimizers.Adam
        return Case(lambda: inner(RATE), lambda: wrap(inner(RATE)), calls)

    cases = {name: case(name) for name in names or _WRAPPERS}
    return added("wrapper", cases, model, rounds, seed, advance)
