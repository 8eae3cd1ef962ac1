"""The loss curves of one training."""

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from keras_neural_opt.training._convergence import History

_LABELS = {"loss": "training", "val_loss": "validation"}


def loss_figure(history: History) -> Figure:
    """Return a figure with training and validation loss over the epochs."""
    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.add_subplot()
    drawn = [name for name in _LABELS if name in history]
    for name in drawn:
        epochs = range(1, len(history[name]) + 1)
        axes.plot(epochs, history[name], label=_LABELS[name], marker="o" if len(epochs) == 1 else None)
    if all(value > 0 for name in drawn for value in history[name]):
        axes.set_yscale("log")
    axes.set(xlabel="epoch", ylabel="loss")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    return figure
