"""Layers whose strength changes while a model trains."""

__all__: list[str] = []
