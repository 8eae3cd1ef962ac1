"""What KerasTuner and Optuna do not promise to keep, and the search relies on: docs/concepts/host_hooks.md lists it."""

import json
from pathlib import Path

import keras_tuner as kt
import numpy as np
import optuna
import pytest
from keras_tuner.src.engine import metrics_tracking
from keras_tuner.src.engine import oracle as kt_oracle
from keras_tuner.src.engine import trial as kt_trial
from optuna._hypervolume import compute_hypervolume
from optuna._transform import _SearchSpaceTransform
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.storages.journal import JournalFileBackend
from optuna.storages.journal._file import BaseJournalFileLock, get_lock_file
from optuna.storages.journal._storage import JournalOperation

from tests.hpo.small import DATA, build

pytestmark = pytest.mark.backend_free

SPACE = {"x": FloatDistribution(0, 1), "y": FloatDistribution(0, 1)}


def test_hyperparameters_are_registered_when_they_are_first_asked_for() -> None:
    registered, retrieved = [], []

    class Seen(kt.HyperParameters):
        def _retrieve(self, hp: object) -> object:
            retrieved.append(hp.name)
            return super()._retrieve(hp)

        def _register(self, hyperparameter: object, overwrite: bool = False) -> object:
            registered.append(hyperparameter.name)
            self.values.setdefault(hyperparameter.name, 7)
            return super()._register(hyperparameter, overwrite)

    hp = Seen()
    assert [hp.Int("n", 1, 9), hp.Int("n", 1, 9)] == [7, 7]
    assert (registered, retrieved) == (["n"], ["n", "n"])
    assert hp._get_name("n") == "n"


def test_a_ladder_of_factors_has_values_by_index() -> None:
    hp = kt.HyperParameters()
    hp.Int("n", 2, 32, step=2, sampling="log")
    ladder = hp.space[0]
    assert [ladder._get_value_by_index(i) for i in range(ladder._get_n_values())] == [2, 4, 8, 16, 32]


def test_a_metric_keeps_its_observations_by_step() -> None:
    history = metrics_tracking.MetricHistory("min")
    history.update(1.0, 3)
    history.update(3.0, 3)
    assert history._observations[3].mean() == 2.0


def test_status_is_text_and_an_objective_knows_its_direction() -> None:
    assert kt_trial.TrialStatus.STOPPED == "STOPPED"
    assert kt_trial.Trial(kt.HyperParameters(), "0", "RUNNING").status == "RUNNING"
    assert metrics_tracking.infer_metric_direction("val_accuracy") == "max"


@pytest.mark.filterwarnings("ignore")
def test_a_tuner_calls_what_is_overridden(tmp_path: Path) -> None:
    called = []

    class Seen(kt.RandomSearch):
        def _populate_initial_space(self) -> None:
            called.append("space")

        def _configure_tensorboard_dir(self, callbacks: list, trial: object, execution: int = 0) -> None:
            called.append("tensorboard")

        def _try_run_and_update_trial(self, trial: object, *args: object, **kwargs: object) -> None:
            called.append("run")
            super()._try_run_and_update_trial(trial, *args, **kwargs)

        def _build_hypermodel(self, hp: object) -> object:
            called.append("build")
            return super()._build_hypermodel(hp)

    tuner = Seen(build, "val_loss", 1, directory=tmp_path, project_name="p")
    tuner.search(*DATA, validation_data=DATA, epochs=1, verbose=0)
    assert called == ["space", "run", "tensorboard", "build"]
    assert Path(tuner._get_checkpoint_fname("0")).parent == Path(tuner.get_trial_dir("0")) == tmp_path / "p" / "trial_0"
    assert Path(tuner._get_build_config_fname("0")).parent == tmp_path / "p" / "trial_0"
    assert tuner._deepcopy_callbacks([]) == []


@pytest.mark.filterwarnings("ignore")
def test_an_oracle_writes_through_save_and_save_trial_under_its_lock(tmp_path: Path) -> None:
    tuner = kt.RandomSearch(build, "val_loss", 1, directory=tmp_path, project_name="p")
    oracle = tuner.oracle
    written = []
    oracle.save = lambda: written.append(oracle._get_oracle_fname())
    oracle._save_trial = lambda trial: written.append(oracle._get_trial_dir(trial.trial_id))
    oracle.create_trial("t")
    assert [Path(name).name for name in written] == ["trial_0", "oracle.json"]
    assert not kt_oracle.LOCKS[oracle].locked()
    assert kt_oracle.THREADS[oracle] is None


def test_a_trial_takes_a_distribution_and_a_distribution_knows_its_values() -> None:
    trial = optuna.create_study().ask()
    assert 0 <= trial._suggest("x", FloatDistribution(0, 1)) <= 1
    choices = CategoricalDistribution(("a", "b"))
    assert choices._contains(choices.to_internal_repr("b"))
    assert not IntDistribution(0, 9)._contains(10.0)


def test_a_finished_trial_refuses_what_comes_late() -> None:
    study = optuna.create_study()
    trial = study.ask()
    study.tell(trial, 1.0)
    with pytest.raises(optuna.exceptions.UpdateFinishedTrialError):
        study._storage.set_trial_user_attr(trial._trial_id, "late", 1)


def test_what_is_enqueued_is_found_under_fixed_params() -> None:
    study = optuna.create_study()
    study.enqueue_trial({"x": 0.5})
    trial = study.ask()
    assert study.get_trials(deepcopy=False)[trial.number].system_attrs["fixed_params"] == {"x": 0.5}


def test_a_journal_appends_under_a_lock_and_says_what_it_does(tmp_path: Path) -> None:
    path = str(tmp_path / "journal")

    class Lock(BaseJournalFileLock):
        held = False

        def acquire(self) -> bool:
            self.held = True
            return True

        def release(self) -> None:
            self.held = False

    class Seen(JournalFileBackend):
        def append_logs(self, logs: list[dict]) -> None:
            with get_lock_file(self._lock):
                assert self._lock.held
                operations.extend(log["op_code"] for log in logs)
                Path(self._file_path).write_text("".join(json.dumps(log) + "\n" for log in logs))

    operations: list[int] = []
    storage = optuna.storages.journal.JournalStorage(Seen(path, Lock()))
    storage.create_new_study([optuna.study.StudyDirection.MINIMIZE])
    assert operations == [JournalOperation.CREATE_STUDY]
    assert JournalOperation.SET_TRIAL_STATE_VALUES not in operations


def test_the_covariance_is_made_restored_and_told_through_these_names() -> None:
    sampler = optuna.samplers.CmaEsSampler(seed=1)
    transform = _SearchSpaceTransform(SPACE, transform_step=True, transform_0_1=True)
    optimizer = sampler._init_optimizer(transform, optuna.study.StudyDirection.MINIMIZE)
    assert optimizer.dim == 2
    assert transform.transform({"x": 0.25, "y": 0.5}).tolist() == [0.25, 0.5]
    assert sampler._restore_optimizer([]) is None
    assert sampler._attr_key_generation == "cma:generation"
    state = sampler._cma_rng.rng.get_state()
    first = sampler._cma_rng.rng.randint(1000)
    sampler._cma_rng.rng.set_state(state)
    assert sampler._cma_rng.rng.randint(1000) == first
    assert sampler._split_optimizer_str("ab") == {"cma:optimizer:0": "ab"}
    assert np.isscalar(optimizer.generation)


def test_a_hypervolume_is_that_of_boxes() -> None:
    assert compute_hypervolume(np.array([(1.0, 2.0), (2.0, 1.0)]), np.array((3.0, 3.0))) == 3.0
