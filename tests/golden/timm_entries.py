"""What timm says of every network that both know: tensors, size, preprocessing, published weights and their licence.

usage: python timm_entries.py > timm_entries.json        (torch 2.13, timm 1.0.31; the names come from src/models/backbones.generated.ts)
"""
import json
import pathlib
import re
import sys
import warnings
import zlib

warnings.filterwarnings("ignore")
try:
    import shim  # noqa: F401  lets a CUDA build of torchvision import beside a CPU build of torch
except ImportError:
    pass
import timm
import torch

SPDX = {"apache-2.0": "Apache-2.0", "mit": "MIT", "cc-by-nc-4.0": "CC-BY-NC-4.0"}
CLASSES = 1000


def described(tensors):
    return "\n".join(f"{name}:{list(tensor.shape)}".replace(" ", "") for name, tensor in tensors)


def row(name):
    with torch.device("meta"):
        model = timm.create_model(name, num_classes=CLASSES)
    persistent = model.state_dict()
    cfg = model.pretrained_cfg
    published = bool(cfg.get("hf_hub_id"))
    return {
        "name": name,
        "parameters": sum(p.numel() for p in model.parameters()),
        "parameter_names": zlib.crc32(described(model.named_parameters()).encode()),
        "buffer_names": zlib.crc32(described((n, b) for n, b in model.named_buffers() if n in persistent).encode()),
        "image_size": cfg["input_size"][-1],
        "mean": cfg["mean"],
        "std": cfg["std"],
        "interpolation": cfg["interpolation"],
        "crop_fraction": cfg["crop_pct"],
        "weights": cfg["hf_hub_id"] if published else "",
        "license": SPDX.get(cfg["license"], cfg["license"]) if published else "",
    }


if __name__ == "__main__":
    table = pathlib.Path(__file__).parents[2] / "src/models/backbones.generated.ts"
    ours = sys.argv[1:] or re.findall(r'"name": "(\w+)"', table.read_text())
    known = set(timm.list_models())
    rows = [row(name) for name in sorted(ours) if name in known]
    print("[\n" + ",\n".join(json.dumps(r) for r in rows) + "\n]")
