"""Which network a search should return where measurements have noise."""

from typing import Any

import numpy as np
from optuna.study import Study

from keras_neural_opt.hpo._gp_acquisition import fitted
from keras_neural_opt.hpo._gp_values import warped
from keras_neural_opt.hpo._space import SearchSpace
from keras_neural_opt.nas._codes import Codes
from keras_neural_opt.nas._finished import finished
from keras_neural_opt.nas._genes import Genotype


def recommended(study: Study, space: Any) -> Genotype:
    """Return the genotype among those tried from which most is to be expected.

    The best of many measurements with noise is one that was lucky. A Gaussian process over genotypes, which takes
    those of similar ones into account, tells the good from the lucky.

    Args:
        study: A study of one objective, whatever its sampler was.
        space: The genes: a `SearchSpace`, or what it is made of.

    Returns:
        A genotype that keeps the constraints, if one does.

    Raises:
        ValueError: No trial completed, or there are several objectives.

    Example:
        >>> import optuna
        >>> from keras_neural_opt.nas import RandomSearch, recommended
        >>> optuna.logging.set_verbosity(optuna.logging.WARNING)
        >>> genes = {"depth": ("int", 1, 9)}
        >>> study = optuna.create_study(sampler=RandomSearch(genes, seed=0))
        >>> study.optimize(lambda trial: abs(trial.suggest_int("depth", 1, 9) - 6), n_trials=9)
        >>> recommended(study, genes)
        {'depth': 6}
    """
    space = space if isinstance(space, SearchSpace) else SearchSpace(space)
    known = finished(study, space)
    if known.table.shape[1] > 1:
        raise ValueError(f"study must have one objective; received {known.table.shape[1]}")
    if not known.succeeded.any():
        raise ValueError("study must have a trial that completed; received none")
    codes, measured = Codes(space), warped(known.table[:, 0])
    x = codes(known.genotypes)
    expected = fitted(x, measured, np.ones(len(space), bool), codes.priors).predict(x)[0]
    # What the process did not expect is half luck, half what the genes of the network do together.
    order = np.lexsort([expected + measured, known.violations, ~known.succeeded])
    return known.genotypes[order[0]]
