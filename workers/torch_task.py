"""An owner's task: a small network of torch's on the digits of its worker (workers/grace.toml).

Needs torch beside fedsock: pip install torch
"""

import torch
from torch import nn


def train(data, params=None, *, epochs=1, rate=0.1, batch_size=32, seed=0):
    """Train a network 64-32-10 on the digits by SGD, from params (a state dict of arrays) on; streams the loss."""
    x = torch.tensor(data["digits/pixels"], dtype=torch.float32) / 16
    y = torch.tensor(data["digits/labels"], dtype=torch.int64)
    draws = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))
    if params is not None:
        model.load_state_dict({name: torch.tensor(array) for name, array in params.items()})
    optimizer = torch.optim.SGD(model.parameters(), lr=rate)
    metrics = {}
    for epoch in range(epochs):
        total = 0.0
        for batch in torch.randperm(len(y), generator=draws).split(batch_size):
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(x[batch]), y[batch])
            loss.backward()
            optimizer.step()
            total += loss.item() * len(batch)
        with torch.no_grad():
            accuracy = (model(x).argmax(1) == y).float().mean().item()
        metrics = {"epoch": epoch + 1, "loss": total / len(y), "accuracy": accuracy}
        yield metrics
    return {
        "params": {name: part.numpy() for name, part in model.state_dict().items()},
        "n": len(y),
        "metrics": metrics,
    }
