"""The tuner of architecture searches."""

from pathlib import Path
from typing import Any

from keras_neural_opt.hpo import _records as records
from keras_neural_opt.hpo._refused import RefusedTrialError
from keras_neural_opt.hpo._trial_weights import load_weights
from keras_neural_opt.hpo._tuner import OptunaTuner
from keras_neural_opt.nas._genes import distance
from keras_neural_opt.nas._inheritance import inherit
from keras_neural_opt.nas._screens import Screen


class ArchitectureTuner(OptunaTuner):
    """Trains networks that are worth it, of which each may begin with the weights of its nearest relative.

    Args:
        hypermodel: A `SearchedArchitecture`.
        *args: As of `OptunaTuner`.
        inherits: Whether networks begin with weights of others.
        screen: What discards networks before they are trained, or None.
        **kwargs: As of `OptunaTuner`.
    """

    def __init__(
        self, hypermodel: Any, *args: Any, inherits: bool = False, screen: Screen | None = None, **kwargs: Any
    ) -> None:
        super().__init__(hypermodel, *args, **kwargs)
        self._inherits, self._screen = inherits, screen

    def _fit(self, trial: Any, model: Any, *args: Any, **kwargs: Any) -> Any:
        self.hypermodel.measure(trial.hyperparameters, model)
        if trial.hyperparameters.continues is None:
            if self._screen is not None:
                self._discard_the_worst(self._screen, trial, model)
            relative = self._nearest(trial) if self._inherits else None
            if relative is not None:
                inherit(model, relative)
        return super()._fit(trial, model, *args, **kwargs)

    def _discard_the_worst(self, screen: Screen, trial: Any, model: Any) -> None:
        hp, study = trial.hyperparameters, self.oracle.study
        scores = screen.scores(self.hypermodel.genotype(hp.values), model, self.hypermodel.batch())
        hp.measured.update(scores)
        stored = study.get_trials(deepcopy=False)[int(trial.trial_id)]
        reason = screen.reason(study, stored, self.oracle.space().values(stored.params), scores)
        if reason is not None:
            raise RefusedTrialError(reason, hp.measured)

    def _nearest(self, trial: Any) -> Any:
        """Return the network of an earlier trial that differs least, with its weights, or None."""
        searched, space = self.hypermodel, self.oracle.space()
        own = searched.genotype(trial.hyperparameters.values)
        earlier = self.oracle.study.get_trials(deepcopy=False)[: int(trial.trial_id)]
        candidates = [
            (distance(searched.architectures.genes, own, genotype), -each.number, genotype)
            for each in earlier
            # A lost trial may have left weights of the very network that is now trained again.
            if records.counts(each)
            and (genotype := searched.genotype(space.values(each.params)))
            and self._weights_of(each.number).is_file()
        ]
        if not candidates:
            return None
        _, number, genotype = min(candidates, key=lambda each: each[:2])
        model = searched.architectures.build(genotype, searched.task.input_shape, searched.task.outputs)
        load_weights(model, self._weights_of(-number))
        return model

    def _weights_of(self, number: int) -> Path:
        return Path(self._get_checkpoint_fname(f"{number:04d}"))
