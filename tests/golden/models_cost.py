"""Parameters and FLOPs of the networks that timm has too, as PyTorch counts them on the meta device.

usage: python models_cost.py > models_cost.json        (torch 2.13, timm 1.0.31; names come from src/models/backbones.generated.ts)
"""
import json
import pathlib
import re
import warnings

warnings.filterwarnings("ignore")
try:
    import shim  # noqa: F401  lets a CUDA build of torchvision import beside a CPU build of torch
except ImportError:
    pass
import timm
import torch
from torch.utils.flop_counter import FlopCounterMode

table = pathlib.Path(__file__).parents[2] / "src/models/backbones.generated.ts"
size_of = {name: int(size) for name, size in re.findall(r'"name": "(\w+)".*"imageSize":(\d+)', table.read_text())}
rows = []
for name in sorted(set(size_of) & set(timm.list_models())):
    with torch.device("meta"):
        model = timm.create_model(name, num_classes=1000).eval()
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(torch.empty(1, 3, size_of[name], size_of[name], device="meta"))
    cost = {"parameters": sum(p.numel() for p in model.parameters()), "flops": counter.get_total_flops()}
    rows.append(f" {json.dumps(name)}: {json.dumps(cost)}")
print("{\n" + ",\n".join(rows) + "\n}")
