"""Small files of torch.save in every shape that checkpoints have, and what they hold.

usage: python checkpoints.py > checkpoints.json        (torch 2.13, numpy 2)
"""
import argparse
import base64
import collections
import io
import json
import os
import pathlib
import sys
import zipfile

import numpy as np
import torch
from torch import nn


def values(tensor):
    return {"shape": list(tensor.shape), "dtype": str(tensor.dtype).removeprefix("torch."), "values": tensor.double().flatten().tolist()}


def state():
    base = torch.arange(24, dtype=torch.float32).div(8)
    shared = torch.arange(10, dtype=torch.float32)
    return collections.OrderedDict(
        {
            "conv.weight": base.reshape(2, 3, 2, 2).clone(),
            "transposed": base.reshape(4, 6).t(),
            "strided": base.reshape(4, 6)[1::2, ::3],
            "tied.a": shared[2:6],
            "tied.b": shared[4:],
            "expanded": torch.tensor([1.5]).expand(4),
            "scalar": torch.tensor(7),
            "empty": torch.empty(0, 3),
            "half": torch.tensor([0.1, -2.5, 65504.0]).half(),
            "brain": torch.tensor([0.1, -2.5, 3e38]).bfloat16(),
            "double": torch.tensor([1e-300], dtype=torch.float64),
            "bytes": torch.tensor([0, 255], dtype=torch.uint8),
            "small": torch.tensor([-128, 127], dtype=torch.int8),
            "short": torch.tensor([-32768, 32767], dtype=torch.int16),
            "int": torch.tensor([-(2**31), 2**31 - 1], dtype=torch.int32),
            "long": torch.tensor([-(2**53) + 1, 2**53 - 1]),
            "flag": torch.tensor([True, False, True]),
            "parameter": nn.Parameter(torch.tensor([[1.0, 2.0]])),
            "channels_last": torch.arange(16, dtype=torch.float32).reshape(1, 4, 2, 2).to(memory_format=torch.channels_last),
        }
    )


def saved(content, **options):
    buffer = io.BytesIO()
    torch.save(content, buffer, **options)
    return buffer.getvalue()


legacy = {"_use_new_zipfile_serialization": False}
net = nn.BatchNorm2d(2)
net.running_mean.copy_(torch.tensor([3.0, 4.0]))
prefixed = {f"module.{name}": tensor for name, tensor in net.state_dict().items()}
averaged = torch.optim.swa_utils.AveragedModel(net)
everything = {
    "epoch": 12,
    "arch": "resnet20",
    "args": argparse.Namespace(lr=0.1, output=pathlib.PosixPath("out"), betas=(0.9, 0.999)),
    "best": np.float64(91.25),
    "history": np.zeros(3),
    "device": torch.device("cpu"),
    "size": torch.Size([2, 3]),
    "counter": collections.Counter("aab"),
    "lists": collections.defaultdict(list, {"x": [1]}),
    "set": {1, 2},
    "big": 2**70,
    "dtype": torch.float16,
    "optimizer": {"state": {0: {"step": torch.tensor(5.0), "exp_avg": torch.ones(3)}}, "param_groups": [{"params": [0]}]},
    "model": net.state_dict(),
}


class Evil:
    def __reduce__(self):
        return (os.system, ("echo owned",))


class Blocks(nn.Module):
    def forward(self, x):
        return x + 1


def rezipped(content):
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            new.writestr(name, old.read(name))
    return buffer.getvalue()


script = io.BytesIO()
torch.jit.save(torch.jit.script(Blocks()), script)
plain_zip = io.BytesIO()
with zipfile.ZipFile(plain_zip, "w") as archive:
    archive.writestr("hello.txt", "hello")

files = {
    "zip": saved(state()),
    "legacy": saved(state(), **legacy),
    "protocol4": saved(state(), pickle_protocol=4),
    "protocol5legacy": saved(state(), pickle_protocol=5, **legacy),
    "metadata": saved(net.state_dict()),
    "wrapped": saved({"state_dict": prefixed, "best_prec1": 91.7}),
    "wrappedLegacy": saved({"state_dict": prefixed, "best_prec1": 91.7}, **legacy),
    "everything": saved(everything),
    "everythingLegacy": saved(everything, **legacy),
    "ema": saved({"state_dict": {"w": torch.zeros(2)}, "state_dict_ema": {"w": torch.ones(2)}, "model": {"w": torch.full((2,), 2.0)}}),
    "nested": saved({"ema": {"model": {"module": {"module._orig_mod.w": torch.ones(2)}}}}),
    "averaged": saved(averaged.state_dict()),
    "nothing": saved({"epoch": 3, "loss": [1.0]}),
    "list": saved([torch.ones(2)]),
    "evil": saved({"w": torch.ones(2), "x": Evil()}),
    "evilLegacy": saved({"w": torch.ones(2), "x": Evil()}, **legacy),
    "module": saved(nn.Linear(2, 2)),
    "sparse": saved({"w": torch.eye(2).to_sparse()}),
    "quantized": saved({"w": torch.quantize_per_tensor(torch.ones(2), 0.1, 0, torch.qint8)}),
    "unsigned16": saved({"w": torch.tensor([1], dtype=torch.uint16)}),
    "deflated": rezipped(saved({"w": torch.ones(2)})),
    "torchscript": script.getvalue(),
    "plainZip": plain_zip.getvalue(),
}
json.dump(
    {
        "state": {name: values(tensor) for name, tensor in state().items()},
        "files": {name: base64.b64encode(content).decode() for name, content in files.items()},
    },
    sys.stdout,
    indent=1,
)
