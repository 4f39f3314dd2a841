#!/usr/bin/env python3
"""Turns PyTorch checkpoints (.bin, .pt, .pth) into folders that simgpt reads.

    python tools/convert.py INPUT OUTPUT [--simcse sup|unsup] [--pooling MODE] [--head HEAD]
    python tools/convert.py INPUT OUTPUT --promcse sup|unsup
    python tools/convert.py INPUT OUTPUT --to-promcse

INPUT   a model folder with pytorch_model.bin (or its shards), config.json and tokenizer files
OUTPUT  a new folder: model.safetensors and the same small files, nothing that carries code

Only tensors are loaded (weights_only=True); a file that holds anything else is refused, and no
pickle is ever executed. Needs torch >= 2.6 and safetensors.

Published SimCSE models keep the trained MLP under the pooler's name: `--simcse sup` renames it to
mlp.dense and states pooling cls and head mlp in simgpt.json; `--simcse unsup` states head none, as
these models are used at test. Training checkpoints with mlp.dense are read as they are.

PromCSE's checkpoints hold a deep prompt, prefix_encoder.embedding.weight [k, 2 layers x hidden], the
keys of layer l at slice 2l and its values at 2l + 1. `--promcse` writes it to deep_prompt.safetensors
beside the encoder, under the same name; `--to-promcse` puts both into one pytorch_model.bin again,
the head under mlp.dense, as PromCSE's code loads it.
"""

import argparse
import json
import os
import pickle
import re
import shutil
import sys
import tempfile
from pathlib import Path

SMALL_FILES = [
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.txt",
    "vocab.json",
    "merges.txt",
    "modules.json",
    "sentence_bert_config.json",
    "sentence_roberta_config.json",
    "config_sentence_transformers.json",
]
# Prefixes that training wrappers and task models put before the encoder's own names.
WRAPPERS = ("module.", "model.", "bert.", "roberta.")
# Heads of pre-training and of tasks: not part of an embedding model.
DROPPED = ("cls.", "lm_head.", "classifier.", "qa_outputs.", "dropout.")
POOLINGS = [
    "cls",
    "mean",
    "max",
    "meanSqrtLen",
    "weightedMean",
    "lastToken",
    "firstLastMean",
    "lastTwoMean",
    "embeddingLastMean",
]
PROMPT_NAME = "prefix_encoder.embedding.weight"
PROMPT_FILE = "deep_prompt.safetensors"
SMALL_FILE_BYTES = 256 * 1024 * 1024


class Refused(Exception):
    pass


def import_torch():
    try:
        import torch
        from safetensors.torch import save_file
    except ImportError as error:
        raise Refused(f"needs torch >= 2.6 and safetensors: pip install torch safetensors ({error})")
    version = tuple(int(part) for part in torch.__version__.split("+")[0].split(".")[:2])
    if version < (2, 6):
        # Before 2.6 weights_only could be made to run code (CVE-2025-32434).
        raise Refused(f"expected torch >= 2.6, received {torch.__version__}")
    return torch, save_file


def inside(folder: Path, name: str) -> Path:
    path = folder / name
    if os.path.isabs(name) or ".." in Path(name).parts or "\\" in name or "\0" in name:
        raise Refused(f"{folder}: expected a file name inside the folder, received {name!r}")
    return path


def weight_files(folder: Path) -> list[Path]:
    for name in ("pytorch_model.bin", "model.pt", "model.pth", "model.bin"):
        if (folder / name).is_file():
            return [folder / name]
    index = folder / "pytorch_model.bin.index.json"
    if index.is_file():
        names = sorted(set(json.loads(index.read_text("utf8"))["weight_map"].values()))
        return [inside(folder, name) for name in names]
    raise Refused(f"{folder}: expected pytorch_model.bin or pytorch_model.bin.index.json")


def load_tensors(torch, path: Path) -> dict:
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError) as error:
        # PyTorch's own text goes on to advise loading it unsafely.
        named = re.search(r"GLOBAL ([\w.]+)", str(error))
        reason = f"it names {named.group(1)}" if named else type(error).__name__
        raise Refused(f"{path}: expected a file of tensors alone, nothing was executed: {reason}")
    for key in ("state_dict", "model_state_dict", "model"):
        if isinstance(state, dict) and isinstance(state.get(key), dict):
            state = state[key]
    if not isinstance(state, dict):
        raise Refused(f"{path}: expected a dictionary of tensors, received {type(state).__name__}")
    return {name: value for name, value in state.items() if isinstance(value, torch.Tensor)}


def plain_name(name: str) -> str:
    stripped = True
    while stripped:
        stripped = False
        for wrapper in WRAPPERS:
            if name.startswith(wrapper):
                name, stripped = name[len(wrapper) :], True
    return name


def encoder_tensors(torch, folder: Path) -> dict:
    tensors = {}
    for path in weight_files(folder):
        for name, value in load_tensors(torch, path).items():
            name = plain_name(name)
            if name.startswith(DROPPED) or name.endswith("position_ids"):
                continue
            # TensorFlow's names for LayerNorm, which old checkpoints still carry.
            name = name.replace("LayerNorm.gamma", "LayerNorm.weight")
            name = name.replace("LayerNorm.beta", "LayerNorm.bias")
            if name in tensors:
                raise Refused(f"{path}: tensor {name}: expected each name once")
            # Contiguous and unshared, as safetensors stores them.
            tensors[name] = value.detach().clone().contiguous()
    if not any(name.startswith("encoder.layer.") for name in tensors):
        raise Refused(f"{folder}: expected a BERT or RoBERTa encoder (encoder.layer.*)")
    return tensors


def rename_simcse_head(tensors: dict) -> None:
    for part in ("weight", "bias"):
        source, target = f"pooler.dense.{part}", f"mlp.dense.{part}"
        if target in tensors:
            tensors.pop(source, None)
        elif source in tensors:
            tensors[target] = tensors.pop(source)
        else:
            raise Refused(f"expected {source} or {target} for --simcse sup, received neither")


def copy_small_files(source: Path, target: Path) -> None:
    for name in SMALL_FILES:
        path = source / name
        if not path.is_file():
            continue
        if path.stat().st_size > SMALL_FILE_BYTES:
            raise Refused(f"{path}: expected at most {SMALL_FILE_BYTES} bytes")
        shutil.copyfile(path, target / name)
    config = json.loads((source / "config.json").read_text("utf8"))
    config.pop("auto_map", None)
    (target / "config.json").write_text(json.dumps(config, indent=2, sort_keys=True) + "\n", "utf8")


def copy_modules(torch, save_file, source: Path, target: Path) -> None:
    if not (source / "modules.json").is_file():
        return
    for module in json.loads((source / "modules.json").read_text("utf8")):
        name = module["path"]
        if name == "":
            continue
        folder = inside(source, name)
        (target / name).mkdir(parents=True)
        if (folder / "config.json").is_file():
            shutil.copyfile(folder / "config.json", target / name / "config.json")
        if (folder / "model.safetensors").is_file():
            shutil.copyfile(folder / "model.safetensors", target / name / "model.safetensors")
        elif (folder / "pytorch_model.bin").is_file():
            tensors = load_tensors(torch, folder / "pytorch_model.bin")
            tensors = {key: value.detach().clone().contiguous() for key, value in tensors.items()}
            save_file(tensors, target / name / "model.safetensors", metadata={"format": "pt"})


def split_prompt(tensors: dict, config: dict) -> dict:
    """Takes the deep prompt out of a PromCSE checkpoint's tensors; refuses another shape."""
    prompt = tensors.pop(PROMPT_NAME, None)
    width = 2 * config["num_hidden_layers"] * config["hidden_size"]
    if prompt is None or prompt.dim() != 2 or prompt.shape[1] != width:
        found = "none" if prompt is None else list(prompt.shape)
        raise Refused(f"expected {PROMPT_NAME} of shape [k, {width}], received {found}")
    left = [name for name in tensors if name.startswith("prefix_encoder.")]
    if left:
        raise Refused(f"expected a prompt without reparameterisation, received {left[0]}")
    return {PROMPT_NAME: prompt}


def read_safetensors(path: Path) -> dict:
    from safetensors.torch import load_file

    if not path.is_file():
        raise Refused(f"expected {path}")
    return load_file(path)


def head_tensors(source: Path) -> dict:
    """The head of an exported folder: its dense module, under PromCSE's name."""
    folder = source / "2_Dense"
    if not folder.is_dir():
        return {}
    dense = read_safetensors(folder / "model.safetensors")
    return {f"mlp.dense.{part}": dense[f"linear.{part}"] for part in ("weight", "bias")}


def to_promcse(options) -> None:
    torch, _ = import_torch()
    source, target = Path(options.input), Path(options.output)
    if target.exists():
        raise Refused(f"expected no folder at {target}, found one")
    config = json.loads((source / "config.json").read_text("utf8"))
    wrapper = "bert." if config["model_type"] == "bert" else "roberta."
    named = {plain_name(name): value for name, value in read_safetensors(source / "model.safetensors").items()}
    tensors = {name if name.startswith("mlp.") else wrapper + name: value for name, value in named.items()}
    tensors.update(head_tensors(source))
    tensors.update(split_prompt(read_safetensors(source / PROMPT_FILE), config))
    with tempfile.TemporaryDirectory(dir=target.absolute().parent, prefix=".convert-") as folder:
        work = Path(folder) / "model"
        work.mkdir()
        copy_small_files(source, work)
        torch.save(tensors, work / "pytorch_model.bin")
        work.rename(target)
    print(f"{target}: {len(tensors)} tensors")


def own_settings(options, tensors: dict) -> dict | None:
    if options.promcse is not None:
        # Its head was never the pretrained pooler, which an older checkpoint may still carry.
        head = "mlp" if options.promcse == "sup" else "none"
        if head == "mlp" and "mlp.dense.weight" not in tensors:
            rename_simcse_head(tensors)
        return {"formatVersion": 1, "pooling": "cls", "head": head}
    if options.simcse is not None:
        if options.simcse == "sup":
            rename_simcse_head(tensors)
        return {"formatVersion": 1, "pooling": "cls", "head": {"sup": "mlp"}.get(options.simcse, "none")}
    if options.head is None and options.pooling is None:
        return None
    settings = {"formatVersion": 1, "head": options.head or "none"}
    return settings if options.pooling is None else {**settings, "pooling": options.pooling}


def convert(options) -> None:
    torch, save_file = import_torch()
    source, target = Path(options.input), Path(options.output)
    if not (source / "config.json").is_file():
        raise Refused(f"{source}: expected a model folder with config.json")
    if target.exists():
        raise Refused(f"expected no folder at {target}, found one")
    tensors = encoder_tensors(torch, source)
    prompt = {}
    if options.promcse is not None:
        prompt = split_prompt(tensors, json.loads((source / "config.json").read_text("utf8")))
    settings = own_settings(options, tensors)
    # Built beside the target and renamed: it appears whole or not at all.
    with tempfile.TemporaryDirectory(dir=target.absolute().parent, prefix=".convert-") as folder:
        work = Path(folder) / "model"
        work.mkdir()
        copy_small_files(source, work)
        copy_modules(torch, save_file, source, work)
        save_file(tensors, work / "model.safetensors", metadata={"format": "pt"})
        if prompt:
            save_file(prompt, work / PROMPT_FILE, metadata={"format": "pt"})
        if settings is not None:
            (work / "simgpt.json").write_text(json.dumps(settings, indent=2) + "\n", "utf8")
        work.rename(target)
    print(f"{target}: {len(tensors) + len(prompt)} tensors")


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("input")
    parser.add_argument("output")
    parser.add_argument("--simcse", choices=["sup", "unsup"])
    parser.add_argument("--promcse", choices=["sup", "unsup"])
    parser.add_argument("--to-promcse", action="store_true")
    parser.add_argument("--pooling", choices=POOLINGS)
    parser.add_argument("--head", choices=["none", "pooler", "mlp"])
    options = parser.parse_args()
    if options.simcse is not None and (options.pooling or options.head):
        parser.error("--simcse states pooling and head itself")
    kinds = [options.simcse is not None, options.promcse is not None, options.to_promcse]
    if sum(kinds) > 1:
        parser.error("expected one of --simcse, --promcse and --to-promcse")
    try:
        to_promcse(options) if options.to_promcse else convert(options)
    except Refused as error:
        print(f"convert: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
