"""The rooms *Pictures* and *Codes*: a digit that networks answer, codes of pictures, filters as they form."""

__all__: list[str] = []
