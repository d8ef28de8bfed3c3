"""Golden values of LoRA and IA3 (peft's layers around timm's vision transformer), and timm's layers for learning-rate decay.

usage: python adapters.py > adapters.json        (torch 2.13, timm 1.0.31, peft 0.21.2; weights and inputs come from fill.py)
"""
import json
import warnings

warnings.filterwarnings("ignore")
try:
    import shim  # noqa: F401  lets a CUDA build of torchvision import beside a CPU build of torch
except ImportError:
    pass
import timm
import torch
from peft import IA3Config, LoraConfig, get_peft_model
from timm.models import group_parameters
from timm.models.vision_transformer import VisionTransformer

from fill import fill_module, filled

CLASSES = 7
WIDTH = 32
RANK, ALPHA = 4, 6  # a scale of 1.5: neither 1 nor alpha nor alpha / sqrt(rank)
LORA = LoraConfig(r=RANK, lora_alpha=ALPHA, target_modules=["qkv", "attn.proj", "fc1", "fc2"])
IA3 = IA3Config(target_modules=["qkv", "fc2"], feedforward_modules=["fc2"])


def sampled(tensor, most=48):
    flat = tensor.detach().flatten()
    step = max(1, flat.numel() // most) | 1  # odd: does not fall on the same channel or row again and again
    return {"shape": list(tensor.shape), "step": step, "values": [float(f"{v:.7g}") for v in flat[::step].tolist()]}


def network():
    model = VisionTransformer(img_size=32, patch_size=8, embed_dim=WIDTH, depth=2, num_heads=2, num_classes=CLASSES).eval()
    fill_module(model)
    return model


def plain(name):
    """A tensor of peft's as our network calls it: "blocks.0.attn.qkv.lora_A"."""
    return name.removeprefix("base_model.model.").replace(".default", "").replace("lora_A.weight", "lora_A").replace("lora_B.weight", "lora_B")


def fill_adapters(model):
    """LoRA from fill.py; IA3 from 1 + fill.py, with peft's scale of a fused qkv left at one where the queries are."""
    for name, parameter in model.named_parameters():
        with torch.no_grad():
            if "lora_" in name:
                parameter.copy_(filled(plain(name), parameter.shape))
            elif "ia3_l" in name and ".qkv." in name:
                scale = torch.ones(3 * WIDTH)
                scale[WIDTH:] += filled(plain(name), (2 * WIDTH,))
                parameter.copy_(scale.reshape(parameter.shape))
            elif "ia3_l" in name:
                parameter.copy_((1 + filled(plain(name), (parameter.numel(),))).reshape(parameter.shape))


def case(model):
    fill_adapters(model)
    model.eval()
    x = filled("input", (2, 3, 32, 32)) * 5
    logits = model(x)
    (logits * filled("direction", (2, CLASSES))).sum().backward()
    gradients = {}
    for name, parameter in model.named_parameters():
        if parameter.grad is None or not any(part in name for part in ("blocks.0.attn.qkv", "blocks.1.mlp.fc2")):
            continue
        gradient = parameter.grad.flatten()[WIDTH:] if "ia3_l" in name and ".qkv." in name else parameter.grad
        gradients[plain(name)] = sampled(gradient.reshape(-1) if "ia3_l" in name else gradient)
    merged = model.merge_and_unload()
    assert torch.allclose(merged(x), logits, atol=1e-5)
    state = merged.state_dict()
    weights = {n: sampled(state[n]) for n in ("blocks.0.attn.qkv.weight", "blocks.0.attn.qkv.bias", "blocks.1.mlp.fc2.weight", "blocks.1.mlp.fc2.bias")}
    return {"logits": sampled(logits), "gradients": gradients, "merged": weights}


def both():
    """IA3 around LoRA: l * (W + s B A) x. Gradients are not taken, since peft's two wrappers are merged one after the other."""
    inner = get_peft_model(network(), LORA)
    fill_adapters(inner)
    result = case(get_peft_model(inner.eval().merge_and_unload(), IA3))
    del result["gradients"]
    return result


def layers(name, **options):
    model = timm.create_model(name, num_classes=CLASSES, **options)
    ids = group_parameters(model, model.group_matcher(coarse=False), reverse=True)
    excluded = model.no_weight_decay() if hasattr(model, "no_weight_decay") else set()
    return {
        "name": name,
        "layers": [ids[n] for n, _ in model.named_parameters()],
        # one-dimensional tensors are never decayed; these are the others
        "no_weight_decay": sorted(n for n, p in model.named_parameters() if p.ndim > 1 and n in excluded),
    }


LAYERED = [
    "resnet18",
    "vit_tiny_patch16_224",
    "vit_small_patch14_reg4_dinov2",
    "convnextv2_atto",
    "convnext_tiny",
    "swinv2_tiny_window8_256",
    "eva02_tiny_patch14_224",
    "vit_tiny_patch16_dinov3_qkvb",
]

if __name__ == "__main__":
    torch.set_num_threads(1)
    print(
        json.dumps(
            {
                "rank": RANK,
                "alpha": ALPHA,
                "lora": case(get_peft_model(network(), LORA)),
                "ia3": case(get_peft_model(network(), IA3)),
                "both": both(),
                "layers": [layers(name) for name in LAYERED],
            }
        )
    )
