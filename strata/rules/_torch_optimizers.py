"""The forms that torch does not have, as subclasses of its optimizer."""

from collections.abc import Callable
from math import sqrt
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

__all__ = ["AdamForm", "LectureRMSprop", "LectureSGD", "RpropForm"]


class _Elementwise(Optimizer):
    """An optimizer whose update is one function of a parameter, its gradient, its state and its group."""

    def _update(self, w: Tensor, g: Tensor, state: dict[str, Any], group: dict[str, Any]) -> None:
        raise NotImplementedError

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update every parameter that has a gradient."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self._update(parameter, parameter.grad, self.state[parameter], group)
        return loss


class LectureSGD(_Elementwise):
    """Momentum whose velocity is in parameter units (Goodfellow et al., algorithm 8.2)."""

    def __init__(self, params: Any, *, lr: float, momentum: float, nesterov: bool, weight_decay: float) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum, "nesterov": nesterov, "weight_decay": weight_decay})

    def _update(self, w: Tensor, g: Tensor, state: dict[str, Any], group: dict[str, Any]) -> None:
        rate, momentum = group["lr"], group["momentum"]
        if group["weight_decay"]:
            g = g.add(w, alpha=group["weight_decay"])
        if not momentum:
            w.sub_(g, alpha=rate)
            return
        if "velocity" not in state:
            state["velocity"] = torch.zeros_like(w)
        velocity = state["velocity"].mul_(momentum).sub_(g, alpha=rate)
        if group["nesterov"]:
            w.add_(velocity, alpha=momentum).sub_(g, alpha=rate)
        else:
            w.add_(velocity)


class LectureRMSprop(_Elementwise):
    """RMSProp with the constant inside the root (Goodfellow et al., algorithm 8.5)."""

    def __init__(self, params: Any, *, lr: float, alpha: float, eps: float) -> None:
        super().__init__(params, {"lr": lr, "alpha": alpha, "eps": eps})

    def _update(self, w: Tensor, g: Tensor, state: dict[str, Any], group: dict[str, Any]) -> None:
        if "square_avg" not in state:
            state["square_avg"] = torch.zeros_like(w)
        mean = state["square_avg"].mul_(group["alpha"]).addcmul_(g, g, value=1 - group["alpha"])
        w.addcdiv_(g, (mean + group["eps"]).sqrt_(), value=-group["lr"])


class AdamForm(_Elementwise):
    """Adam with the constant inside the root ("lecture") or before the correction ("efficient")."""

    def __init__(
        self, params: Any, *, lr: float, betas: tuple[float, float], eps: float, weight_decay: float = 0.0, form: str
    ) -> None:
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay, "form": form})

    def _update(self, w: Tensor, g: Tensor, state: dict[str, Any], group: dict[str, Any]) -> None:
        if not state:
            state.update(step=0, exp_avg=torch.zeros_like(w), exp_avg_sq=torch.zeros_like(w))
        state["step"] += 1
        (beta_1, beta_2), rate = group["betas"], group["lr"]
        correction_1, correction_2 = 1 - beta_1 ** state["step"], 1 - beta_2 ** state["step"]
        mean = state["exp_avg"].mul_(beta_1).add_(g, alpha=1 - beta_1)
        square = state["exp_avg_sq"].mul_(beta_2).addcmul_(g, g, value=1 - beta_2)
        if group["weight_decay"]:
            w.mul_(1 - rate * group["weight_decay"])
        if group["form"] == "lecture":
            w.addcdiv_(mean, (square / correction_2 + group["eps"]).sqrt_(), value=-rate / correction_1)
        else:
            w.addcdiv_(mean, square.sqrt().add_(group["eps"]), value=-rate * sqrt(correction_2) / correction_1)


class RpropForm(_Elementwise):
    """Rprop with ("plus") and without ("minus") taking back the step after which a sign turned."""

    def __init__(
        self, params: Any, *, lr: float, etas: tuple[float, float], step_sizes: tuple[float, float], form: str
    ) -> None:
        super().__init__(params, {"lr": lr, "etas": etas, "step_sizes": step_sizes, "form": form})

    def _update(self, w: Tensor, g: Tensor, state: dict[str, Any], group: dict[str, Any]) -> None:
        if not state:
            state.update(sign=torch.zeros_like(w), step_size=torch.full_like(w, group["lr"]))
        (down, up), (smallest, largest) = group["etas"], group["step_sizes"]
        kept, size, sign = state["sign"], state["step_size"], g.sign()
        same, turned = kept * sign > 0, kept * sign < 0
        grown, shrunk = (size * up).clamp_(max=largest), (size * down).clamp_(min=smallest)
        if group["form"] == "plus":
            w.add_(torch.where(turned, kept * size, -sign * torch.where(same, grown, size)))
            sign = torch.where(turned, torch.zeros_like(sign), sign)
            state["step_size"] = torch.where(same, grown, torch.where(turned, shrunk, size))
        else:
            state["step_size"] = torch.where(same, grown, torch.where(turned, shrunk, size))
            w.sub_(sign * state["step_size"])
        state["sign"] = sign
