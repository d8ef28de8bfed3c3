"""Weights under their authors' names, and what timm's checkpoint_filter_fn of the family makes of them; a patch embedding resampled.

usage: python original_names.py > original_names.json        (torch 2.13, timm 1.0.31)

Tensors are given by shape alone: the i-th tensor of a file is filled with sin(0.37 * j + i). Results by name: shape, and the sum of the
values times cos(0, 1, 2, …).
"""
import contextlib
import io
import json
import warnings

warnings.filterwarnings("ignore")
try:
    import shim  # noqa: F401  lets a CUDA build of torchvision import beside a CPU build of torch
except ImportError:
    pass
import torch
from timm.layers import resample_patch_embed
from timm.models import convnext, eva, swin_transformer_v2, vision_transformer


def filled(shapes):
    state = {}
    for i, (name, shape) in enumerate(shapes.items()):
        count = int(torch.tensor(shape).prod()) if shape else 1
        state[name] = (torch.arange(count, dtype=torch.float64) * 0.37 + i).sin().float().reshape(shape)
    return state


def said(tensor):
    flat = tensor.double().flatten()
    return {"shape": list(tensor.shape), "product": round(float((flat * torch.arange(flat.numel(), dtype=torch.float64).cos()).sum()), 5)}


def block(prefix, width, parts):
    return {prefix + name: [width if s == "D" else s for s in shape] for name, shape in parts.items()}


def convnext_v2():
    width, shapes = 8, {}
    shapes |= {"downsample_layers.0.0.weight": [8, 3, 4, 4], "downsample_layers.0.0.bias": [8], "downsample_layers.0.1.weight": [8]}
    shapes |= {"downsample_layers.1.0.weight": [8], "downsample_layers.1.1.weight": [16, 8, 2, 2]}
    parts = {"dwconv.weight": ["D", 1, 7, 7], "dwconv.bias": ["D"], "norm.weight": ["D"], "pwconv1.weight": [32, "D"], "pwconv1.bias": [32],
             "grn.gamma": [1, 1, 1, 32], "grn.beta": [1, 1, 1, 32], "pwconv2.weight": ["D", 32], "pwconv2.bias": ["D"]}
    shapes |= block("stages.0.0.", width, parts)
    return shapes | {"norm.weight": [16], "norm.bias": [16], "head.weight": [5, 16], "head.bias": [5]}


def convnext_v1():
    parts = {"gamma": ["D"], "dwconv.weight": ["D", 1, 7, 7], "pwconv1.weight": [32, "D"], "pwconv2.weight": ["D", 32]}
    return {"downsample_layers.0.0.weight": [8, 3, 4, 4]} | block("stages.0.0.", 8, parts) | {"norm.weight": [8], "head.weight": [5, 8]}


def convnext_clip():
    return {"visual.trunk.stem.0.weight": [8, 3, 4, 4], "visual.trunk.stages.0.blocks.0.conv_dw.weight": [8, 1, 7, 7],
            "visual.trunk.head.norm.weight": [8], "visual.head.mlp.fc1.weight": [6, 8], "visual.head.mlp.fc1.bias": [6],
            "visual.head.mlp.fc2.weight": [4, 6], "logit_scale": [], "transformer.resblocks.0.ln_1.weight": [4]}


def swin():
    attention = {"attn.q_bias": ["D"], "attn.qkv.weight": [24, "D"], "attn.relative_coords_table": [1, 3, 3, 2],
                 "attn.relative_position_index": [4, 4], "attn.cpb_mlp.0.weight": [6, 2], "attn.logit_scale": [2, 1, 1]}
    return ({"patch_embed.proj.weight": [8, 3, 4, 4]} | block("layers.0.blocks.0.", 8, attention) | block("layers.1.blocks.0.", 16, {"attn_mask": [4, 4]})
            | {"layers.0.downsample.reduction.weight": [16, 32], "layers.0.downsample.norm.weight": [16], "norm.weight": [16],
               "head.weight": [5, 16], "head.bias": [5]})


def dinov2(registers, swiglu):
    mlp = {"mlp.w12.weight": [12, "D"], "mlp.w12.bias": [12], "mlp.w3.weight": ["D", 6]} if swiglu else {"mlp.fc1.weight": [32, "D"]}
    extra = {"register_tokens": [1, 4, 8]} if registers else {}
    return ({"cls_token": [1, 1, 8], "pos_embed": [1, 5, 8]} | extra | {"mask_token": [1, 8], "patch_embed.proj.weight": [8, 3, 14, 14]}
            | block("blocks.0.", 8, {"ls1.gamma": ["D"], "attn.qkv.weight": [24, "D"]} | mlp) | {"norm.weight": [8]})


def eva02():
    parts = {"attn.q_bias": ["D"], "attn.v_bias": ["D"], "attn.q_proj.weight": ["D", "D"], "attn.k_proj.weight": ["D", "D"],
             "attn.v_proj.weight": ["D", "D"], "attn.rope.freqs_cos": [4, 4], "attn.inner_attn_ln.weight": ["D"], "mlp.w1.weight": [6, "D"],
             "mlp.w2.weight": [6, "D"], "mlp.w3.weight": ["D", 6], "mlp.ffn_ln.weight": [6]}
    return ({"cls_token": [1, 1, 8], "mask_token": [1, 1, 8], "pos_embed": [1, 5, 8], "rope.freqs_cos": [4, 4]} | block("blocks.0.", 8, parts)
            | {"norm.weight": [8], "norm.bias": [8], "lm_head.weight": [9, 8], "lm_head.bias": [9]})


def eva_packed():
    return {"cls_token": [1, 1, 8], "blocks.0.attn.q_bias": [8], "blocks.0.attn.qkv.weight": [24, 8], "blocks.0.mlp.w12.weight": [12, 8],
            "blocks.0.mlp.w3.weight": [8, 6], "fc_norm.weight": [8], "head.weight": [5, 8]}


def eva_clip():
    return {"visual." + name: shape for name, shape in (eva_packed() | {"pos_embed": [1, 5, 8]}).items()} | {"text.x": [3], "logit_scale": []}


def dinov3():
    parts = {"attn.qkv.weight": [24, "D"], "attn.qkv.bias": [24], "attn.qkv.bias_mask": [24], "ls1.gamma": ["D"], "ls2.gamma": ["D"],
             "mlp.w1.weight": [6, "D"], "mlp.w2.weight": [6, "D"], "mlp.w3.weight": ["D", 6]}
    return ({"cls_token": [1, 1, 8], "storage_tokens": [1, 4, 8], "mask_token": [1, 8], "rope_embed.periods": [2],
             "local_cls_norm.weight": [8], "patch_embed.proj.weight": [8, 3, 16, 16]} | block("blocks.0.", 8, parts) | {"norm.weight": [8]})


class Named(torch.nn.Module):
    """As much of a network as the filters look at."""

    def __init__(self, tensors, patch=14, tokens=5, prefix=1):
        super().__init__()
        self.pos_embed = torch.nn.Parameter(torch.zeros(1, tokens, 8))
        self.patch_embed = torch.nn.Module()
        self.patch_embed.proj = torch.nn.Conv2d(3, 8, patch, patch)
        self.patch_embed.grid_size = (2, 2)
        self.patch_embed.patch_size = (patch, patch)
        self.num_prefix_tokens, self.no_embed_class = prefix, prefix == 0
        self.tensors = tensors

    def state_dict(self):
        return {name: torch.zeros(shape) for name, shape in self.tensors.items()}

    def get_parameter(self, name):
        return self.state_dict()[name]


def case(name, family, module, shapes, own=None, **options):
    own = own or {}
    with contextlib.redirect_stdout(io.StringIO()):
        result = module.checkpoint_filter_fn(filled(shapes), Named(own, **options))
    return {"name": name, "family": family, "given": shapes, "own": own, "expected": {key: said(value) for key, value in result.items()}}


CASES = [
    case("convnextv2", "convnext", convnext, convnext_v2(), {"stages.0.blocks.0.mlp.fc1.weight": [32, 8], "stages.0.blocks.0.mlp.fc2.weight": [8, 32]}),
    case("convnext", "convnext", convnext, convnext_v1(), {"stages.0.blocks.0.mlp.fc1.weight": [32, 8, 1, 1], "stages.0.blocks.0.mlp.fc2.weight": [8, 32, 1, 1]}),
    case("convnext of OpenCLIP", "convnext", convnext, convnext_clip()),
    case("swinv2", "swin_v2", swin_transformer_v2, swin(), patch=4),
    case("dinov2", "dinov2", vision_transformer, dinov2(False, False)),
    case("dinov2 giant with registers", "dinov2", vision_transformer, dinov2(True, True), tokens=4, prefix=0),
    case("a vit with a flat patch embedding", "vit", vision_transformer, {"patch_embed.proj.weight": [8, 588], "pre_logits.fc.weight": [8, 8], "head.weight": [5, 8]},
         {"patch_embed.proj.weight": [8, 3, 14, 14]}),
    case("eva02 after masked pretraining", "eva", eva, eva02(), {"fc_norm.weight": [8]}),
    case("eva02 tiny", "eva", eva, eva_packed()),
    case("eva of EVA-CLIP", "eva", eva, eva_clip()),
    case("dinov3 without biases", "dinov3", eva, dinov3(), patch=16),
    case("dinov3 with biases", "dinov3", eva, dinov3(), {"blocks.0.attn.q_bias": [8], "blocks.0.attn.v_bias": [8]}, patch=16),
]
kernel = filled({"kernel": [2, 3, 14, 14]})["kernel"]
PATCHES = [{"size": size, "expected": resample_patch_embed(kernel, [size, size]).flatten()[::7].tolist()} for size in (8, 16)]


def table(rows):
    return "[\n" + ",\n".join(json.dumps(row) for row in rows) + "\n]"


print(f'{{"cases": {table(CASES)},\n"patches": {table(PATCHES)}}}')
