"""Going on from a trained network under arguments that may have changed since."""

from __future__ import annotations

from torch import nn

__all__ = ["carried_over"]


def carried_over(old: nn.Module, new: nn.Module) -> nn.Module:
    """Return the network that the arguments describe now, with the weights of the one that was trained before.

    ``new`` needs no memory for its weights: it takes the tensors of ``old``.

    Raises
    ------
    ValueError
        If the arguments describe other weights.
    """
    state, expected = old.state_dict(), new.state_dict()
    for name in sorted({*state, *expected}):
        found, wanted = (None if name not in each else tuple(each[name].shape) for each in (state, expected))
        if found != wanted:
            raise ValueError(
                "`warm_start` and `partial_fit` go on from the weights of the last fit, which the other arguments must "
                f"describe. Received: {name!r} of shape {found}, where they ask for {wanted}. Set back what was "
                "changed, or fit anew with warm_start=False."
            )
    new.load_state_dict(state, assign=True)
    for parameter in new.parameters():
        parameter.requires_grad_(True)
    return new.train(old.training)
