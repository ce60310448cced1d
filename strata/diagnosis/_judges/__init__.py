"""The judges: each reads the evidence for one fault and returns a verdict, or None."""

__all__: list[str] = []
