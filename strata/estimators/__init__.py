"""Placeholder; the worker of this room writes it."""

__all__: list[str] = []
