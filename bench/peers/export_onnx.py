"""Writes the ONNX graphs that the onnxruntime peers run, from a Hugging Face BERT folder.

    python export_onnx.py MODEL_DIR OUT_DIR

OUT_DIR/onnx/model.onnx   last_hidden_state [batch, tokens, hidden], as transformers.js expects it
OUT_DIR/pooled.onnx       sentence_embedding [batch, hidden]: mean pooling and L2 norm in the graph
OUT_DIR/*.json            configuration and tokenizer beside them
Both graphs are float32 with dynamic batch and length, and went through onnxruntime's own
transformer optimizer (fused attention, GELU and LayerNorm), which is the peer at its best.
"""

import json
import math
import shutil
import sys
from pathlib import Path

import torch
from onnxruntime.transformers import optimizer
from transformers import AutoModel


class HiddenStates(torch.nn.Module):
    """BERT in the words of its first release: the form that onnxruntime's fusions recognise."""

    def __init__(self, bert):
        super().__init__()
        self.bert = bert
        self.heads = bert.config.num_attention_heads
        self.head_size = bert.config.hidden_size // self.heads

    def split_heads(self, hidden):  # [batch, tokens, hidden] -> [batch, heads, tokens, head size]
        batch, tokens = hidden.shape[:2]
        return hidden.view(batch, tokens, self.heads, self.head_size).permute(0, 2, 1, 3)

    def attention(self, layer, hidden, mask):
        query = self.split_heads(layer.self.query(hidden))
        key = self.split_heads(layer.self.key(hidden))
        value = self.split_heads(layer.self.value(hidden))
        scores = torch.matmul(query, key.transpose(-1, -2)) / math.sqrt(self.head_size) + mask
        context = torch.matmul(torch.softmax(scores, dim=-1), value).permute(0, 2, 1, 3).contiguous()
        batch, tokens = context.shape[:2]
        context = context.view(batch, tokens, self.heads * self.head_size)
        return layer.output.LayerNorm(layer.output.dense(context) + hidden)

    def forward(self, input_ids, attention_mask, token_type_ids):
        mask = attention_mask.unsqueeze(1).unsqueeze(2).to(torch.float32)  # [batch, 1, 1, tokens]
        mask = (1.0 - mask) * -10000.0
        embeddings = self.bert.embeddings
        positions = embeddings.position_ids[:, : input_ids.shape[1]]
        hidden = embeddings.word_embeddings(input_ids)
        hidden = hidden + embeddings.token_type_embeddings(token_type_ids)
        hidden = embeddings.LayerNorm(hidden + embeddings.position_embeddings(positions))
        for layer in self.bert.encoder.layer:
            attended = self.attention(layer.attention, hidden, mask)
            inner = torch.nn.functional.gelu(layer.intermediate.dense(attended))
            hidden = layer.output.LayerNorm(layer.output.dense(inner) + attended)
        return hidden


class SentenceEmbedding(HiddenStates):
    def forward(self, input_ids, attention_mask, token_type_ids):
        hidden = super().forward(input_ids, attention_mask, token_type_ids)
        weights = attention_mask.unsqueeze(-1).to(hidden.dtype)  # [batch, tokens, 1]
        mean = (hidden * weights).sum(1) / weights.sum(1).clamp(min=1e-9)
        return torch.nn.functional.normalize(mean, dim=1)


def export(module, path, output, output_axes):
    names = ("input_ids", "attention_mask", "token_type_ids")
    ids = torch.tensor([[101, 7592, 2088, 102], [101, 7592, 102, 0]])
    mask = torch.tensor([[1, 1, 1, 1], [1, 1, 1, 0]])
    path.parent.mkdir(parents=True, exist_ok=True)
    # Written beside the target and renamed: an interrupted export leaves no half graph behind.
    partial = path.with_suffix(".partial.onnx")
    axes = {0: "batch", 1: "tokens"}
    torch.onnx.export(
        module,
        (ids, mask, torch.zeros_like(ids)),
        str(partial),
        dynamo=False,
        opset_version=17,
        input_names=list(names),
        output_names=[output],
        dynamic_axes={**{name: axes for name in names}, output: output_axes},
    )
    config = module.bert.config
    fused = optimizer.optimize_model(
        str(partial),
        model_type="bert",
        num_heads=config.num_attention_heads,
        hidden_size=config.hidden_size,
        opt_level=0,
        use_gpu=False,
    )
    print(path.name, fused.get_fused_operator_statistics())
    fused.save_model_to_file(str(partial))
    partial.rename(path)


def write_tokenizer_config(model_dir, out_dir):
    """transformers.js truncates where this file says: at the sentence model's maximum."""
    tokenizer = json.loads((model_dir / "tokenizer_config.json").read_text())
    limits = json.loads((model_dir / "sentence_bert_config.json").read_text())
    tokenizer["model_max_length"] = limits["max_seq_length"]
    (out_dir / "tokenizer_config.json").write_text(json.dumps(tokenizer, indent=2))


def main():
    model_dir, out_dir = Path(sys.argv[1]), Path(sys.argv[2])
    bert = AutoModel.from_pretrained(
        str(model_dir), dtype=torch.float32, local_files_only=True, add_pooling_layer=False
    ).eval()
    if bert.config.model_type != "bert" or bert.config.hidden_act != "gelu":
        sys.exit(f"expected a BERT with exact GELU in {model_dir}")
    with torch.no_grad():
        export(SentenceEmbedding(bert), out_dir / "pooled.onnx", "sentence_embedding", {0: "batch"})
        hidden_axes = {0: "batch", 1: "tokens"}
        export(HiddenStates(bert), out_dir / "onnx/model.onnx", "last_hidden_state", hidden_axes)
    for name in ("config.json", "tokenizer.json"):
        shutil.copyfile(model_dir / name, out_dir / name)
    write_tokenizer_config(model_dir, out_dir)


if __name__ == "__main__":
    main()
