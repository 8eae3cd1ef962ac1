"""What the benchmark of compression trains, by which optimizer, and what it compares."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from keras_neural_opt import optimizers, schedules
from keras_neural_opt.benchmarks._train_tasks import TASKS, Task
from keras_neural_opt.compression import Cast, Compressor, ErrorFeedback, Int4, Int8, PowerSGD, TopK, WarmUp
from keras_neural_opt.distributed import DistributedOptimizer

WORKERS, WITHOUT_FEEDBACK = 4, "top-k, no feedback"
_CLIMBS = 0.1  # of the steps
# In what part of the steps `PowerSGD` sends all of the gradients first, as torch's hook does, and in what part that
# which `TopK` sends falls to a hundredth: what waits to be sent is training that is missing.
_EXACT, _FALLS = 0.1, 0.6


@dataclass(frozen=True)
class Setting:
    """How a task is trained, whatever the compressor, and how much a compressor may cost.

    Args:
        task: The network, its data, batch size of all workers together and number of steps.
        optimizer: Makes the optimizer, given its learning rate.
        named: What the record calls it.
        rate: The learning rate at the top: it climbs over a tenth of the steps and falls along a cosine to 0.
        bound: What the difference of the last score must stay below, with 95 %.
    """

    task: Task
    optimizer: Callable[[Any], Any]
    named: str
    rate: float
    bound: float

    def make(self, compression: Compressor | None) -> Any:
        """Return the optimizer of all workers.

        Args:
            compression: What they send.
        """
        climbs = round(_CLIMBS * self.task.steps)
        falling = schedules.CosineAnnealing(self.rate, self.task.steps - climbs)
        return DistributedOptimizer(self.optimizer(schedules.Warmup(falling, climbs)), compression)

    def described(self, source: str) -> dict[str, Any]:
        """Return all that a run depends on, ready for JSON; with other settings runs are not to be compared.

        Args:
            source: Where the data come from.
        """
        return {
            "title": self.task.title,
            "metric": self.task.metric,
            "data": source,
            "batch": self.task.batch,
            "steps": self.task.steps,
            "judged_on": self.task.judged_on,
            "optimizer": self.named,
            "learning_rate": self.rate,
            "bound": self.bound,
            "workers": WORKERS,
            "contestants": {name: repr(made) for name, made in contestants(self).items()},
        }


def contestants(setting: Setting) -> Mapping[str, Compressor | None]:
    """Return what workers send, the first of which the others are compared with.

    Args:
        setting: What is trained.
    """
    steps = setting.task.steps
    top_k = TopK(0.01, warmup_steps=round(_FALLS * steps))
    return {
        "none": None,
        "fp16": Cast("float16"),
        "int8": Int8(),
        "int4": Int4(),
        "PowerSGD": WarmUp(PowerSGD(rank=4), round(_EXACT * steps)),
        "top-k": top_k,
        WITHOUT_FEEDBACK: ErrorFeedback(top_k, decay=0.0),
    }


def _momentum(rate: Any) -> Any:
    return optimizers.SGD(rate, momentum=0.9)


SETTINGS = {
    "mnist": Setting(
        replace(TASKS["mnist"], batch=128, steps=1_000, judged_on=10_000), optimizers.Adam, "Adam", 0.005, 0.005
    ),
    "cifar10": Setting(
        replace(TASKS["cifar10"], batch=32, steps=800, judged_on=2_000), _momentum, "SGD, momentum 0.9", 0.1, 0.025
    ),
    "shakespeare": Setting(
        replace(TASKS["shakespeare"], batch=16, steps=2_400, judged_on=2_000),
        _momentum,
        "SGD, momentum 0.9",
        0.2,
        0.02,
    ),
}

# Of what workers send, in the order of tables and pictures.
NAMES = tuple(contestants(SETTINGS["mnist"]))
