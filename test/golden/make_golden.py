"""Makes the golden models and outputs of this folder.

    python3 -m venv env && env/bin/pip install torch==2.11.0 transformers==5.17.0 safetensors
    env/bin/python test/golden/make_golden.py

Four tiny random models of odd sizes, saved as plain Hugging Face folders in float32, and what
transformers computes from those very weights in float64, one text at a time: the token ids, and the
embedding under every pooling, computed here from the hidden states by its definition.
"""

import json
import pathlib

import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer
from tokenizers.models import BPE, WordPiece
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer, ByteLevel
from tokenizers.processors import BertProcessing, RobertaProcessing
from transformers import BertConfig, BertModel, RobertaConfig, RobertaModel

HERE = pathlib.Path(__file__).parent
TEXTS = [
    "a man plays",
    "",
    "play",
    "The women PLAYED a long game, unaffordable!",
    "caf\u00e9 na\u00efve \u4e2d\u6587 text",
    "one two three four five six seven eight nine ten eleven twelve",
    "word " * 60,
    "a man plays a game; a woman plays a longer game.",
    "a <pad> play [PAD] man [SEP] </s>[CLS]",
]
WORDS = """a man woman women play plays game long the text one two three four five six seven eight
nine ten word cafe naive un afford able , . ; ! ##s ##ed ##er ##able ##a ##f ##o ##r ##d ##n ##e
##l ##v ##i ##t ##w m w p""".split()


def bert_tokenizer():
    vocab = {t: i for i, t in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS])}
    tokenizer = Tokenizer(WordPiece(vocab, unk_token="[UNK]", max_input_chars_per_word=100))
    tokenizer.normalizer = BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = BertPreTokenizer()
    tokenizer.post_processor = BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    tokenizer.add_special_tokens(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"])
    return tokenizer


def roberta_tokenizer():
    vocab = {"<s>": 0, "<pad>": 1, "</s>": 2, "<unk>": 3}
    for symbol in sorted(ByteLevel.alphabet()):
        vocab[symbol] = len(vocab)
    merges = [("\u0120", "a"), ("l", "a"), ("p", "la"), ("pla", "y"), ("\u0120", "play"),
              ("a", "n"), ("m", "an"), ("\u0120", "man"), ("g", "a"), ("m", "e"), ("ga", "me")]
    for left, right in merges:
        vocab[left + right] = len(vocab)
    vocab["<mask>"] = len(vocab)
    tokenizer = Tokenizer(BPE(vocab, merges))
    tokenizer.pre_tokenizer = ByteLevel(add_prefix_space=False)
    tokenizer.post_processor = RobertaProcessing(
        ("</s>", 2), ("<s>", 0), trim_offsets=True, add_prefix_space=False)
    tokenizer.add_special_tokens(["<s>", "<pad>", "</s>", "<unk>", "<mask>"])
    return tokenizer


def bert(seed, **sizes):
    torch.manual_seed(seed)
    tokenizer = bert_tokenizer()
    config = BertConfig(vocab_size=tokenizer.get_vocab_size(), max_position_embeddings=40,
                        initializer_range=0.2, layer_norm_eps=1e-12, **sizes)
    return tokenizer, BertModel(config)


def roberta(seed, **sizes):
    torch.manual_seed(seed)
    tokenizer = roberta_tokenizer()
    config = RobertaConfig(vocab_size=tokenizer.get_vocab_size(), max_position_embeddings=42,
                           type_vocab_size=1, pad_token_id=1, bos_token_id=0, eos_token_id=2,
                           initializer_range=0.2, layer_norm_eps=1e-5, **sizes)
    return tokenizer, RobertaModel(config)


def poolings(states):
    """states: the hidden states of one text, [tokens, hidden] each, the embedding layer's first."""
    last, first, before = states[-1], states[1], states[-2]
    count = last.shape[0]
    weights = torch.arange(1, count + 1, dtype=last.dtype).unsqueeze(1)
    return {
        "cls": last[0],
        "mean": last.mean(0),
        "max": last.max(0).values,
        "meanSqrtLen": last.sum(0) / count**0.5,
        "weightedMean": (last * weights).sum(0) / weights.sum(),
        "lastToken": last[-1],
        "firstLastMean": ((first + last) / 2).mean(0),
        "lastTwoMean": ((before + last) / 2).mean(0),
        "embeddingLastMean": ((states[0] + last) / 2).mean(0),
    }


def randomise_norms_and_biases(model):
    """Fresh models have LayerNorm 1 and biases 0, which would hide a swapped or dropped one."""
    for name, parameter in model.named_parameters():
        if "LayerNorm" in name or name.endswith("bias"):
            parameter.data.add_(0.2 * torch.randn_like(parameter))


def write(name, tokenizer, model, max_tokens):
    folder = HERE / name
    folder.mkdir(exist_ok=True)
    randomise_norms_and_biases(model)
    hidden = model.config.hidden_size
    mlp = {"mlp.dense.weight": torch.randn(hidden, hidden) * 0.3,
           "mlp.dense.bias": torch.randn(hidden) * 0.3}
    tensors = {k: v.contiguous() for k, v in model.state_dict().items() if v.is_floating_point()}
    save_file({**tensors, **mlp}, folder / "model.safetensors", metadata={"format": "pt"})
    config = model.config.to_dict()
    kept = ["model_type", "vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads",
            "intermediate_size", "hidden_act", "max_position_embeddings", "type_vocab_size",
            "layer_norm_eps", "pad_token_id", "hidden_dropout_prob", "initializer_range",
            "attention_probs_dropout_prob"]
    (folder / "config.json").write_text(json.dumps({k: config[k] for k in kept}, indent=1) + "\n")
    tokenizer.save(str(folder / "tokenizer.json"))

    model = model.double().eval()
    tokenizer.enable_truncation(max_tokens)
    rows = []
    for text in TEXTS:
        ids = tokenizer.encode(text).ids
        with torch.no_grad():
            out = model(input_ids=torch.tensor([ids]), output_hidden_states=True)
        pooled = poolings([state[0] for state in out.hidden_states])
        head = pooled["cls"] @ mlp["mlp.dense.weight"].double().T + mlp["mlp.dense.bias"].double()
        pooled["cls+pooler"] = out.pooler_output[0]
        pooled["cls+mlp"] = torch.tanh(head)
        rows.append({"text": text, "tokenIds": ids,
                     "embeddings": {k: [float(f"{x:.15g}") for x in v] for k, v in pooled.items()}})
    document = {"made": f"transformers, torch {torch.__version__}, float64, one text at a time",
                "maxTokens": max_tokens, "texts": rows}
    (folder / "golden.json").write_text(json.dumps(document, ensure_ascii=False) + "\n")
    print(name, [len(r["tokenIds"]) for r in rows])


def main():
    write("bert-erf", *bert(1, hidden_size=24, num_hidden_layers=3, num_attention_heads=1,
                            intermediate_size=40, hidden_act="gelu"), max_tokens=40)
    write("bert-tanh", *bert(2, hidden_size=24, num_hidden_layers=1, num_attention_heads=3,
                             intermediate_size=40, hidden_act="gelu_new"), max_tokens=40)
    write("roberta-erf", *roberta(3, hidden_size=24, num_hidden_layers=3, num_attention_heads=1,
                                  intermediate_size=40, hidden_act="gelu"), max_tokens=40)
    write("roberta-tanh", *roberta(4, hidden_size=30, num_hidden_layers=2, num_attention_heads=5,
                                   intermediate_size=50, hidden_act="gelu_pytorch_tanh"),
          max_tokens=40)


if __name__ == "__main__":
    main()
