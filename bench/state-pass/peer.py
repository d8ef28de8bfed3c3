"""The same with PyTorch's best chain: foreach clip_grad_norm_, fused AdamW, foreach average; or SAM's first step as davda54/sam writes it.

Arguments: [STEPS] [adamw|sam|default]; default: AdamW as it is made without options, and loops for the rest.
"""
import json
import os
import resource
import sys
import time
import warnings

warnings.filterwarnings("ignore")
try:
    import shim  # noqa: F401  lets a CUDA build of torchvision import beside a CPU build of torch
except ImportError:
    pass
import timm
import torch

steps = int(sys.argv[1]) if len(sys.argv) > 1 else 10
mode = sys.argv[2] if len(sys.argv) > 2 else "adamw"
torch.set_num_threads(int(os.environ.get("THREADS", "2")))
parameters = list(timm.create_model("vit_base_patch16_224").parameters())
shadow = [p.detach().clone() for p in parameters]
groups = [
    {"params": [p for p in parameters if p.ndim > 1], "weight_decay": 0.05},
    {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
]
optimizer = torch.optim.AdamW(groups, lr=1e-3, **({} if mode == "default" else {"fused": True}))
noise = [torch.randn_like(p) * 1e-2 for p in parameters]
kept = {}


def state_pass():
    torch.nn.utils.clip_grad_norm_(parameters, 1.0, foreach=mode != "default")
    optimizer.step()
    with torch.no_grad():
        if mode == "default":
            for average, p in zip(shadow, parameters):
                average.lerp_(p, 0.001)
        else:
            torch._foreach_lerp_(shadow, [p.detach() for p in parameters], 0.001)
    optimizer.zero_grad()


@torch.no_grad()
def ascend():
    norm = torch.norm(torch.stack([p.grad.norm(p=2) for p in parameters]), p=2)
    scale = 0.05 / (norm + 1e-12)
    for p in parameters:
        kept[p] = p.data.clone()
        p.add_(p.grad * scale)
    optimizer.zero_grad()


milliseconds, cpu = [], []
for i in range(-3, steps):
    for p, gradient in zip(parameters, noise):
        p.grad = gradient.clone()
    start, cpu_start = time.perf_counter(), time.process_time()
    if mode == "sam":
        ascend()
    else:
        state_pass()
    if i >= 0:
        milliseconds.append((time.perf_counter() - start) * 1000)
        cpu.append((time.process_time() - cpu_start) * 1000)
    for p, weights in kept.items():
        p.data.copy_(weights)
megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(json.dumps({"milliseconds": milliseconds, "cpuMilliseconds": cpu, "megabytes": megabytes}))
