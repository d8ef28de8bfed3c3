"""Golden values of CBAM and MixStyle, written after the authors' code (Jongchan/attention-module, KaiyangZhou/mixstyle-release).

usage: python feature_blocks.py > feature_blocks.json        (torch 2.13; weights and inputs come from fill.py)
"""
import json

import torch
import torch.nn.functional as F
from torch import nn

from fill import fill_module, filled


class ChannelGate(nn.Module):
    def __init__(self, channels, reduction=16):
        super().__init__()
        hidden = max(channels // reduction, 1)
        self.mlp = nn.Sequential(nn.Flatten(), nn.Linear(channels, hidden), nn.ReLU(), nn.Linear(hidden, channels))

    def forward(self, x):
        size = x.shape[2:]
        attention = self.mlp(F.avg_pool2d(x, size)) + self.mlp(F.max_pool2d(x, size))
        return x * torch.sigmoid(attention).unsqueeze(2).unsqueeze(3)


class BasicConv(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(2, 1, 7, padding=3, bias=False)
        self.bn = nn.BatchNorm2d(1, eps=1e-5, momentum=0.01)

    def forward(self, x):
        return self.bn(self.conv(x))


class SpatialGate(nn.Module):
    def __init__(self):
        super().__init__()
        self.spatial = BasicConv()

    def forward(self, x):
        pooled = torch.cat((x.max(1)[0].unsqueeze(1), x.mean(1).unsqueeze(1)), dim=1)
        return x * torch.sigmoid(self.spatial(pooled))


class Cbam(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.ChannelGate, self.SpatialGate = ChannelGate(channels), SpatialGate()

    def forward(self, x):
        return self.SpatialGate(self.ChannelGate(x))


def numbers(tensor):
    return {"shape": list(tensor.shape), "values": [float(f"{v:.7g}") for v in tensor.detach().flatten().tolist()]}


def cbam():
    module = Cbam(32)
    fill_module(module)
    x = filled("input", (2, 32, 3, 5)).mul(5).requires_grad_()
    module.eval()
    evaluated = module(x)
    (evaluated * filled("cotangent", x.shape)).sum().backward()
    module.train()
    trained = module(x)
    state = module.state_dict()
    return {
        "names": list(state),
        "evaluated": numbers(evaluated),
        "gradient": numbers(x.grad),
        "trained": numbers(trained),
        "running_mean": numbers(state["SpatialGate.spatial.bn.running_mean"]),
        "running_var": numbers(state["SpatialGate.spatial.bn.running_var"]),
    }


def mixstyle():
    x = filled("input", (3, 4, 2, 5)).mul(5).requires_grad_()
    lmda = torch.tensor([0.25, 0.9, 0.0]).view(3, 1, 1, 1)
    perm = torch.tensor([2, 0, 1])
    mu, sig = x.mean(dim=[2, 3], keepdim=True), (x.var(dim=[2, 3], keepdim=True) + 1e-6).sqrt()
    mu, sig = mu.detach(), sig.detach()
    normed = (x - mu) / sig
    mixed = normed * (sig * lmda + sig[perm] * (1 - lmda)) + (mu * lmda + mu[perm] * (1 - lmda))
    (mixed * filled("cotangent", x.shape)).sum().backward()
    return {"mixed": numbers(mixed), "gradient": numbers(x.grad)}


if __name__ == "__main__":
    print(json.dumps({"cbam": cbam(), "mixstyle": mixstyle()}, indent=1))
