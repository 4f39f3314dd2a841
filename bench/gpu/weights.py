"""Weights for the GPU bench, where the real ones are too large to carry.

    python weights.py float16 MODEL_DIR OUT_DIR    the model's own, in half precision
    python weights.py random  MODEL_DIR OUT_DIR    drawn from its config.json: for speed alone
"""

import sys
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from transformers import AutoConfig, AutoModel

kind, model_dir, out_dir = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
if kind == "float16":
    tensors = load_file(model_dir / "model.safetensors")
    tensors = {
        name: value.half() if value.is_floating_point() else value
        for name, value in tensors.items()
    }
elif kind == "random":
    torch.manual_seed(0)
    model = AutoModel.from_config(AutoConfig.from_pretrained(str(model_dir)), dtype=torch.float32)
    tensors = {name: value.contiguous() for name, value in model.state_dict().items()}
    # Kept by the library outside the checkpoint.
    tensors = {name: value for name, value in tensors.items() if value.is_floating_point()}
else:
    sys.exit(f"expected float16 or random, received {kind}")
save_file(tensors, out_dir / "model.safetensors", metadata={"format": "pt"})
print(f"{kind} weights: {sum(value.nbytes for value in tensors.values()) / 1e6:.1f} MB")
