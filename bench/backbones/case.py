"""Writes a timm network whose every tensor is random, an input, and what the network makes of it.

usage: python case.py        (torch, timm, safetensors)

reads requests, one JSON object a line: {"folder", "name", "imageSize" (0: the network's own), "classes", "gradients"}; answers each with a
line: ok, or what went wrong.

FOLDER/weights-0.safetensors, weights-1 …: the state dict, in parts of about half a gigabyte. FOLDER/case.safetensors: input [2, 3, S, S], features, pooled, logits, and with gradients
cotangent (like logits) and input_gradient of sum(logits * cotangent). FOLDER/case.json: sizes, preprocessing, parameter names in
order, and each parameter's gradient times cos(0, 1, 2, …), summed.
"""
import json
import os
import sys
import warnings

warnings.filterwarnings("ignore")
try:
    import shim  # noqa: F401  lets a CUDA build of torchvision import beside a CPU build of torch
except ImportError:
    pass
import timm
import torch
from safetensors.torch import save_file


def make(name, size, classes):
    options = {"pretrained": False, "num_classes": classes}
    if size:
        try:
            return timm.create_model(name, img_size=size, **options).eval()
        except TypeError:  # convolutional networks take any size
            pass
    return timm.create_model(name, **options).eval()


def randomise(model, generator):
    """Nothing stays at a value that hides a mistake: no zero scale, no unit variance."""
    with torch.no_grad():
        for name, p in model.named_parameters():
            if "logit_scale" in name:
                p.copy_(torch.rand(p.shape, generator=generator) * 2 + 1)
            elif p.ndim > 1:
                p.copy_(torch.randn(p.shape, generator=generator) / p[0].numel() ** 0.5)
            else:
                centre = 0.4 if name.endswith("weight") or "gamma" in name else -0.4
                p.copy_(torch.rand(p.shape, generator=generator) * 0.8 + centre)
        for name, b in model.named_buffers():
            if name.endswith("running_mean"):
                b.copy_(torch.randn(b.shape, generator=generator) * 0.1)
            if name.endswith("running_var"):
                b.copy_(torch.rand(b.shape, generator=generator) + 0.5)


def save_parts(state, folder):
    """Several files, so that the other side never holds a large network twice."""
    parts, part, size = 0, {}, 0
    for i, (name, tensor) in enumerate(state.items()):
        part[name] = tensor.contiguous()
        size += tensor.numel() * tensor.element_size()
        if size > 2**29 or i + 1 == len(state):
            save_file(part, f"{folder}/weights-{parts}.safetensors")
            parts, part, size = parts + 1, {}, 0
    return parts


def main(folder, name, size, classes, gradients):
    torch.manual_seed(sum(map(ord, name)))
    model = make(name, size, classes)
    generator = torch.Generator().manual_seed(7)
    randomise(model, generator)
    cfg = model.pretrained_cfg
    size = size or cfg["input_size"][-1]
    x = torch.randn(2, 3, size, size, generator=generator)
    with torch.no_grad():
        features = model.forward_features(x)
        case = {"features": features, "pooled": model.forward_head(features, pre_logits=True), "logits": model.forward_head(features)}
    products = []
    if gradients:
        x.requires_grad_()
        case["cotangent"] = torch.randn(case["logits"].shape, generator=generator)
        (model(x) * case["cotangent"]).sum().backward()
        case["input_gradient"] = x.grad
        for _, p in model.named_parameters():
            products.append(float((p.grad.double().flatten() * torch.arange(p.numel(), dtype=torch.float64).cos()).sum()))
    os.makedirs(folder, exist_ok=True)
    parts = save_parts(model.state_dict(), folder)
    save_file({k: v.detach().contiguous() for k, v in {"input": x, **case}.items()}, folder + "/case.safetensors")
    facts = {
        "imageSize": size,
        "parts": parts,
        "parameters": sum(p.numel() for p in model.parameters()),
        "parameterNames": [n for n, _ in model.named_parameters()],
        "gradientProducts": products,
        "preprocessing": {
            "imageSize": cfg["input_size"][-1],
            "mean": cfg["mean"],
            "std": cfg["std"],
            "interpolation": cfg["interpolation"],
            "cropFraction": cfg["crop_pct"],
        },
    }
    with open(folder + "/case.json", "w") as file:
        json.dump(facts, file)


if __name__ == "__main__":
    torch.set_num_threads(2)
    for line in sys.stdin:
        request = json.loads(line)
        try:
            main(request["folder"], request["name"], request["imageSize"], request["classes"], request["gradients"])
            print("ok", flush=True)
        except Exception as error:  # noqa: BLE001  the other side reports it
            print(f"{type(error).__name__}: {error}".replace("\n", " "), flush=True)
