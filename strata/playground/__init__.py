"""The local page in which a network of the library learns before one's eyes.

The server (``server``, ``session``, ``guard``) knows no network; a room process for each page (``room``, ``neurons``)
owns the data, the configuration and the history, and lets a training process learn.
"""

__all__: list[str] = []
