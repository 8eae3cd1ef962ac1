"""Ranger."""

from typing import Any

from keras_neural_opt.optimizers._lookahead import Lookahead
from keras_neural_opt.optimizers._radam import RAdam
from keras_neural_opt.optimizers._wrapper import export


@export
class Ranger(Lookahead):
    r"""RAdam with Lookahead (Wright, 2019).

    The two methods that make a rate forgiving, in one: rectified Adam needs no warm-up, `Lookahead` little tuning. A
    good first try where there is no time to search.

    .. math::
        \theta_t' = \operatorname{RAdam}(\theta_{t-1}, g_t), \qquad
        \theta_t = \phi_t = \phi_{t-k} + \alpha (\theta_t' - \phi_{t-k}) \quad \text{if } t \bmod k = 0

    Args:
        learning_rate: That of `RAdam`. Defaults to 0.001.
        sync_period: :math:`k \ge 1`. Defaults to 6.
        slow_step_size: :math:`\alpha` in (0, 1]. Defaults to 0.5.
        beta_1: Decay of the mean, in [0, 1). Defaults to 0.95.
        beta_2: Decay of the mean square, in [0, 1). Defaults to 0.999.
        epsilon: Added to the root, >= 0. Defaults to 1e-5.
        name: The name of this optimizer.
        **kwargs: The other arguments of `RAdam`.

    Raises:
        ValueError: An argument breaks its rule.

    Example:
        >>> import keras_neural_opt as kno
        >>> optimizer = kno.optimizers.Ranger(1e-3, weight_decay=0.01)

    Note:
        The author's defaults; add `gradient_transforms` for what later versions do to gradients. State: 12 bytes a
        float32 parameter.

    References:
        Wright, New Deep Learning Optimizer, Ranger, 2019,
        https://www.github.com/lessw2020/Ranger-Deep-Learning-Optimizer
    """

    def __init__(
        self,
        learning_rate: Any = 0.001,
        sync_period: int = 6,
        slow_step_size: float = 0.5,
        beta_1: float = 0.95,
        beta_2: float = 0.999,
        epsilon: float = 1e-5,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        inner = RAdam(learning_rate, beta_1, beta_2, epsilon, **kwargs)
        super().__init__(inner, sync_period, slow_step_size, name=name)

    def get_config(self) -> dict[str, Any]:
        """Return the constructor arguments, JSON-ready."""
        inner = self.inner_optimizer.get_config()
        del inner["name"]
        own = super().get_config()
        return {**inner, **{name: own[name] for name in ("sync_period", "slow_step_size", "name")}}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: dict[str, Any] | None = None) -> "Ranger":
        """Return an optimizer with this configuration, without state."""
        own = {name: config[name] for name in ("sync_period", "slow_step_size", "name") if name in config}
        inner = RAdam.from_config({k: x for k, x in config.items() if k not in own}, custom_objects)
        ranger = cls(**own)
        ranger.inner_optimizer = inner
        return ranger
