"""How a training runs, apart from what is trained on what."""

from dataclasses import dataclass

from keras_neural_opt._core.arguments import check_arguments, flag, integer, optional

OWNER = "train_neural_network"


@dataclass(frozen=True)
class Settings:
    """The numbers and switches of `train_neural_network`, which documents them. Checked when made.

    Raises:
        ValueError: A value breaks its rule.
    """

    epochs: int = 100
    batch_size: int = 32
    shuffle: bool = True
    early_stopping_patience: int | None = None
    steps_per_epoch: int | None = None
    validation_steps: int | None = None
    run_eagerly: bool | None = None
    jit_compile: bool | None = None
    seed: int | None = None

    def __post_init__(self) -> None:
        check_arguments(
            OWNER,
            epochs=integer(self.epochs, 1),
            batch_size=integer(self.batch_size, 1),
            shuffle=flag(self.shuffle),
            early_stopping_patience=optional(integer(self.early_stopping_patience, 1)),
            steps_per_epoch=optional(integer(self.steps_per_epoch, 1)),
            validation_steps=optional(integer(self.validation_steps, 1)),
            run_eagerly=optional(flag(self.run_eagerly)),
            jit_compile=optional(flag(self.jit_compile)),
            seed=optional(integer(self.seed, 0, 2**32 - 1)),
        )
