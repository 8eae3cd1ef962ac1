"""What keeps a model from learning its training data by heart: reports on decay and rates, presets of masks."""

__all__: list[str] = []
