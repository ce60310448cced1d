"""Rules small enough to be killed at every step, with every kind of state that a rule can have."""

import numpy as np
import torch
from torch import nn

from strata.data.sources import ArraySource
from strata.rules.base import Rule

N_ROWS, N_INPUTS, BATCH_SIZE = 39, 4, 8  # five batches an epoch, the last one of seven rows


class TinyRule(Rule):
    """Batch norm, dropout and noise from the global generators, AdamW, and a schedule that counts steps."""

    def __init__(self, *, seed=0, base=0.05, decay=0.97, calls=1):
        super().__init__()
        torch.manual_seed(seed)
        layers = nn.Linear(N_INPUTS, 8), nn.BatchNorm1d(8), nn.Tanh(), nn.Dropout(0.3), nn.Linear(8, 1)
        self.net = nn.Sequential(*layers).double()
        self.optimizer = torch.optim.AdamW(self.net.parameters(), lr=base)
        self.base, self.decay, self.t = base, decay, 0
        self.batches_per_call = calls
        self.seen = []

    def step(self, batch):
        self.optimizer.param_groups[0]["lr"] = self.rate
        noise = 0.1 * torch.randn(batch.x.shape, dtype=batch.x.dtype) + 0.1 * float(np.random.rand())
        loss = ((self.net(batch.x + noise) - batch.y) ** 2).mean()
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        self.t += 1
        self.seen += batch.x[:, 0].tolist()
        return {"loss": loss.detach(), "weight": torch.tensor(float(len(batch.x)))}

    def evaluate(self, batch):
        with torch.no_grad():
            return {"loss": ((self.net(batch.x) - batch.y) ** 2).mean()}

    def forward(self, x):
        return self.net(x)

    @property
    def rate(self):
        return self.base * self.decay**self.t

    def lower_rate(self, factor):
        if self.base < 1e-3:
            return False
        self.base *= factor
        return True

    def describe(self):
        return {"rule": "TinyRule", "decay": self.decay}

    def get_extra_state(self):
        return {"optimizer": self.optimizer.state_dict(), "t": self.t, "base": self.base}

    def set_extra_state(self, state):
        self.optimizer.load_state_dict(state["optimizer"])
        self.t, self.base = state["t"], state["base"]


class ScriptedRule(Rule):
    """Log given losses, one per batch, and learn nothing but their count."""

    def __init__(self, losses, *, weights=None, calls=1, rate=None, n_lowerings=0):
        super().__init__()
        self.register_buffer("t", torch.zeros((), dtype=torch.int64))
        self.weight = nn.Parameter(torch.zeros(2))
        self.losses, self.weights = list(losses), weights
        self.batches_per_call = calls
        self._rate, self.n_lowerings = rate, n_lowerings
        self.ended = []

    def step(self, batch):
        t = int(self.t)
        self.t += 1
        with torch.no_grad():
            self.weight += 1
        logs = {"loss": torch.tensor(self.losses[t], dtype=torch.float64)}
        if self.weights is not None:
            logs["weight"] = torch.tensor(self.weights[t], dtype=torch.float64)
        return logs

    def evaluate(self, batch):
        return self.step(batch)

    def forward(self, x):
        return x

    def end_epoch(self, figures):
        self.ended.append(dict(figures))

    @property
    def rate(self):
        return self._rate

    def lower_rate(self, factor):
        if self.n_lowerings == 0:
            return False
        self.n_lowerings -= 1
        self._rate *= factor
        return True


def tiny_source(*, random_state=7, batch_size=BATCH_SIZE, n_rows=N_ROWS):
    """Rows whose first input is their number, so that a test can tell which were seen."""
    data = np.random.RandomState(3)
    x = data.randn(n_rows, N_INPUTS)
    y = x @ np.array([[0.3], [1.0], [-2.0], [0.5]])
    x[:, 0] = np.arange(n_rows)
    return ArraySource(x, y, batch_size=batch_size, random_state=random_state)


def tiny_validation(rule):
    """Figures of data that the rule does not learn from."""
    data = np.random.RandomState(4)
    x = data.randn(11, N_INPUTS)
    with torch.no_grad():
        scores = rule(torch.from_numpy(x))
    return {"loss": float(((scores - torch.from_numpy(x.sum(1, keepdims=True))) ** 2).mean())}
