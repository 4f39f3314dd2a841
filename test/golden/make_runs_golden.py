"""Writes training_runs.json: thirty AdamW steps of a tiny BERT in PyTorch, for the loss of each recipe.

    python test/golden/make_runs_golden.py     (torch 2.11, transformers; float64, dropout 0)

Parameters are stored as projections, sum_i p_i cos(i): a difference in any of them shows. The head of
masked language modelling is no part of bert-erf: `fixed_rows` makes it.
"""

import json
from pathlib import Path

import torch
import torch.nn.functional as F
from transformers import BertConfig, BertForMaskedLM, BertModel, PreTrainedTokenizerFast

from masking import Masking, pad

HERE = Path(__file__).parent
STEPS = 30
RATE, DECAY, CLIP = 1e-3, 0.01, 1.0
ANCHORS = ["a cat sleeps", "rain falls on the town", "two men play chess", "the dog runs"]
POSITIVES = ["a cat is asleep", "it is raining in town", "men are playing a game", "a dog is running"]
HARD = ["a cat is awake", "the town is dry", "two men sleep", "the dog lies still"]
REFERENCE_WIDTH = 5
MLM_WEIGHT, MLM_RATE = 0.1, 0.3

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


def reference_mask():
    a, c = fixed_rows(4, REFERENCE_WIDTH, 1), fixed_rows(8, REFERENCE_WIDTH, 2)
    similar = F.cosine_similarity(a[:, None], c[None], dim=-1) > 0.5
    return ~similar | torch.eye(4, 8, dtype=torch.bool)


def distil(a, c):
    rows = torch.cat([a, c])
    teacher = torch.cat([fixed_rows(4, 24, 3), fixed_rows(8, 24, 4)])
    return (2 - 2 * F.cosine_similarity(rows, teacher, dim=-1)).mean()


RUNS = {
    "simcse-unsup": (False, lambda a, c: info_nce(a, c, 0.05)),
    "simcse-sup": (True, lambda a, c: info_nce(a, c, 0.05)),
    "simgpt-simcse": (True, lambda a, c: info_nce(a, c, 0.05, 0.8)),
    "promcse-sup": (True, lambda a, c: info_nce(a, c, 0.05) + 10 * hinge(a, c)),
    "multicsr": (True, lambda a, c: info_nce(a, c, 0.05, keep=reference_mask())),
    "multicsr-released": (True, lambda a, c: zero_score(a, c, 0.05, reference_mask())),
    "distil-small": (True, distil),
    "simcse-unsup-mlm": (False, lambda a, c: info_nce(a, c, 0.05), True),
}


def embed(model, texts):
    batch = tokenizer(texts, padding=True, return_tensors="pt")
    mask = batch["attention_mask"].double()[..., None]
    hidden = model(batch["input_ids"], attention_mask=batch["attention_mask"]).last_hidden_state
    return (hidden * mask).sum(1) / mask.sum(1)


def projection(values):
    flat = values.detach().flatten()
    return float((flat * torch.cos(torch.arange(len(flat), dtype=torch.float64))).sum())


MASKING = Masking(seed=0, rate=MLM_RATE, special=[0, 1, 2, 3, 4], mask=4, vocab=len(tokenizer))


class Predictions:
    """The head of masked language modelling over a model whose word embeddings it shares."""

    def __init__(self, model):
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
        changed, labels = MASKING.masked(rows, examples, roles, step)
        if all(label == -100 for row in labels for label in row):
            return 0.0  # a mean over nothing
        mask = pad([[1] * len(row) for row in rows], 0)
        return self.whole(pad(changed, 0), attention_mask=mask, labels=pad(labels, -100)).loss


def run(hard, loss_of, mlm=False):
    model = BertModel.from_pretrained(HERE / "bert-erf", add_pooling_layer=False).double()
    predictions = Predictions(model) if mlm else None
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
    losses, norms = [], []
    for step in range(STEPS):
        positives = POSITIVES if hard else ANCHORS
        texts = ANCHORS + positives + (HARD if hard else [])
        rows = embed(model, texts)
        loss = loss_of(rows[:4], rows[4:])
        if mlm:
            loss = loss + MLM_WEIGHT * predictions.loss(texts, step)
        # Zero, not absent: a step without masked tokens is a step of the predictions' head too.
        optimizer.zero_grad(set_to_none=False)
        loss.backward()
        norms.append(float(torch.nn.utils.clip_grad_norm_(named.values(), CLIP)))
        for group in optimizer.param_groups:
            group["lr"] = RATE * (1 - step / STEPS)
        optimizer.step()
        losses.append(float(loss))
    # The true gradient of a key's bias is zero, and AdamW amplifies rounding.
    kept = {name: projection(p) for name, p in named.items() if not name.endswith("key.bias")}
    return {"losses": losses, "gradientNorms": norms, "parameters": kept}


golden = {
    "texts": {"anchors": ANCHORS, "positives": POSITIVES, "hardNegatives": HARD},
    "learningRate": RATE,
    "weightDecay": DECAY,
    "maxGradNorm": CLIP,
    "mlm": {"weight": MLM_WEIGHT, "rate": MLM_RATE},
    "runs": {name: run(*of) for name, of in RUNS.items()},
}
(HERE / "training_runs.json").write_text(json.dumps(golden, indent=1) + "\n")
