"""Golden values of the convolutional families and of SwinV2: timm's networks, and PyTorch versions of those that timm does not have.

usage: python backbones_conv.py > backbones_conv.json        (torch 2.13, timm 1.0.31; weights and inputs come from fill.py)
"""
import json

from models import CLASSES, backbone_case  # first: it makes timm importable

import timm
import torch
import torch.nn.functional as F
from timm.models.convnext import ConvNeXt
from timm.models.resnet import BasicBlock, ResNet
from timm.models.swin_transformer_v2 import SwinTransformerV2
from timm.models.vision_transformer import VisionTransformer
from torch import nn


class PlainBlock(nn.Module):
    """The block of He et al. 2015, section 4.2, with option A: as in akamaster/pytorch_resnet_cifar10, whose tensor names these are."""

    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs)
        self.conv2, self.bn2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False), nn.BatchNorm2d(outputs)
        self.changes = stride != 1 or inputs != outputs
        self.quarter = outputs // 4

    def forward(self, x):
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        if self.changes:
            x = F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, self.quarter, self.quarter), "constant", 0)
        return F.relu(y + x)


class CifarResNet(nn.Module):
    def __init__(self, n, w=16):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, w, 3, 1, 1, bias=False), nn.BatchNorm2d(w)
        inputs = w
        for stage in range(3):
            outputs, blocks = w << stage, []
            for i in range(n):
                blocks.append(PlainBlock(inputs, outputs, 2 if stage > 0 and i == 0 else 1))
                inputs = outputs
            setattr(self, f"layer{stage + 1}", nn.Sequential(*blocks))
        self.linear = nn.Linear(inputs, CLASSES)

    def forward_features(self, x):
        return self.layer3(self.layer2(self.layer1(F.relu(self.bn1(self.conv1(x))))))

    def forward_head(self, x, pre_logits=False):
        x = F.avg_pool2d(x, x.size()[3]).flatten(1)
        return x if pre_logits else self.linear(x)

    def forward(self, x):
        return self.forward_head(self.forward_features(x))


class Hybrid(nn.Module):
    """The tiny ResNet and vision transformer side by side; images come normalised as ImageNet's, which the transformer's are not."""

    def __init__(self, gate):
        super().__init__()
        self.cnn = ResNet(BasicBlock, [1, 1, 1, 1], channels=(8, 16, 16, 32), num_classes=0)
        self.vit = VisionTransformer(img_size=32, patch_size=8, embed_dim=32, depth=2, num_heads=2, num_classes=0)
        self.fusion = None
        if gate:
            self.fusion = nn.Module()
            self.fusion.cnn, self.fusion.vit, self.fusion.gate = nn.Linear(32, 12), nn.Linear(32, 12), nn.Linear(64, 12)
        self.head = nn.Linear(12 if gate else 64, CLASSES)

    def forward_features(self, x):
        mean, std = torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1), torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1)
        c, v = self.cnn(x), self.vit((x * std + mean - 0.5) / 0.5)
        if self.fusion is None:
            return torch.cat([c, v], 1)
        z = torch.sigmoid(self.fusion.gate(torch.cat([c, v], 1)))
        return z * torch.tanh(self.fusion.cnn(c)) + (1 - z) * torch.tanh(self.fusion.vit(v))

    def forward_head(self, x, pre_logits=False):
        return x if pre_logits else self.head(x)

    def forward(self, x):
        return self.forward_head(self.forward_features(x))


def convnext(**options):
    return lambda: ConvNeXt(num_classes=CLASSES, **options)


def swin(size):
    sizes = dict(embed_dim=8, depths=(1, 2, 1, 1), num_heads=(1, 2, 4, 8), window_size=4)
    return lambda: SwinTransformerV2(img_size=size, num_classes=CLASSES, **sizes)


def made(name, **options):
    return lambda: timm.create_model(name, num_classes=CLASSES, **options)


CASES = [
    ("resnet26", {}, 64, made("resnet26")),
    ("resnet20", {}, 32, lambda: CifarResNet(3)),
    ("resnet32", {}, 32, lambda: CifarResNet(5)),
    ("resnet44", {}, 32, lambda: CifarResNet(7)),
    ("resnet56", {}, 32, lambda: CifarResNet(9)),
    ("resnet110", {}, 32, lambda: CifarResNet(18)),
    ("cifar_resnet_test", {}, 24, lambda: CifarResNet(1, 4)),
    ("convnext_test", {}, 64, convnext(depths=(1, 1, 1, 1), dims=(8, 16, 32, 64))),
    ("convnextv2_test", {}, 64, convnext(depths=(1, 1, 1, 1), dims=(8, 16, 32, 64), use_grn=True, ls_init_value=None, conv_mlp=True)),
    ("convnextv2_atto", {}, 64, made("convnextv2_atto")),
    ("convnext_atto_ols", {}, 45, made("convnext_atto_ols")),
    ("convnext_atto_rms", {}, 32, made("convnext_atto_rms")),
    ("convnext_zepto_rms_ols", {}, 64, made("convnext_zepto_rms_ols")),
    ("test_convnext2", {}, 64, made("test_convnext2")),
    ("test_convnext3", {}, 64, made("test_convnext3")),
    ("hybrid_test", {}, 32, lambda: Hybrid(False)),
    ("hybrid_test", {"fusion": "gate", "fusion_width": 12}, 32, lambda: Hybrid(True)),
    ("swinv2_test", {}, 64, swin(64)),
    ("swinv2_test", {}, 52, swin(52)),  # maps of 13, 7, 4 and 2: filled up, merged with an odd side, one window
]

if __name__ == "__main__":
    torch.set_num_threads(1)
    print(json.dumps({"backbones": [backbone_case(*case) for case in CASES]}, indent=1))
