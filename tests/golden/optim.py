"""Golden values of torch.optim.SGD, AdamW and Muon and clip_grad_norm_ (torch 2.13), and of timm 1.0.31's Lamb, Lion and adaptive_clip_grad,
without fused kernels.

torch's Muon orthogonalises in bfloat16; the same steps in the parameters' own type are written out here and held against torch's.
ASAM is the perturbation of its authors' code (SamsungLabs/ASAM, asam.py) written out: T = |w| + eta for tensors named "weight", else 1.

usage: python optim.py > optim.json        Parameters and gradients come from fill.py.

Two groups: `body` (learning rate scale 0.5, weight decay as given): w [3, 4], late [2, 3]; `head` (scale 1, no decay): b [4].
`late` has no gradient in step 0, `b` none in step 2: each parameter counts its own steps.
"""
import json

import torch
from timm.optim import Lamb, Lion
from timm.utils.agc import adaptive_clip_grad

from fill import filled

SHAPES = {"w": (3, 4), "late": (2, 3), "b": (4,)}
RATES = [0.1, 0.2, 0.15, 0.05, 0.01]
MISSING = {("late", 0), ("b", 2)}
CASES = [
    ("sgd", {"momentum": 0.0}, 0.0),
    ("sgd", {"momentum": 0.9}, 0.01),
    ("sgd", {"momentum": 0.9, "nesterov": True}, 0.05),
    ("sgd", {"momentum": 0.8, "dampening": 0.3}, 0.0),
    ("adamw", {}, 0.01),
    ("adamw", {"beta1": 0.8, "beta2": 0.95, "eps": 1e-4}, 0.1),
    ("lamb", {}, 0.01),
    ("lamb", {"beta1": 0.8, "beta2": 0.95, "eps": 1e-4}, 0.1),
    ("lion", {}, 0.0),
    ("lion", {"beta1": 0.8, "beta2": 0.95}, 0.1),
    ("muon", {}, 0.1),
    ("muon", {"momentum": 0.8, "nesterov": False, "beta1": 0.8}, 0.0),
]


class Apart:
    """timm's Lamb counts the steps of a group; one optimizer for each parameter counts those of the parameter."""

    def __init__(self, optimizers):
        self.optimizers = optimizers
        self.param_groups = [group for optimizer in optimizers for group in optimizer.param_groups]
        self.state = {}

    def step(self):
        for optimizer in self.optimizers:
            (p,) = optimizer.param_groups[0]["params"]
            if p.grad is not None:
                optimizer.step()
                self.state[p] = optimizer.state[p]


class Muon(torch.optim.Optimizer):
    """torch.optim.Muon's update with match_rms_adamw, but in the parameters' own type; AdamW's for the groups that say so."""

    def __init__(self, groups, momentum=0.95, nesterov=True, beta1=0.9, beta2=0.999, eps=1e-8):
        super().__init__(groups, dict(lr=1.0, momentum=momentum, nesterov=nesterov))
        rest = [{**g, "params": list(g["params"])} for g in groups if g["scale"] == 1.0]
        self.adam = torch.optim.AdamW(rest, lr=1.0, betas=(beta1, beta2), eps=eps, foreach=False, fused=False)

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            if group["scale"] == 1.0:
                self.adam.param_groups[0]["lr"] = group["lr"]
                self.adam.step()
                for p in group["params"]:
                    self.state[p] = {k: v for k, v in self.adam.state[p].items()}
                continue
            for p in group["params"]:
                if p.grad is None:
                    continue
                v = self.state[p].setdefault("momentum_buffer", torch.zeros_like(p))
                v.lerp_(p.grad, 1 - group["momentum"])
                direction = p.grad.lerp(v, group["momentum"]) if group["nesterov"] else v
                p.mul_(1 - group["lr"] * group["weight_decay"])
                p.add_(orthogonalized(direction), alpha=-group["lr"] * 0.2 * max(p.shape) ** 0.5)


def orthogonalized(matrix):
    x = matrix.T if matrix.shape[0] > matrix.shape[1] else matrix
    x = x / x.norm().clamp(min=1e-7)
    for _ in range(5):
        gram = x @ x.T
        x = 3.4445 * x + (-4.775 * gram + 2.0315 * gram @ gram) @ x
    return x.T if matrix.shape[0] > matrix.shape[1] else x


def check_muon():
    """One update of ours beside torch's, which rounds to bfloat16."""
    start, gradient = filled("w", (3, 4)), filled("grad.w.0", (3, 4))
    ends = []
    for make in (
        lambda p: torch.optim.Muon([p], lr=0.1, weight_decay=0.1, momentum=0.95, adjust_lr_fn="match_rms_adamw"),
        lambda p: Muon([{"params": [p], "weight_decay": 0.1, "scale": 0.5, "lr": 0.1}, {"params": [torch.zeros(1, requires_grad=True)], "weight_decay": 0.0, "scale": 1.0, "lr": 0.1}]),
    ):
        p = start.clone().requires_grad_()
        p.grad = gradient.clone()
        make(p).step()
        ends.append(p.detach() - start)
    assert torch.allclose(*ends, atol=2e-3), ends


def run(kind, options, decay, dtype):
    p = {name: filled(name, shape, dtype).requires_grad_() for name, shape in SHAPES.items()}
    groups = [{"params": [p["w"], p["late"]], "weight_decay": decay, "scale": 0.5}, {"params": [p["b"]], "weight_decay": 0.0, "scale": 1.0}]
    if kind == "sgd":
        optimizer = torch.optim.SGD(groups, lr=1.0, foreach=False, fused=False, **options)
    elif kind == "muon":
        optimizer = Muon(groups, **options)
    else:
        betas = (options.get("beta1", 0.9), options.get("beta2", 0.99 if kind == "lion" else 0.999))
        eps = options.get("eps", 1e-6 if kind == "lamb" else 1e-8)
        if kind == "lion":
            optimizer = Lion(groups, lr=1.0, betas=betas, foreach=False)
        elif kind == "lamb":
            optimizer = Apart([Lamb([{**g, "params": [q]}], lr=1.0, betas=betas, eps=eps, max_grad_norm=None) for g in groups for q in g["params"]])
        else:
            optimizer = torch.optim.AdamW(groups, lr=1.0, betas=betas, eps=eps, foreach=False, fused=False)
    for step, rate in enumerate(RATES):
        for name, tensor in p.items():
            tensor.grad = None if (name, step) in MISSING else filled(f"grad.{name}.{step}", tensor.shape, dtype)
        for group in optimizer.param_groups:
            group["lr"] = rate * group["scale"]
        optimizer.step()
    state = {}
    for name, tensor in p.items():
        for slot, value in optimizer.state[tensor].items():
            if slot != "step" and value is not None:
                state[f"{slot}.{name}"] = value.flatten().tolist()
    return {
        "kind": kind, "options": options, "weight_decay": decay, "dtype": str(dtype).removeprefix("torch."),
        "parameters": {name: tensor.detach().flatten().tolist() for name, tensor in p.items()}, "state": state,
    }


def clip(maximum):
    p = [torch.zeros(shape, requires_grad=True) for shape in SHAPES.values()]
    for tensor, (name, shape) in zip(p, SHAPES.items()):
        tensor.grad = filled(f"grad.{name}.0", shape)
    norm = torch.nn.utils.clip_grad_norm_(p, maximum)
    return {"maximum": maximum, "norm": norm.item(), "gradients": {n: t.grad.flatten().tolist() for n, t in zip(SHAPES, p)}}


def adaptive_clip():
    p = [filled(name, shape).requires_grad_() for name, shape in SHAPES.items()]
    for tensor, (name, shape) in zip(p, SHAPES.items()):
        tensor.grad = filled(f"grad.{name}.0", shape)
    adaptive_clip_grad(p, clip_factor=0.5)
    return {"limit": 0.5, "gradients": {n: t.grad.flatten().tolist() for n, t in zip(SHAPES, p)}}


def asam(rho, eta):
    """Where the weights ascend to; "b" stands for a bias, the others for tensors named weight."""
    w = {name: filled(name, shape, torch.float64) for name, shape in SHAPES.items()}
    g = {name: filled(f"grad.{name}.0", shape, torch.float64) for name, shape in SHAPES.items()}
    t = {name: torch.ones_like(value) if name == "b" else value.abs() + eta for name, value in w.items()}
    norm = torch.stack([(t[name] * g[name]).norm() for name in w]).norm()
    moved = {name: (w[name] + rho * t[name] ** 2 * g[name] / (norm + 1e-12)).flatten().tolist() for name in w}
    return {"rho": rho, "eta": eta, "norm": norm.item(), "weights": moved}


if __name__ == "__main__":
    check_muon()
    cases = [run(*case, dtype) for case in CASES for dtype in (torch.float32, torch.float64)]
    print(json.dumps({
        "rates": RATES, "cases": cases, "clip": [clip(0.5), clip(100.0)], "adaptive": adaptive_clip(), "asam": asam(0.5, 0.01),
    }, indent=1))
