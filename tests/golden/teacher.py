"""A teacher as PyTorch saves it: the state of a small_cnn of width 4 without classifier, and a cosine head of ten classes.

usage: python teacher.py > teacher.json        (torch 2.13)
"""
import base64
import io
import json

import torch

from fill import filled

CHANNELS = [3, 4, 4, 8, 8, 16]


def backbone():
    state = {}
    for stage, (inputs, outputs) in enumerate(zip(CHANNELS, CHANNELS[1:])):
        name = f"stages.{stage}"
        state[f"{name}.conv.weight"] = filled(f"{name}.conv.weight", (outputs, inputs, 3, 3))
        for part in ("weight", "bias", "running_mean"):
            state[f"{name}.bn.{part}"] = filled(f"{name}.bn.{part}", (outputs,))
        state[f"{name}.bn.running_var"] = filled(f"{name}.bn.running_var", (outputs,)).abs() + 0.5
        state[f"{name}.bn.num_batches_tracked"] = torch.tensor(30)
    return state


def saved(state):
    buffer = io.BytesIO()
    torch.save({key: value.contiguous() for key, value in state.items()}, buffer)
    return base64.b64encode(buffer.getvalue()).decode()


print(json.dumps({"backbone": saved(backbone()), "head": saved({"weight": filled("head.weight", (10, 16))})}, indent=1))
