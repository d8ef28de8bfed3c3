"""Golden values of the transformer families: timm's networks, at their own size and at others.

usage: python backbones_transformer.py > backbones_transformer.json        (torch 2.13, timm 1.0.31; weights and inputs come from fill.py)
"""
import json
from functools import partial

from models import CLASSES, backbone_case  # first: it makes timm importable

import timm
import torch
from timm.layers import LayerNorm, SwiGLUPacked
from timm.models.eva import Eva
from timm.models.vision_transformer import VisionTransformer
from torch import nn


def made(name, **options):
    return lambda: timm.create_model(name, num_classes=CLASSES, **options)


def small(maker, **options):
    return lambda: maker(embed_dim=32, depth=2, num_heads=2, num_classes=CLASSES, **options)


dinov3 = dict(
    rope_type="dinov3",
    rope_temperature=100,
    rope_rotate_half=True,
    use_rot_pos_emb=True,
    use_abs_pos_emb=False,
    num_reg_tokens=4,
    use_fc_norm=False,
    init_values=1e-5,
    norm_layer=partial(LayerNorm, eps=1e-5),
)
rotary = dict(use_rot_pos_emb=True, ref_feat_shape=(16, 16), swiglu_mlp=True)
giant = dict(mlp_layer=SwiGLUPacked, act_layer=nn.SiLU)

CASES = [
    ("test_vit", {}, 160, made("test_vit")),
    ("test_vit2", {}, 96, made("test_vit2", img_size=96)),
    ("dinov2_test", {}, 32, small(VisionTransformer, img_size=32, patch_size=8, init_values=1e-5, reg_tokens=2, no_embed_class=True)),
    ("dinov2_swiglu_test", {}, 32, small(VisionTransformer, img_size=32, patch_size=8, init_values=1e-5, mlp_ratio=3, **giant)),
    ("vit_small_patch14_dinov2", {}, 70, made("vit_small_patch14_dinov2", img_size=70)),
    ("vit_small_patch14_reg4_dinov2", {}, 70, made("vit_small_patch14_reg4_dinov2", img_size=70)),
    ("dinov3_test", {}, 32, small(Eva, img_size=32, patch_size=8, mlp_ratio=1.5, swiglu_mlp=True, swiglu_align_to=8, **dinov3)),
    ("dinov3_test", {}, 48, small(Eva, img_size=48, patch_size=8, mlp_ratio=1.5, swiglu_mlp=True, swiglu_align_to=8, **dinov3)),
    ("vit_tiny_patch16_dinov3_qkvb", {}, 64, made("vit_tiny_patch16_dinov3_qkvb", img_size=64, dynamic_img_size=False)),
    ("vit_small_patch16_dinov3", {}, 48, made("vit_small_patch16_dinov3", img_size=48, dynamic_img_size=False)),
    ("eva02_packed_test", {}, 32, small(Eva, img_size=32, patch_size=8, mlp_ratio=2.5, **rotary)),
    (
        "eva02_test",
        {},
        32,
        small(
            Eva,
            img_size=32,
            patch_size=8,
            mlp_ratio=4 * 2 / 3,
            qkv_fused=False,
            scale_mlp=True,
            scale_attn_inner=True,
            global_pool="token",
            **rotary,
        ),
    ),
    ("eva_test", {}, 32, small(Eva, img_size=32, patch_size=8, use_post_norm=True, global_pool="token")),
    ("eva02_tiny_patch14_224", {}, 84, made("eva02_tiny_patch14_224", img_size=84)),
    ("eva02_tiny_patch14_336", {}, 42, made("eva02_tiny_patch14_336", img_size=42)),
]

if __name__ == "__main__":
    torch.set_num_threads(1)
    print(json.dumps({"backbones": [backbone_case(*case) for case in CASES]}, indent=1))
