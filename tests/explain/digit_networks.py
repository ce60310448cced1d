"""Small networks that learn digits in seconds."""

import torch
from sklearn.datasets import load_digits
from torch import nn


class Residual(nn.Module):
    """A block whose rectifiers are a module used twice and a function, and whose sum writes into its input."""

    def __init__(self, channels):
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(channels)
        self.second = nn.Conv2d(channels, channels, 3, padding=1)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x):
        out = self.relu(self.norm(self.first(x)))
        out = self.second(out)
        out += x
        return torch.relu_(out)


def sequential(seed):
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3, padding=1),
        nn.ReLU(inplace=True),
        nn.Flatten(),
        nn.Dropout(0.2),
        nn.Linear(32 * 16, 10),
    )


def residual(seed):
    """Ends in global average pooling and one dense layer."""
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Conv2d(1, 24, 4, stride=2, padding=1),
        nn.BatchNorm2d(24),
        nn.ReLU(inplace=True),
        Residual(24),
        Residual(24),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(24, 10),
    )


def digits():
    """Images (n, 1, 8, 8) from 0 to 1, and labels; the last 300 are for testing."""
    x, y = load_digits(return_X_y=True)
    return torch.tensor(x / 16, dtype=torch.float32).reshape(-1, 1, 8, 8), torch.tensor(y)


def learn(network, x, y, *, n_epochs, rate=3e-3):
    optimizer = torch.optim.Adam(network.parameters(), rate, weight_decay=1e-4)
    network.train()
    for epoch in range(n_epochs):
        for rows in torch.randperm(len(x), generator=torch.Generator().manual_seed(epoch)).split(64):
            optimizer.zero_grad(set_to_none=True)
            nn.functional.cross_entropy(network(x[rows]), y[rows]).backward()
            optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    return network.eval()
