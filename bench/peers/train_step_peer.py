"""One SimCSE step of the peers, on requests of bench/harness/side.ts: plain PyTorch, or the step of
sentence-transformers' trainer. AdamW with clipping, learning rate 0: weights stay, so that every step
is the same work. Texts arrive with the request and are tokenised outside the timing.

    python train_step_peer.py pytorch|sentence-transformers
"""

import json
import os
import resource
import sys
import tempfile
import time

os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
import torch
import transformers
from transformers import AutoModel, AutoTokenizer


class PlainStep:
    """Anchors and positives as one batch, padded to the longest text."""

    def __init__(self, path):
        self.tokenizer = AutoTokenizer.from_pretrained(path)
        self.model = AutoModel.from_pretrained(path, add_pooling_layer=False)
        self.versions = {"torch": torch.__version__, "transformers": transformers.__version__}

    def give(self, anchors, positives):
        self.count = len(anchors)
        self.features = self.tokenizer(anchors + positives, padding=True, return_tensors="pt")

    def loss(self):
        states = self.model(**self.features).last_hidden_state
        mask = self.features["attention_mask"].unsqueeze(2).float()
        rows = torch.nn.functional.normalize((states * mask).sum(1) / mask.sum(1))
        scores = rows[: self.count] @ rows[self.count :].T / 0.05
        return torch.nn.functional.cross_entropy(scores, torch.arange(self.count))

    def backward(self):
        loss = self.loss()
        loss.backward()
        return loss


class SentenceTransformersStep:
    """MultipleNegativesRankingLoss over two columns; what the trainer does with each batch."""

    def __init__(self, path):
        import sentence_transformers
        from datasets import Dataset
        from sentence_transformers import SentenceTransformerTrainer
        from sentence_transformers import SentenceTransformerTrainingArguments
        from sentence_transformers.losses import MultipleNegativesRankingLoss

        self.model = sentence_transformers.SentenceTransformer(path, device="cpu")
        self.folder = tempfile.TemporaryDirectory()
        self.trainer = SentenceTransformerTrainer(
            model=self.model,
            args=SentenceTransformerTrainingArguments(
                output_dir=self.folder.name, use_cpu=True, report_to=[], disable_tqdm=True
            ),
            train_dataset=Dataset.from_dict({"anchor": ["a"], "positive": ["b"]}),
            loss=MultipleNegativesRankingLoss(self.model, scale=20.0),
        )
        self.trainer.current_gradient_accumulation_steps = 1
        self.versions = {"sentence-transformers": sentence_transformers.__version__}

    def give(self, anchors, positives):
        rows = [{"anchor": a, "positive": p} for a, p in zip(anchors, positives)]
        self.features = self.trainer.data_collator(rows)

    def backward(self):
        return self.trainer.training_step(self.model, dict(self.features))


def set_dropout(model, rate):
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = rate
        if hasattr(module, "dropout_prob"):
            module.dropout_prob = rate


def load(kind, request):
    torch.set_num_threads(request["threads"])
    side = (PlainStep if kind == "pytorch" else SentenceTransformersStep)(request["model"])
    side.model.train()
    side.optimizer = torch.optim.AdamW(side.model.parameters(), lr=0.0)
    return side


def step(side):
    cpu, start = time.process_time(), time.perf_counter()
    side.optimizer.zero_grad()
    loss = side.backward()
    torch.nn.utils.clip_grad_norm_(side.model.parameters(), 1.0)
    side.optimizer.step()
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return {"loss": float(loss), "seconds": seconds, "cpuSeconds": time.process_time() - cpu,
            "peakBytes": peak}


def main():
    side = None
    for line in sys.stdin:
        request = json.loads(line)
        if request["op"] == "load":
            side = load(sys.argv[1], request)
            answer = {"versions": side.versions}
        elif request["op"] == "give":
            side.give(request["anchors"], request["positives"])
            answer = {}
        else:
            set_dropout(side.model, request["dropout"])
            answer = step(side)
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
