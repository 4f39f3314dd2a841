"""Writes thirty AdamW steps of a tiny BERT in PyTorch, for each form of loss that the recipes have:
training_runs.json with losses and gradient norms, training_runs.safetensors with the last parameters.

    python test/golden/make_runs_golden.py     (torch 2.11, transformers, safetensors; float64, dropout 0)

The head of masked language modelling is no part of bert-erf: `fixed_rows` makes it.
"""

import json
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from transformers import BertConfig, BertForMaskedLM, BertModel, PreTrainedTokenizerFast

from masking import Masking, pad

HERE = Path(__file__).parent
STEPS = 30
RATE, DECAY, CLIP = 1e-3, 0.01, 1.0
ANCHORS = ["a cat sleeps", "rain falls on the town", "two men play chess", "the dog runs"]
POSITIVES = ["a cat is asleep", "it is raining in town", "men are playing a game", "a dog is running"]
HARD = ["a cat is awake", "the town is dry", "two men sleep", "the dog lies still"]
REFERENCE_WIDTH, TEACHER_WIDTH = 5, 24

tokenizer = PreTrainedTokenizerFast(
    tokenizer_file=str(HERE / "bert-erf/tokenizer.json"), pad_token="[PAD]"
)


def info_nce(a, c, temperature, weight=0.0, keep=None):
    scores = F.cosine_similarity(a[:, None], c[None], dim=-1) / temperature
    n = len(a)
    if len(c) > n:
        scores = scores + weight * F.pad(torch.eye(n, dtype=a.dtype), (n, 0))
    if keep is not None:
        scores = scores.masked_fill(~keep, -torch.inf)
    return F.cross_entropy(scores, torch.arange(n))


def hinge(a, c, margin=0.2):
    cosines = F.cosine_similarity(a[:, None], c[None], dim=-1)
    own = cosines.diagonal()
    others = cosines.masked_fill(torch.eye(len(a), len(c), dtype=torch.bool), -torch.inf)
    return (margin + others.max(1).values - own).clamp_min(0).mean()


def zero_score(a, c, temperature, keep):
    scores = F.cosine_similarity(a[:, None], c[None], dim=-1) / temperature * keep
    return F.binary_cross_entropy(scores.softmax(1), torch.eye(len(a), len(c), dtype=a.dtype))


def fixed_rows(count, width, seed):
    values = torch.arange(count * width, dtype=torch.float64)
    # float32 on the way: that is what a reference encoder gives.
    return torch.sin(values * 0.7 + seed).view(count, width).float().double()


def reference_mask(above):
    a, c = fixed_rows(4, REFERENCE_WIDTH, 1), fixed_rows(8, REFERENCE_WIDTH, 2)
    similar = F.cosine_similarity(a[:, None], c[None], dim=-1) > above
    assert similar[~torch.eye(4, 8, dtype=torch.bool)].any()
    return ~similar | torch.eye(4, 8, dtype=torch.bool)


def distil(a, c, target):
    teachers = fixed_rows(4, TEACHER_WIDTH, 3), fixed_rows(len(c), TEACHER_WIDTH, 4)
    if target == "vectors":
        return (2 - 2 * F.cosine_similarity(torch.cat([a, c]), torch.cat(teachers), dim=-1)).mean()
    of = lambda x, y: F.cosine_similarity(x[:, None], y[None], dim=-1)
    return F.mse_loss(of(a, c), of(*teachers))


def loss_of(form, a, c):
    """One of a recipe's losses of rows a [n, width] and their candidates c [m, width]."""
    kind = form["kind"]
    if kind == "infoNce":
        return info_nce(a, c, form["temperature"], form.get("hardNegativeWeight", 0.0))
    if kind == "energyHinge":
        return hinge(a, c, form["margin"])
    if kind == "multiCsr":
        keep = reference_mask(form["above"])
        if form["masked"] == "zeroScore":
            return zero_score(a, c, form["temperature"], keep)
        return info_nce(a, c, form["temperature"], keep=keep)
    assert kind == "distillation" and form["objective"] == "mse"
    return distil(a, c, form["target"])


def form(data, *losses, mlm=None):
    return {"data": data, "losses": list(losses), "mlm": mlm}


def multi_csr(masked):
    return {"kind": "multiCsr", "temperature": 0.05, "above": 0.95, "masked": masked}


def weighted_hinge(weight):
    return {"kind": "energyHinge", "margin": 0.2, "weight": weight}


def distillation(target):
    return {"kind": "distillation", "target": target, "objective": "mse"}


def mlm(weight, rate, decay=1.0):
    return {"weight": weight, "rate": rate, "decay": decay, "decaySteps": 100}


NCE = {"kind": "infoNce", "temperature": 0.05}
RUNS = {
    "simcse-unsup": form("sentences", NCE),
    "simcse-sup": form("triples", NCE),
    "simgpt-simcse-released": form("triples", NCE | {"hardNegativeWeight": 0.8}),
    "promcse-sup": form("triples", NCE, weighted_hinge(10)),
    "simgpt-promcse-released-base": form("triples", NCE, weighted_hinge(5)),
    "simgpt-promcse-released-large": form("triples", NCE, weighted_hinge(5.7)),
    "multicsr": form("triples", multi_csr("exclude")),
    "multicsr-released": form("triples", multi_csr("zeroScore")),
    "distil-small": form("texts", distillation("vectors"), distillation("similarities")),
    "promcse-unsup-roberta": form("sentences", NCE, mlm=mlm(0.1, 0.15, 0.95)),
    "simgpt-simcse-released-mlm": form("triples", NCE, mlm=mlm(0.05, 0.1)),
    "syncse-released": form("triples", NCE, mlm=mlm(0.1, 0.15)),
}


def embed(model, texts):
    batch = tokenizer(texts, padding=True, return_tensors="pt")
    mask = batch["attention_mask"].double()[..., None]
    hidden = model(batch["input_ids"], attention_mask=batch["attention_mask"]).last_hidden_state
    return (hidden * mask).sum(1) / mask.sum(1)


class Predictions:
    """The head of masked language modelling over a model whose word embeddings it shares."""

    def __init__(self, model, rate):
        special = [0, 1, 2, 3, 4]
        self.masking = Masking(seed=0, rate=rate, special=special, mask=4, vocab=len(tokenizer))
        self.whole = BertForMaskedLM(BertConfig.from_pretrained(HERE / "bert-erf")).double()
        self.whole.bert = model
        head = self.whole.cls.predictions
        head.decoder.weight = model.embeddings.word_embeddings.weight
        width, vocab = model.config.hidden_size, len(tokenizer)
        with torch.no_grad():
            head.transform.dense.weight.copy_(fixed_rows(width, width, 5) / 4)
            head.transform.dense.bias.copy_(fixed_rows(1, width, 6)[0] / 4)
            head.transform.LayerNorm.weight.copy_((1 + fixed_rows(1, width, 7)[0] / 4).float())
            head.transform.LayerNorm.bias.copy_(fixed_rows(1, width, 8)[0] / 4)
            head.bias.copy_(fixed_rows(1, vocab, 9)[0] / 4)

    def named_parameters(self):
        return {n: p for n, p in self.whole.named_parameters() if n.startswith("cls.")}

    def loss(self, texts, step):
        rows = [tokenizer(text)["input_ids"] for text in texts]
        examples, roles = [i % 4 for i in range(len(rows))], [i // 4 for i in range(len(rows))]
        changed, labels = self.masking.masked(rows, examples, roles, step)
        if all(label == -100 for row in labels for label in row):
            return 0.0  # a mean over nothing
        mask = pad([[1] * len(row) for row in rows], 0)
        return self.whole(pad(changed, 0), attention_mask=mask, labels=pad(labels, -100)).loss


def texts_of(data):
    if data == "sentences":
        return ANCHORS + ANCHORS
    return ANCHORS + POSITIVES + (HARD if data == "triples" else [])


def run(form):
    mlm = form["mlm"]
    model = BertModel.from_pretrained(HERE / "bert-erf", add_pooling_layer=False).double()
    predictions = Predictions(model, mlm["rate"]) if mlm else None
    for module in (predictions.whole if mlm else model).modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    model.train()
    named = dict(model.named_parameters())
    if mlm:
        predictions.whole.train()
        named.update(predictions.named_parameters())
    plain = [p for name, p in named.items() if name.endswith("bias") or "LayerNorm" in name]
    decaying = [p for name, p in named.items() if not (name.endswith("bias") or "LayerNorm" in name)]
    optimizer = torch.optim.AdamW(
        [{"params": decaying, "weight_decay": DECAY}, {"params": plain, "weight_decay": 0.0}], lr=RATE
    )
    texts = texts_of(form["data"])
    losses, norms = [], []
    for step in range(STEPS):
        rows = embed(model, texts)
        loss = sum(one.get("weight", 1) * loss_of(one, rows[:4], rows[4:]) for one in form["losses"])
        if mlm:
            factor = mlm["weight"] * mlm["decay"] ** (step / mlm["decaySteps"])
            loss = loss + factor * predictions.loss(texts, step)
        # Zero, not absent: a step without masked tokens is a step of the predictions' head too.
        optimizer.zero_grad(set_to_none=False)
        loss.backward()
        norms.append(float(torch.nn.utils.clip_grad_norm_(named.values(), CLIP)))
        for group in optimizer.param_groups:
            group["lr"] = RATE * (1 - step / STEPS)
        optimizer.step()
        losses.append(float(loss))
    # The true gradient of a key's bias is zero, and AdamW amplifies rounding.
    kept = {name: p.detach().clone() for name, p in named.items() if not name.endswith("key.bias")}
    return {"form": form, "losses": losses, "gradientNorms": norms}, kept


runs = {name: run(of) for name, of in RUNS.items()}
golden = {
    "texts": {"anchors": ANCHORS, "positives": POSITIVES, "hardNegatives": HARD},
    "learningRate": RATE,
    "weightDecay": DECAY,
    "maxGradNorm": CLIP,
    "runs": {name: told for name, (told, _) in runs.items()},
}
(HERE / "training_runs.json").write_text(json.dumps(golden, indent=1) + "\n")
parameters = {f"{name}/{at}": p for name, (_, kept) in runs.items() for at, p in kept.items()}
save_file(parameters, HERE / "training_runs.safetensors")
