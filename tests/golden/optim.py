"""Golden values of torch.optim.SGD, torch.optim.AdamW and clip_grad_norm_ (torch 2.13), without fused kernels.

usage: python optim.py > optim.json        Parameters and gradients come from fill.py.

Two groups: `body` (learning rate scale 0.5, weight decay as given): w [3, 4], late [2, 3]; `head` (scale 1, no decay): b [4].
`late` has no gradient in step 0, `b` none in step 2: each parameter counts its own steps.
"""
import json

import torch

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
]


def run(kind, options, decay, dtype):
    p = {name: filled(name, shape, dtype).requires_grad_() for name, shape in SHAPES.items()}
    groups = [{"params": [p["w"], p["late"]], "weight_decay": decay, "scale": 0.5}, {"params": [p["b"]], "weight_decay": 0.0, "scale": 1.0}]
    if kind == "sgd":
        optimizer = torch.optim.SGD(groups, lr=1.0, foreach=False, fused=False, **options)
    else:
        betas = (options.get("beta1", 0.9), options.get("beta2", 0.999))
        optimizer = torch.optim.AdamW(groups, lr=1.0, betas=betas, eps=options.get("eps", 1e-8), foreach=False, fused=False)
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


if __name__ == "__main__":
    cases = [run(*case, dtype) for case in CASES for dtype in (torch.float32, torch.float64)]
    print(json.dumps({"rates": RATES, "cases": cases, "clip": [clip(0.5), clip(100.0)]}, indent=1))
