"""Golden values of the backbones and heads: timm's networks, and PyTorch versions of those that timm does not have.

usage: python models.py > models.json        (torch 2.13, timm 1.0.31; weights and inputs come from fill.py)
"""
import json
import warnings
import zlib

warnings.filterwarnings("ignore")
try:
    import shim  # noqa: F401  lets a CUDA build of torchvision import beside a CPU build of torch
except ImportError:
    pass
import timm
import torch
import torch.nn.functional as F
from timm.models.resnet import BasicBlock, ResNet
from timm.models.vision_transformer import VisionTransformer
from torch import nn

from fill import fill_module, filled

CLASSES = 7


def sampled(tensor, most=48):
    flat = tensor.detach().flatten()
    step = max(1, flat.numel() // most) | 1  # odd: does not fall on the same channel or row again and again
    return {"shape": list(tensor.shape), "step": step, "values": [float(f"{v:.7g}") for v in flat[::step].tolist()]}


class Stage(nn.Module):
    def __init__(self, inputs, outputs, act, pool=False):
        super().__init__()
        self.conv, self.bn, self.act, self.pool = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs), act, pool

    def forward(self, x):
        x = self.conv(x)
        return self.act(self.bn(F.max_pool2d(x, 2) if self.pool else x))


class SmallCnn(nn.Module):
    def __init__(self, w=32):
        super().__init__()
        a = F.relu
        self.stages = nn.Sequential(
            Stage(3, w, a), Stage(w, w, a, True), Stage(w, 2 * w, a), Stage(2 * w, 2 * w, a, True), Stage(2 * w, 4 * w, a)
        )
        self.fc = nn.Linear(4 * w, CLASSES)

    def forward_features(self, x):
        return self.stages(x)

    def forward_head(self, x, pre_logits=False):
        x = x.mean((2, 3))
        return x if pre_logits else self.fc(x)

    def forward(self, x):
        return self.forward_head(self.forward_features(x))


class CifarCnn(SmallCnn):
    def __init__(self, w=64):
        nn.Module.__init__(self)
        a = F.relu
        self.stem = Stage(3, w // 2, a)
        blocks, inputs = [], w // 2
        for outputs in (w, 4 * w, 4 * w):
            blocks += [Stage(inputs, outputs, a, True), Stage(outputs, outputs, a)]
            inputs = outputs
        self.blocks = nn.Sequential(*blocks)
        self.fc = nn.Linear(4 * w, CLASSES)

    def forward_features(self, x):
        return self.blocks(self.stem(x))


def resnet_with_cifar_stem(name):
    model = timm.create_model(name, num_classes=CLASSES)
    model.conv1 = nn.Conv2d(3, 64, 3, padding=1, bias=False)
    model.maxpool = nn.Identity()
    return model


CASES = [
    ("resnet18", {}, 64, lambda: timm.create_model("resnet18", num_classes=CLASSES)),
    ("resnet18", {"cifar_stem": True}, 32, lambda: resnet_with_cifar_stem("resnet18")),
    ("resnet34", {}, 64, lambda: timm.create_model("resnet34", num_classes=CLASSES)),
    ("resnet50", {}, 64, lambda: timm.create_model("resnet50", num_classes=CLASSES)),
    ("resnet_test", {}, 40, lambda: ResNet(BasicBlock, [1, 1, 1, 1], channels=(8, 16, 16, 32), num_classes=CLASSES)),
    ("small_cnn", {}, 8, SmallCnn),
    ("small_cnn", {"width": 12}, 30, lambda: SmallCnn(12)),
    ("cifar_cnn", {}, 32, CifarCnn),
    ("cifar_cnn_test", {}, 32, lambda: CifarCnn(8)),
    ("vit_tiny_patch16_224", {}, 64, lambda: timm.create_model("vit_tiny_patch16_224", num_classes=CLASSES, img_size=64)),
    ("vit_small_patch16_224", {}, 48, lambda: timm.create_model("vit_small_patch16_224", num_classes=CLASSES, img_size=48)),
    ("vit_base_patch16_224", {}, 32, lambda: timm.create_model("vit_base_patch16_224", num_classes=CLASSES, img_size=32)),
    (
        "vit_tiny_patch16_224",
        {"patch_size": 4},
        24,
        lambda: timm.create_model("vit_tiny_patch16_224", num_classes=CLASSES, img_size=24, patch_size=4),
    ),
    ("vit_test", {}, 32, lambda: VisionTransformer(img_size=32, patch_size=8, embed_dim=32, depth=2, num_heads=2, num_classes=CLASSES)),
]


def described(tensors):
    return "\n".join(f"{name}:{list(tensor.shape)}".replace(" ", "") for name, tensor in tensors)


def backbone_case(name, options, size, make):
    model = make().eval()
    fill_module(model)
    x = filled("input", (2, 3, size, size)) * 5
    with torch.no_grad():
        features = model.forward_features(x)
        pooled = model.forward_head(features, pre_logits=True)
        logits = model.forward_head(features)
    persistent = model.state_dict()
    preprocessing = None
    if hasattr(model, "pretrained_cfg") and model.pretrained_cfg:
        cfg = model.pretrained_cfg
        preprocessing = {"mean": cfg["mean"], "std": cfg["std"], "interpolation": cfg["interpolation"], "crop_fraction": cfg["crop_pct"]}
    return {
        "name": name,
        "options": options,
        "image_size": size,
        "parameters": sum(p.numel() for p in model.parameters()),
        "parameter_names": zlib.crc32(described(model.named_parameters()).encode()),
        "buffer_names": zlib.crc32(described((n, b) for n, b in model.named_buffers() if n in persistent).encode()),
        "preprocessing": preprocessing,
        "features": sampled(features),
        "pooled": sampled(pooled),
        "logits": sampled(logits),
        "gradients": gradients(model, x),
    }


def gradients(model, x):
    """Of the sum of the logits times fixed numbers: the input's, and of each parameter the product with fixed numbers, in order."""
    x = x.clone().requires_grad_()
    logits = model(x)
    (logits * filled("cotangent", logits.shape)).sum().backward()
    products = [float((p.grad.double() * filled(f"probe {n}", p.shape).double()).sum()) for n, p in model.named_parameters()]
    return {"input": sampled(x.grad), "parameters": [float(f"{v:.7g}") for v in products]}


def head_cases():
    x = filled("input", (5, 12)) * 3
    w = lambda name, *shape: filled(name, shape)
    hidden = F.relu(F.linear(x, w("fc1.weight", 9, 12), w("fc1.bias", 9)))
    projection = F.normalize(F.linear(hidden, w("fc2.weight", 6, 9), w("fc2.bias", 6)))
    cosine = F.linear(F.normalize(x), F.normalize(w("weight", 4, 12)))
    linear = F.linear(x, w("fc.weight", 4, 12), w("fc.bias", 4))
    return {"projection": sampled(projection, 10**9), "cosine": sampled(cosine, 10**9), "linear": sampled(linear, 10**9)}


if __name__ == "__main__":
    torch.set_num_threads(1)
    print(json.dumps({"backbones": [backbone_case(*case) for case in CASES], "heads": head_cases()}, indent=1))
