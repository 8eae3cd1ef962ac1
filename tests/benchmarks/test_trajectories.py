"""The ways of optimizers down a function of two variables."""

import io

import numpy as np
import pytest

from keras_neural_opt import optimizers
from keras_neural_opt.benchmarks import trajectory, trajectory_figure
from keras_neural_opt.benchmarks._trajectories import PROBLEMS


@pytest.mark.parametrize("name", PROBLEMS)
def test_gradients_are_those_of_the_function(name: str):
    problem, h = PROBLEMS[name], 1e-5
    for x, y in ((0.3, -0.4), problem.start, problem.minimum):
        slopes = (
            (problem.value(x + h, y) - problem.value(x - h, y)) / (2 * h),
            (problem.value(x, y + h) - problem.value(x, y - h)) / (2 * h),
        )
        np.testing.assert_allclose(problem.gradient(x, y), slopes, atol=1e-6)
    np.testing.assert_allclose(problem.gradient(*problem.minimum), 0.0, atol=1e-12)


def test_a_way_is_that_of_the_rule():
    way = trajectory(optimizers.SGD(0.1), "ravine", steps=5)
    point = np.array(PROBLEMS["ravine"].start)
    for step in range(6):
        np.testing.assert_allclose(way[step], point, rtol=1e-5, atol=1e-6)
        point = point - 0.1 * np.array(PROBLEMS["ravine"].gradient(*point))


def test_the_figure_shows_every_way_and_its_end():
    figure = trajectory_figure({"one": optimizers.Adam(0.1), "two": optimizers.SGD(0.1)}, "ravine", steps=50)
    (axes,) = figure.axes
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["one", "two"]
    lines = {line.get_label(): line.get_xydata() for line in axes.lines}
    np.testing.assert_allclose(lines["two"], trajectory(optimizers.SGD(0.1), "ravine", steps=50))
    figure.savefig(io.BytesIO(), format="svg")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (({}, "ravine"), r"trajectory_figure\.optimizers must be 1 to 8 optimizers; received 0"),
        (({"a": optimizers.SGD()}, "hill"), r"trajectory\.problem must be one of 'ravine', 'rosenbrock'"),
        (({"a": optimizers.SGD()}, "ravine", 0), r"trajectory\.steps must be an integer >= 1"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        trajectory_figure(*arguments)
