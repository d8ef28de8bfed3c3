"""Golden values of position embeddings that are resampled to another grid of patches.

usage: python positions.py > positions.json        (torch 2.13, timm 1.0.31)
"""
import json

try:
    import shim  # noqa: F401  lets a CUDA build of torchvision import beside a CPU build of torch
except ImportError:
    pass
import torch
from timm.layers import resample_abs_pos_embed

CASES = [(1, 3, 5), (5, 4, 2), (0, 2, 3)]  # prefix tokens, side learned at, side wanted
WIDTH = 3


def case(prefix, learned, wanted):
    count = prefix + learned**2
    given = torch.sin(torch.arange(count * WIDTH, dtype=torch.float32) * 1.3).reshape(1, count, WIDTH)
    resampled = resample_abs_pos_embed(given, [wanted, wanted], [learned, learned], num_prefix_tokens=prefix)
    values = [float(f"{v:.7g}") for v in resampled.flatten().tolist()]
    return {"prefix": prefix, "learned": learned, "wanted": wanted, "width": WIDTH, "values": values}


if __name__ == "__main__":
    print(json.dumps([case(*one) for one in CASES]))
