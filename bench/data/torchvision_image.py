"""torchvision.io's image extension, also where torchvision's wheel is a CUDA build and torch is not.

Such a wheel's image.so names CUDA libraries that a CPU build of torch lacks, though reading and decoding a JPEG on the CPU calls nothing
in them. Empty libraries with those names, whose functions end the process if anything calls them, let it load. The decoder is the
wheel's own, unchanged.
"""
import ctypes
import importlib.util
import os
import re
import subprocess
import tempfile


def prepare():
    """To be called before torchvision is imported. Needs ldd, nm and cc. @returns None, or what is missing."""
    import torch

    spec = importlib.util.find_spec("torchvision")
    if spec is None:
        return "torchvision is not installed"
    library = os.path.join(os.path.dirname(spec.origin), "image.so")
    if not os.path.exists(library):
        return f"{library} is not there"
    beside_torch = os.path.join(os.path.dirname(torch.__file__), "lib")
    needed = re.findall(r"(\S+) => not found", subprocess.run(["ldd", library], capture_output=True, text=True).stdout)
    missing = [name for name in needed if not os.path.exists(os.path.join(beside_torch, name))]
    foreign = [name for name in missing if "cuda" not in name]
    if foreign:
        return f"{library} needs {', '.join(foreign)}"
    if not missing:
        return None
    wanted = subprocess.run(["nm", "-D", "--undefined-only", library], capture_output=True, text=True).stdout.split()
    symbols = sorted({name for name in wanted if "cuda" in name.lower() and name.isidentifier()})
    with tempfile.TemporaryDirectory() as folder:
        source = os.path.join(folder, "functions.c")
        with open(source, "w") as file:
            file.write("void abort(void);\n" + "".join(f"void {name}(void) {{ abort(); }}\n" for name in symbols))
        for index, name in enumerate(missing):
            path = os.path.join(folder, name)
            body = source if index == 0 else "/dev/null"
            built = subprocess.run(
                ["cc", "-shared", "-fPIC", "-w", f"-Wl,-soname,{name}", "-o", path, "-x", "c", body], capture_output=True, text=True
            )
            if built.returncode != 0:
                return f"{library} needs {name}, and no stand-in could be compiled: {built.stderr.strip()}"
            ctypes.CDLL(path, mode=ctypes.RTLD_GLOBAL)
    return None
