"""How much of the space of objectives a Pareto front dominates."""

from optuna._hypervolume import compute_hypervolume

from keras_neural_opt.hpo._gp import Array


def hypervolume(losses: Array, reference: Array) -> float:
    """Return the volume of what at least one row dominates, up to a reference point (Zitzler and Thiele, 1999).

    Args:
        losses: One row a point, one column an objective; less is better.
        reference: The worst that counts; points that are worse in any objective add nothing.
    """
    inside = losses[(losses < reference).all(1)]
    return float(compute_hypervolume(inside, reference)) if len(inside) else 0.0
