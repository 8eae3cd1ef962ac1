"""The Gaussian process, against its definition."""

import numpy as np
import pytest

from keras_neural_opt.hpo import _gp
from tests.oracles import gaussian_process as oracle

pytestmark = pytest.mark.backend_free

CATEGORICAL = np.array([False, True, False, True])


def data(points=12, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.random((points, 4))
    x[:, CATEGORICAL] = rng.integers(0, 3, (points, 2))
    y = np.sin(6 * x[:, 0]) + 0.5 * (x[:, 1] == 1) + 0.01 * rng.standard_normal(points)
    return x, (y - y.mean()) / y.std()


def process(points=12):
    x, y = data(points)
    return _gp.GaussianProcess(_gp.Kernel(CATEGORICAL, np.array([9.0, 0.4, 1.5, 2.0]), 1.7, 0.01), x, y)


def slope(function, x, step=1e-6):
    return np.array([(function(x + step * e) - function(x - step * e)) / (2 * step) for e in np.eye(len(x))])


def test_the_posterior_is_that_of_the_definition():
    gp, at = process(), data(5, seed=1)[0]
    mean, deviation = gp.predict(at)
    for point, m, d in zip(at, mean, deviation, strict=True):
        expected = oracle.posterior(gp.x, gp.y, point, gp.kernel.weights, CATEGORICAL, 1.7, 0.01)
        assert m == pytest.approx(expected[0], rel=1e-6)
        assert d**2 == pytest.approx(expected[1], rel=1e-6)


def test_gradients_of_a_prediction_are_those_of_finite_differences():
    gp, at = process(), data(2, seed=2)[0][0]
    mean, deviation, d_mean, d_deviation = gp.predict_with_gradient(at)
    assert (mean, deviation) == pytest.approx([each[0] for each in gp.predict(at[None])])
    # A category has no slope: a tiny step away from one is another one.
    numeric = ~CATEGORICAL
    for given, which in ((d_mean, 0), (d_deviation, 1)):

        def along(part, which=which):
            point = at.copy()
            point[numeric] = part
            return gp.predict(point[None])[which][0]

        np.testing.assert_allclose(given[numeric], slope(along, at[numeric]), rtol=1e-6, atol=1e-9)
        assert not given[~numeric].any()


def test_the_evidence_is_that_of_the_definition_and_its_gradient_that_of_differences():
    x, y = data()
    posterior = _gp.LogPosterior(x, y, CATEGORICAL)
    first, second = np.log([[9.0, 0.4, 1.5, 2.0, 1.7, 0.01], [2.0, 1.0, 0.2, 0.1, 0.5, 0.1]])

    def value(logs):
        values, standard = np.exp(logs), (logs - posterior.prior_mean) / posterior.prior_deviation
        evidence = oracle.posterior(x, y, x[0], values[:4], CATEGORICAL, values[4], values[5])[2]
        return -evidence + 0.5 * standard @ standard

    # Both without their constants.
    assert posterior(first)[0] - posterior(second)[0] == pytest.approx(value(first) - value(second), rel=1e-6)
    for logs in (first, second):
        np.testing.assert_allclose(posterior(logs)[1], slope(lambda at: posterior(at)[0], logs), rtol=1e-5, atol=1e-6)


def test_no_hyperparameters_are_more_probable_than_those_fitted():
    x, y = data(30)
    posterior, kernel = _gp.LogPosterior(x, y, CATEGORICAL), _gp.fit(x, y, CATEGORICAL).kernel
    found = np.log([*kernel.weights, kernel.signal, kernel.noise])
    low, high = np.array(posterior.bounds).T
    others = np.clip(found + np.random.default_rng(0).normal(0, 1, (200, 6)), low, high)
    assert posterior(found)[0] < min(posterior(other)[0] for other in others)
    # The sine runs through column 0, and nothing through column 2.
    assert kernel.weights[0] > 10 * kernel.weights[2]


def test_what_is_assumed_changes_no_mean_and_leaves_less_doubt():
    gp, at = process(), data(3, seed=3)[0]
    after = gp.assuming(at)
    np.testing.assert_allclose(after.predict(data(4, seed=4)[0])[0], gp.predict(data(4, seed=4)[0])[0], atol=1e-9)
    assert (after.predict(at)[1] < 0.25 * gp.predict(at)[1]).all()


@pytest.mark.parametrize("z", [-1e3, -30.0, -5.0, -1.001, -0.999, 0.0, 2.0, 5.0])
def test_the_logarithm_of_the_expected_improvement_is_that_of_the_integral(z):
    assert _gp.log_improvement(np.array([z]))[0] == pytest.approx(oracle.log_improvement(z), rel=1e-9)


@pytest.mark.parametrize("z", [-2e4, -1e6])
def test_far_out_it_is_the_densitys_over_the_square(z):
    # Of the integral's series the first term: the next is 3 / z**2 of it, too fine for quadrature and for this test.
    expected = -z * z / 2 - np.log(2 * np.pi) / 2 - 2 * np.log(-z)
    assert _gp.log_improvement(np.array([z]))[0] == pytest.approx(expected, rel=0, abs=1e-6 + 1e-15 * z * z)


def test_the_expected_improvement_has_a_slope_where_it_is_less_than_any_float():
    z = np.array([-1e6, -2e4, -9999.0, -100.0, -3.0, 0.5])
    values, slopes = _gp.log_improvement(z), _gp.log_improvement_slope(z)
    assert np.isfinite(values).all()
    differences = (_gp.log_improvement(z * (1 + 1e-6)) - _gp.log_improvement(z * (1 - 1e-6))) / (2e-6 * z)
    np.testing.assert_allclose(slopes, differences, rtol=1e-4)
