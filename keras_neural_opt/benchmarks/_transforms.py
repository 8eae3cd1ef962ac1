"""What a gradient transform adds to the time of a step, against the same transform of other libraries."""

from collections.abc import Callable, Sequence
from typing import Any

from keras_neural_opt import optimizers
from keras_neural_opt._core.arguments import check_arguments, choice, integer
from keras_neural_opt.benchmarks._added import Case, added
from keras_neural_opt.benchmarks._shapes import MODELS
from keras_neural_opt.transforms import (
    AdaptiveGradientClipping,
    AutoClip,
    ClipByBlockRMS,
    ClipByGlobalNorm,
    ClipByNorm,
    ClipByValue,
    GradientCentralization,
    GradientNoise,
    NormalizeGradients,
    SkipLargeUpdates,
    SkipNonFinite,
)

# Limits that the benchmark's gradients, of a hundredth an element, exceed: all of the work is done.
RATE, NORM, VALUE, RMS, UNIT = 1e-3, 0.1, 0.005, 0.005, 0.01

_TRANSFORMS: dict[str, Callable[[], list[Any]]] = {
    "ClipByGlobalNorm": lambda: [ClipByGlobalNorm(NORM)],
    "ClipByNorm": lambda: [ClipByNorm(NORM)],
    "ClipByValue": lambda: [ClipByValue(VALUE)],
    "ClipByBlockRMS": lambda: [ClipByBlockRMS(RMS)],
    "AdaptiveGradientClipping": lambda: [AdaptiveGradientClipping(UNIT, mask=None)],
    "AutoClip": lambda: [AutoClip(10)],
    "GradientCentralization": lambda: [GradientCentralization(mask=None)],
    "NormalizeGradients": lambda: [NormalizeGradients()],
    "GradientNoise": lambda: [GradientNoise(seed=0)],
    "SkipNonFinite": lambda: [SkipNonFinite()],
    "three that share the norm": lambda: [SkipNonFinite(), SkipLargeUpdates(1e9), ClipByGlobalNorm(NORM)],
}


def transforms(
    names: Sequence[str] = (),
    model: str = "resnet50",
    rounds: int = 15,
    seed: int = 0,
    advance: Callable[[], Any] | None = None,
) -> dict[str, Any]:
    """Time Adam with and without each gradient transform, ours and other libraries', all in turn.

    Args:
        names: Which transforms; all by default.
        model: Whose variables, as in `step`.
        rounds: Timed rounds, after 7 untimed ones.
        seed: Of variables and gradients.
        advance: Called after each round, to show progress.

    Returns:
        A record, as of `wrappers`.

    Raises:
        ValueError: An argument breaks its rule.

    Example:
        >>> from keras_neural_opt.benchmarks import transforms
        >>> record = transforms(["ClipByGlobalNorm"], model="mlp", rounds=1)
        >>> "adds_ms" in record["results"][0]["ours"]
        True
    """
    check_arguments("transforms", model=choice(model, MODELS), rounds=integer(rounds, 1))
    for name in names:
        choice(name, _TRANSFORMS).check("transforms", "names")

    def case(name: str) -> Case:
        make = _TRANSFORMS[name]
        return Case(lambda: optimizers.Adam(RATE), lambda: optimizers.Adam(RATE, gradient_transforms=make()))

    return added("transform", {name: case(name) for name in names or _TRANSFORMS}, model, rounds, seed, advance)
