"""Makes the golden training steps of the folder training/.

    python3 -m venv env && env/bin/pip install torch==2.11.0 transformers==5.17.0 safetensors
    env/bin/python test/golden/make_training_golden.py

Two tiny random masked language models, saved in float32 as Hugging Face saves them, and one step's
gradients by PyTorch's autograd on transformers' own modules, from those very weights in float64,
texts padded as usual, dropout 0. The step's loss is

    sum(W * E) + |sum of the rows of E|^2 / 2 + 0.3 * the masked tokens' mean cross-entropy,
    W[i][j] = sin(1 + 0.7 i + 0.3 j),  E [texts, hidden] mean pooled, or the first token behind tanh(Wx + b)

Which tokens are masked: masking.py. Of each gradient the file keeps its norm, its product with
sin(1 + 0.37 k), k = 0, 1, ..., and its numbers at four places.
"""

import json
import math
import pathlib

import torch
from safetensors.torch import save_file
from transformers import BertConfig, BertForMaskedLM, RobertaConfig, RobertaForMaskedLM

from masking import Masking, pad

HERE = pathlib.Path(__file__).parent / "training"
VOCAB, HIDDEN, SEED, STEP, RATE, MLM_WEIGHT = 40, 12, 2**33 + 7, 5, 0.3, 0.3
SIZES = dict(vocab_size=VOCAB, hidden_size=HIDDEN, num_hidden_layers=2, num_attention_heads=3,
             intermediate_size=20, initializer_range=0.2, hidden_dropout_prob=0.0,
             attention_probs_dropout_prob=0.0)
LENGTHS = [5, 2, 9, 7, 12, 3]
SPECIAL = [0, 1, 2, 3]
MASK = 4
MASKING = Masking(seed=SEED, rate=RATE, mask=MASK, special=SPECIAL, vocab=VOCAB)


def summary(gradient):
    flat = gradient.reshape(-1)
    pattern = torch.sin(1 + 0.37 * torch.arange(flat.numel(), dtype=torch.float64))
    places = sorted({0, flat.numel() // 3, flat.numel() // 2, flat.numel() - 1})
    return {"norm": float(flat.norm()), "product": float(flat @ pattern),
            "at": {str(p): float(flat[p]) for p in places}}


def step(model, mlp, pooling, padding, rows, examples, roles):
    model.zero_grad()
    for tensor in mlp.values():
        tensor.grad = None
    ids, mask = pad(rows, padding), pad([[1] * len(row) for row in rows], 0)
    states = model.base_model(input_ids=ids, attention_mask=mask).last_hidden_state
    if pooling == "mean":
        weights = mask.unsqueeze(2).double()
        embeddings = (states * weights).sum(1) / weights.sum(1)
    else:
        embeddings = torch.tanh(states[:, 0] @ mlp["mlp.dense.weight"].T + mlp["mlp.dense.bias"])
    rows_of = torch.arange(embeddings.shape[0], dtype=torch.float64).unsqueeze(1)
    columns = torch.arange(embeddings.shape[1], dtype=torch.float64)
    loss = (embeddings * torch.sin(1 + 0.7 * rows_of + 0.3 * columns)).sum()
    loss = loss + embeddings.sum(0).square().sum() / 2
    changed, labels = MASKING.masked(rows, examples, roles, STEP)
    predicted = model(input_ids=pad(changed, padding), attention_mask=mask, labels=pad(labels, -100))
    (loss + MLM_WEIGHT * predicted.loss).backward()
    named = {**dict(model.named_parameters()), **(mlp if pooling == "cls" else {})}
    gradients = {name: summary(p.grad) for name, p in named.items() if p.grad is not None}
    return {"loss": float(loss), "mlmLoss": float(predicted.loss),
            "masked": sum(label != -100 for row in labels for label in row),
            "gradients": gradients}


def write(name, model, padding, seed):
    torch.manual_seed(seed)
    folder = HERE / name
    folder.mkdir(parents=True, exist_ok=True)
    for key, parameter in model.named_parameters():
        if "norm" in key.lower() or key.endswith("bias"):
            parameter.data.add_(0.2 * torch.randn_like(parameter))
    mlp = {"mlp.dense.weight": torch.randn(HIDDEN, HIDDEN) * 0.3,
           "mlp.dense.bias": torch.randn(HIDDEN) * 0.3}
    tensors = {key: p.detach().contiguous() for key, p in model.named_parameters()}
    save_file({**tensors, **mlp}, folder / "model.safetensors", metadata={"format": "pt"})

    model = model.double().train()
    mlp = {key: value.double().requires_grad_() for key, value in mlp.items()}
    rows = [[2] + torch.randint(5, VOCAB, (n - 2,)).tolist() + [3] for n in LENGTHS]
    examples, roles = [0, 1, 2**32 - 1, 0, 1, 9], [0, 0, 0, 1, 1, 2]
    document = {
        "made": f"transformers, torch {torch.__version__}, float64",
        "tokenIds": rows, "exampleIds": examples, "roles": roles, "dropoutSeed": SEED, "step": STEP,
        "maskRate": RATE, "maskTokenId": MASK, "specialIds": SPECIAL, "mlmWeight": MLM_WEIGHT,
        "steps": {pooling: step(model, mlp, pooling, padding, rows, examples, roles)
                  for pooling in ["mean", "cls"]}}
    (folder / "golden.json").write_text(json.dumps(document, indent=1) + "\n")
    assert math.isfinite(document["steps"]["mean"]["loss"])
    print(name, {k: (v["loss"], v["masked"]) for k, v in document["steps"].items()})


def main():
    torch.manual_seed(11)
    write("bert", BertForMaskedLM(BertConfig(**SIZES, hidden_act="gelu_new", pad_token_id=0,
                                             max_position_embeddings=16, layer_norm_eps=1e-12)),
          padding=0, seed=12)
    torch.manual_seed(21)
    write("roberta", RobertaForMaskedLM(RobertaConfig(
        **SIZES, hidden_act="gelu", pad_token_id=1, max_position_embeddings=18, type_vocab_size=1,
        layer_norm_eps=1e-5)), padding=1, seed=22)


if __name__ == "__main__":
    main()
