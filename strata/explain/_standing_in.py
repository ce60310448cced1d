"""Stands in for strata.models until it is there."""

from torch import nn

__all__ = ["blocks_of", "head_of"]


def blocks_of(network: nn.Module) -> tuple[tuple[str, ...], ...]:
    """Return the top-level children, one block each; a sequence alone is opened."""
    prefix, module = "", network
    while len(list(module.children())) <= 2:
        first = next(((n, c) for n, c in module.named_children() if isinstance(c, nn.Sequential)), None)
        if first is None:
            break
        prefix, module = f"{prefix}{first[0]}.", first[1]
    inner = [(f"{prefix}{n}",) for n, _ in module.named_children()]
    rest = [(n,) for n, _ in network.named_children() if prefix and not prefix.startswith(f"{n}.")]
    return tuple(inner + rest)


def head_of(network: nn.Module) -> str:
    """Return the last layer with weights."""
    return [str(n) for n, m in network.named_modules() if isinstance(m, (nn.Linear, nn.Conv2d))][-1]
