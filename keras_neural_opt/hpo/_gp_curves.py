"""A Gaussian process of learning curves: of configurations, and of how far they are trained."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from keras_neural_opt.hpo._gp import Array
from keras_neural_opt.hpo._gp_sampler import GOOD, KEPT, fitted
from keras_neural_opt.hpo._gp_search import Acquisition, maximise
from keras_neural_opt.hpo._gp_space import ConditionalSpace
from keras_neural_opt.hpo._gp_values import kept, warped
from keras_neural_opt.hpo._space import SearchSpace

# Of an accuracy of 1, whose logarithm would be endless.
_LEAST_ERROR = 1e-3


class Seen(NamedTuple):
    """The loss of a configuration, as Optuna draws it, that is trained so far: from 0, not at all, to 1, to the end."""

    params: Mapping[str, Any]
    trained: float
    loss: float


class CurveModel:
    """What is believed of configurations that are trained to the end, after some were seen on the way there.

    Args:
        space: The space known so far.
        seen: What was seen.
        running: Configurations at work now, which count as if they came to what is expected of them.
        known: Configurations that need not begin again.
        seeds: Of what is random in the search for the best.
    """

    def __init__(
        self,
        space: SearchSpace,
        seen: Sequence[Seen],
        running: Sequence[Mapping[str, Any]],
        known: Sequence[Mapping[str, Any]],
        seeds: Sequence[int],
    ) -> None:
        self._rng = np.random.default_rng(seeds)
        varied = {p.key: p.distribution for p in space if not p.distribution.single()}
        self._space, self._known = ConditionalSpace(varied, known), known
        x = np.c_[self._encoded([each.params for each in seen]), [each.trained for each in seen]]
        values = warped(logarithms(np.array([each.loss for each in seen])))
        rows = kept(values, KEPT)
        process = fitted(x[rows], values[rows], np.append(self._space.categorical, False))
        process = process.assuming(_to_the_end(self._encoded(running)))
        ended = x[x[:, -1] == 1.0]
        best = process.predict(ended if len(ended) else _to_the_end(x[:, :-1]))[0].min()
        self._promise = _Promise(Acquisition(process, float(best)))
        self._good = x[np.argsort(values, kind="stable")[:GOOD], :-1]

    def log_improvements(self, configurations: Sequence[Mapping[str, Any]]) -> list[float]:
        """Return the logarithm of the expected improvement of each, in deviations of what was seen."""
        return [float(v) for v in self._promise(self._encoded(configurations))] if configurations else []

    def best_new(self) -> tuple[dict[str, Any], float]:
        """Return the configuration of the largest expected improvement that is not known, and its logarithm."""
        point = maximise(self._promise, self._space, self._encoded(self._known), self._good, self._rng)
        return self._space.decode(point), float(self._promise(point[None])[0])

    def _encoded(self, configurations: Sequence[Mapping[str, Any]]) -> Array:
        return np.array([self._space.encode(each) for each in configurations]).reshape(-1, len(self._space.columns))


class _Promise:
    """What configurations promise when they are trained to the end."""

    def __init__(self, acquisition: Acquisition) -> None:
        self._acquisition = acquisition

    def __call__(self, x: Array) -> Array:
        """Return the value at each row."""
        return self._acquisition(_to_the_end(x))

    def with_gradient(self, x: Array) -> tuple[float, Array]:
        """Return value and gradient at one point."""
        value, gradient = self._acquisition.with_gradient(np.append(x, 1.0))
        return value, gradient[:-1]


def _to_the_end(x: Array) -> Array:
    return np.c_[x, np.ones(len(x))]


def logarithms(losses: Array) -> Array:
    """Return losses on a scale on which curves are straighter; what is not finite is as bad as the worst.

    Positive losses are returned as their logarithm; what lies in [-1, 0], a part of one that is maximised, such as an
    accuracy, as that of what is missing. Others stay as they are.
    """
    finite = losses[np.isfinite(losses)]
    if not len(finite):
        return np.zeros_like(losses)
    filled = np.where(np.isfinite(losses), losses, finite.max())
    if filled.min() > 0.0:
        return np.log(filled)
    is_part = filled.min() >= -1.0 and filled.max() <= 0.0
    return np.log(_LEAST_ERROR + 1.0 + filled) if is_part else filled
