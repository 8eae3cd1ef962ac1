"""A search in Optuna's storage: what is searched, and all that is known of it."""

import json
import threading
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import optuna
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from keras_neural_opt.hpo import _records as records
from keras_neural_opt.hpo._constraints import feasible
from keras_neural_opt.hpo._journal import open_storage
from keras_neural_opt.hpo._objectives import undominated
from keras_neural_opt.hpo._quiet import without_news
from keras_neural_opt.hpo._space import SearchSpace
from keras_neural_opt.hpo._warm_start import findings

_STATES = {"min": StudyDirection.MINIMIZE, "max": StudyDirection.MAXIMIZE}


class StoredSearch:
    """The study of an oracle, which says what is searched; the first use opens it."""

    objectives: list[Any]
    directions: dict[str, str]
    seed: int | None
    study_name: str
    _sign: float
    _storage: Any
    _pruner: Any
    _declared: SearchSpace
    _lock: threading.RLock
    _study: optuna.Study | None

    @property
    def study(self) -> optuna.Study:
        """The study, which the first use opens."""
        with self._lock:
            if self._study is None:
                self._open()
            return self._study

    def use_storage(self, where: Any) -> None:
        """Use the storage at that place, unless another was chosen or is open."""
        if self._storage is None and self._study is None:
            self._storage = where

    def space(self) -> SearchSpace:
        """Return the space known so far."""
        space = records.remembered(self.study)
        # What the labels stand for is in the program alone.
        declared = self._declared.by_key()
        space.parameters = [declared.get(p.key, p) for p in space]
        return space

    @without_news()
    def _open(self) -> None:
        directions = [_STATES[each.direction] for each in self.objectives]
        study = optuna.create_study(
            storage=open_storage(self._storage),
            study_name=self.study_name,
            directions=directions,
            pruner=self._pruner,
            load_if_exists=True,
        )
        wanted = {"objectives": self.directions, "space": {p.key: p.to_json() for p in self._declared}}
        known = records.settings(study)
        for name, value in wanted.items():
            if known and known[name] != value:
                raise ValueError(
                    f"OptunaOracle.{name} must be those of the study {self.study_name!r}, which exists:"
                    f" {known[name]}; received {value}. Choose another name, or overwrite it"
                )
        if known and self.seed not in (None, known["seed"]):
            raise ValueError(
                f"OptunaOracle.seed must be that of the study {self.study_name!r}, {known['seed']};"
                f" received {self.seed}"
            )
        self.seed = known["seed"] if known else self.seed
        if self.seed is None:
            self.seed = int(np.random.SeedSequence().generate_state(1)[0] >> 1)
        if not known:
            for parameter in self._declared:
                records.remember(study, parameter)
            with warnings.catch_warnings():  # Optuna calls the names experimental.
                warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
                study.set_metric_names(list(self.directions))
            study.set_user_attr(records.SETTINGS, json.dumps({**wanted, "seed": self.seed}))
        self._study = study

    @without_news()
    def begin_with(self, points: Sequence[Mapping[str, Any]]) -> None:
        """Try these values by name first; a search that is continued has done so.

        Raises:
            ValueError: A point has a name or a value that the space does not have.
        """
        drawn = [self.space().drawn(point) for point in points]
        for point in drawn:
            self.study.enqueue_trial(point, skip_if_exists=True)

    def learn_from(self, earlier: Any) -> None:
        """Let the sampler know what an earlier search found; a search that is continued knows it.

        Args:
            earlier: A `SearchResult`, the folder of a KerasTuner project, or a list of pairs of values by name and
                objective. What the space does not have is left out: it must have been declared.

        Raises:
            ValueError: It is none of these, or has nothing of the space.
        """
        found = findings(earlier)
        if any(records.EARLIER in t.user_attrs for t in self.study.get_trials(deepcopy=False)):
            return
        space = self.space()
        known = {p.name: p for p in space}
        pairs = [({n: v for n, v in values.items() if n in known and known[n].accepts(v)}, y) for values, y in found]
        pairs = [(values, y) for values, y in pairs if values and len(y) == len(self.objectives)]
        if not pairs:
            raise ValueError(f"OptunaOracle.warm_start must have values of {sorted(known) or 'a declared space'}")
        for values, objectives in pairs:
            drawn = space.drawn(values)
            distributions = {key: p.distribution for key, p in space.by_key().items() if key in drawn}
            attributes = {records.EARLIER: True}
            self.study.add_trial(
                optuna.create_trial(
                    values=list(objectives), params=drawn, distributions=distributions, user_attrs=attributes
                )
            )

    def _counted(self) -> list[FrozenTrial]:
        return [t for t in self.study.get_trials(deepcopy=False) if records.counts(t)]

    def _stored(self, number: int) -> FrozenTrial:
        return self.study.get_trials(deepcopy=False)[number]

    def _best(self, trials: list[FrozenTrial]) -> list[FrozenTrial]:
        """Return the completed trials from the best on, or those that no other is better than in everything."""
        complete = feasible([t for t in trials if t.state == TrialState.COMPLETE])
        if len(self.objectives) > 1:
            signs = [1.0 if each.direction == "min" else -1.0 for each in self.objectives]
            return undominated(complete, signs)
        return sorted(complete, key=lambda t: (self._sign * t.value, t.number))

    def best(self) -> list[FrozenTrial]:
        """Return Optuna's completed trials, the best first; for several objectives the Pareto front."""
        return self._best(self._counted())
