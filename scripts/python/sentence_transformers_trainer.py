"""The Python side of scripts/compare/trainer.mjs: sentence-transformers' own trainer on given batches.

    sentence_transformers_trainer.py MODEL BATCHES OUTPUT THREADS

BATCHES has a step a line: {"anchor": [...], "positive": [...], "negative": [...]}. Values are those of
simgpt's recipe `simcse-sup`: temperature 0.05, AdamW without decay, 5e-5 falling linearly to 0, norm
clipped to 1, 32 tokens; dropout 0. Writes OUTPUT/losses.jsonl, one loss a step, and OUTPUT/model at the
end. Started again, it goes on from its last checkpoint.
"""

import json
import sys
from pathlib import Path

import torch
from datasets import Dataset
from sentence_transformers import SentenceTransformer, SentenceTransformerTrainer
from sentence_transformers import SentenceTransformerTrainingArguments
from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss
from transformers.trainer_utils import get_last_checkpoint

COLUMNS = ["anchor", "positive", "negative"]


class RecordedLoss(MultipleNegativesRankingLoss):
    """Writes each step's loss in full; the trainer's log rounds it."""

    def __init__(self, model, path, done):
        super().__init__(model, scale=20.0)
        kept = path.read_text("utf8").splitlines()[:done] if done > 0 else []
        path.write_text("".join(line + "\n" for line in kept), "utf8")
        self.path, self.step = path, done

    def forward(self, sentence_features, labels):
        loss = super().forward(sentence_features, labels)
        self.step += 1
        with open(self.path, "a", encoding="utf8") as file:
            file.write(json.dumps({"step": self.step, "loss": loss.item()}) + "\n")
        return loss


class GivenBatches:
    """The rows of each step, in the order of the file."""

    def __init__(self, sizes):
        self.sizes = sizes

    def __len__(self):
        return len(self.sizes)

    def __iter__(self):
        start = 0
        for size in self.sizes:
            yield list(range(start, start + size))
            start += size


class Trainer(SentenceTransformerTrainer):
    def get_batch_sampler(self, dataset, *args, **kwargs):
        return GivenBatches(SIZES)


torch.set_num_threads(int(sys.argv[4]))
model_path, batches_path, output = sys.argv[1], sys.argv[2], Path(sys.argv[3])
steps = [json.loads(line) for line in open(batches_path, encoding="utf8")]
SIZES = [len(step["anchor"]) for step in steps]
rows = {name: [text for step in steps for text in step[name]] for name in COLUMNS}

output.mkdir(parents=True, exist_ok=True)
no_dropout = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
model = SentenceTransformer(model_path, device="cpu", config_kwargs=no_dropout)
length = model.max_seq_length
model.max_seq_length = 32
checkpoint = get_last_checkpoint(output / "trainer") if (output / "trainer").exists() else None
done = 0 if checkpoint is None else int(checkpoint.rpartition("-")[2])
loss = RecordedLoss(model, output / "losses.jsonl", done)
arguments = SentenceTransformerTrainingArguments(
    output_dir=str(output / "trainer"),
    num_train_epochs=1,
    per_device_train_batch_size=max(SIZES),
    learning_rate=5e-5,
    lr_scheduler_type="linear",
    warmup_steps=0,
    weight_decay=0.0,
    adam_beta1=0.9,
    adam_beta2=0.999,
    adam_epsilon=1e-8,
    max_grad_norm=1.0,
    save_strategy="steps",
    save_steps=10,
    save_total_limit=1,
    report_to=[],
    logging_steps=20,
    use_cpu=True,
    seed=42,
)
trainer = Trainer(model=model, args=arguments, train_dataset=Dataset.from_dict(rows), loss=loss)
trainer.train(resume_from_checkpoint=checkpoint)
model.max_seq_length = length
model.save(str(output / "model"), create_model_card=False)
