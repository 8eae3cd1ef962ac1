import numpy as np
import pytest

from keras_neural_opt.nas._hypervolume import hypervolume

pytestmark = pytest.mark.backend_free


def test_it_is_the_area_that_is_dominated() -> None:
    points = np.array([(1.0, 3.0), (2.0, 1.0), (2.5, 2.0), (9.0, 0.5)])
    assert hypervolume(points, np.array((4.0, 4.0))) == 3.0 + 2.0 * 2.0


def test_what_is_worse_than_the_reference_adds_nothing() -> None:
    assert hypervolume(np.array([(5.0, 0.0)]), np.array((4.0, 4.0))) == 0.0
    assert hypervolume(np.zeros((0, 2)), np.array((4.0, 4.0))) == 0.0


def test_of_three_objectives_it_is_a_volume() -> None:
    boxes = np.array([(0.0, 1.0, 1.0), (1.0, 0.0, 1.0)])
    assert hypervolume(boxes, np.array((2.0, 2.0, 2.0))) == pytest.approx(2.0 + 2.0 - 1.0)
