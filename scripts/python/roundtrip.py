"""The Python side of scripts/roundtrip_python.mjs, on the real libraries.

    roundtrip.py make DIR            writes small random models as sentence-transformers folders,
                                     PyTorch checkpoints and a hostile pickle
    roundtrip.py encode DIR TEXTS    prints [[...]] embeddings of the JSON list of texts
    roundtrip.py adapter DIR SAVED TEXTS    the same of SAVED, its transformer being that of DIR with
                                     the adapter of SAVED loaded onto it by PEFT
    roundtrip.py prompted DIR TEXTS  prints the embeddings of a PromCSE checkpoint: its deep prompt
                                     before every layer's keys and values, its mlp over the first token
    roundtrip.py same DIR DIR        prints whether two PyTorch checkpoints hold equal tensors
    roundtrip.py pooled DIR TEXTS    the same from transformers alone: tanh pooler over the first token
"""

import json
import os
import sys
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"
import torch  # noqa: E402
import torch.nn.functional as F  # noqa: E402
from safetensors.torch import load_file  # noqa: E402
from sentence_transformers import SentenceTransformer, models  # noqa: E402
from transformers import AutoModel, AutoTokenizer, BertConfig, BertModel  # noqa: E402
from transformers import RobertaConfig, RobertaModel  # noqa: E402

LETTERS = "abcdefghijklmnopqrstuvwxyz"
# Larger weights than 0.2 would turn float32 rounding itself into differences of 1e-5.
SIZES = dict(
    hidden_size=24, num_hidden_layers=3, num_attention_heads=2, intermediate_size=40, initializer_range=0.2
)


def write_wordpiece(folder: Path) -> int:
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "cat", "sat", *LETTERS]
    words += [f"##{letter}" for letter in LETTERS] + list(".,!?0123456789")
    (folder / "vocab.txt").write_text("\n".join(words) + "\n", "utf8")
    settings = {"tokenizer_class": "BertTokenizer", "do_lower_case": True, "model_max_length": 48}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings), "utf8")
    return len(words)


def plain_bert(folder: Path, activation: str = "gelu") -> Path:
    folder.mkdir(parents=True)
    torch.manual_seed(7)
    size = write_wordpiece(folder)
    config = BertConfig(vocab_size=size, max_position_embeddings=64, hidden_act=activation, **SIZES)
    BertModel(config).save_pretrained(folder)
    # Through the library once, so that tokenizer.json is its own.
    AutoTokenizer.from_pretrained(folder).save_pretrained(folder)
    return folder


def plain_roberta(folder: Path) -> Path:
    from tokenizers import ByteLevelBPETokenizer

    folder.mkdir(parents=True)
    torch.manual_seed(8)
    tokenizer = ByteLevelBPETokenizer()
    specials = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    texts = ["the cat sat on the mat", "a longer sentence about nothing in particular"] * 20
    tokenizer.train_from_iterator(texts, vocab_size=320, special_tokens=specials)
    tokenizer.save_model(str(folder))
    settings = {"tokenizer_class": "RobertaTokenizer", "model_max_length": 48}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings), "utf8")
    config = RobertaConfig(
        vocab_size=tokenizer.get_vocab_size(), max_position_embeddings=66, type_vocab_size=1, **SIZES
    )
    RobertaModel(config).save_pretrained(folder)
    AutoTokenizer.from_pretrained(folder).save_pretrained(folder)
    return folder


def save(modules: list, folder: Path, **options) -> None:
    SentenceTransformer(modules=modules, device="cpu", **options).save(
        str(folder), create_model_card=False
    )


class Hostile:
    def __reduce__(self):
        return (os.system, (f"touch {os.environ['SIMGPT_CANARY']}",))


def make(root: Path) -> None:
    bert, tanh_bert = plain_bert(root / "plain-bert"), plain_bert(root / "plain-tanh", "gelu_new")
    roberta = plain_roberta(root / "plain-roberta")
    transformer = lambda folder: models.Transformer(str(folder))  # noqa: E731
    save([transformer(bert), models.Pooling(24, "mean"), models.Normalize()], root / "mean")
    modes = ("lasttoken", "cls", "max")
    dense = models.Dense(72, 10, activation_function=torch.nn.Tanh())
    save([transformer(tanh_bert), models.Pooling(24, modes), dense, models.Normalize()], root / "list")
    modes = ("mean", "mean_sqrt_len_tokens", "weightedmean")
    gelu = models.Dense(72, 31, bias=False, activation_function=torch.nn.GELU())
    relu = models.Dense(31, 7, activation_function=torch.nn.ReLU())
    prompts = {"query": "the cat ", "document": ""}
    save(
        [transformer(roberta), models.Pooling(24, modes), gelu, relu],
        root / "roberta",
        prompts=prompts,
        default_prompt_name="query",
    )
    for name in ("simcse", "promcse", "promcse-roberta", "hostile"):
        copy = root / name
        copy.mkdir()
        for path in (roberta if name == "promcse-roberta" else bert).iterdir():
            if path.suffix != ".safetensors":
                (copy / path.name).write_bytes(path.read_bytes())
    state = {f"bert.{k}": v for k, v in AutoModel.from_pretrained(bert).state_dict().items()}
    torch.save({**state, "cls.predictions.bias": torch.zeros(3)}, root / "simcse/pytorch_model.bin")
    promcse(root / "promcse", state)
    own = AutoModel.from_pretrained(roberta).state_dict()
    promcse(root / "promcse-roberta", {f"roberta.{k}": v for k, v in own.items()})
    torch.save({**state, "x": Hostile()}, root / "hostile/pytorch_model.bin")


def promcse(folder: Path, state: dict) -> None:
    prompt = torch.randn(5, 2 * SIZES["num_hidden_layers"] * SIZES["hidden_size"])
    # A weight of 1 would saturate the tanh and hide differences.
    head = {"mlp.dense.weight": torch.randn(24, 24) / 24, "mlp.dense.bias": torch.randn(24) / 24}
    state = {**state, **head, "prefix_encoder.embedding.weight": prompt}
    torch.save(state, folder / "pytorch_model.bin")


def prompted(folder: str, texts: list[str]) -> list:
    config = json.loads((Path(folder) / "config.json").read_text("utf8"))
    state = torch.load(Path(folder) / "pytorch_model.bin", weights_only=True)
    own = {name.removeprefix("bert.").removeprefix("roberta."): value for name, value in state.items()}
    prompt, heads = own["prefix_encoder.embedding.weight"], config["num_attention_heads"]
    k, hidden = len(prompt), config["hidden_size"]
    first = k + (2 if config["model_type"] == "roberta" else 0)

    def linear(x, name):
        return F.linear(x, own[f"{name}.weight"], own[f"{name}.bias"])

    def norm(x, name):
        weight, bias = own[f"{name}.LayerNorm.weight"], own[f"{name}.LayerNorm.bias"]
        return F.layer_norm(x, (hidden,), weight, bias, config["layer_norm_eps"])

    def split(x):
        return x.view(len(x), heads, -1).transpose(0, 1)

    def encode_one(ids):
        positions = torch.arange(first, first + len(ids))
        x = own["embeddings.word_embeddings.weight"][ids]
        x = x + own["embeddings.position_embeddings.weight"][positions]
        x = norm(x + own["embeddings.token_type_embeddings.weight"][0], "embeddings")
        for layer in range(config["num_hidden_layers"]):
            base = f"encoder.layer.{layer}"
            keys, values = (prompt[:, (2 * layer + part) * hidden :][:, :hidden] for part in (0, 1))
            query = split(linear(x, f"{base}.attention.self.query"))
            key = split(torch.cat([keys, linear(x, f"{base}.attention.self.key")]))
            value = split(torch.cat([values, linear(x, f"{base}.attention.self.value")]))
            weights = (query @ key.mT / (hidden // heads) ** 0.5).softmax(-1)
            mixed = (weights @ value).transpose(0, 1).reshape(len(ids), hidden)
            x = norm(linear(mixed, f"{base}.attention.output.dense") + x, f"{base}.attention.output")
            inner = F.gelu(linear(x, f"{base}.intermediate.dense"))
            x = norm(linear(inner, f"{base}.output.dense") + x, f"{base}.output")
        return torch.tanh(linear(x[0], "mlp.dense"))

    tokenizer = AutoTokenizer.from_pretrained(folder)
    with torch.no_grad():
        rows = tokenizer(texts, truncation=True, max_length=48)["input_ids"]
        return torch.stack([encode_one(torch.tensor(ids)) for ids in rows]).tolist()


def encode(folder: str, texts: list[str]) -> list:
    model = SentenceTransformer(folder, device="cpu")
    return model.encode(texts, batch_size=3, convert_to_numpy=True).tolist()


def adapted(folder: str, saved: str, texts: list[str]) -> list:
    from peft import PeftModel

    adapter = Path(saved) / "adapter"
    base = AutoModel.from_pretrained(folder)
    before = sum(parameter.numel() for parameter in base.parameters())
    model = SentenceTransformer(saved, device="cpu")
    model[0].auto_model = PeftModel.from_pretrained(base, adapter)
    added = sum(parameter.numel() for parameter in base.parameters()) - before
    # PEFT leaves out a tensor that it has no place for, with no more than a warning.
    if added != sum(tensor.numel() for tensor in load_file(adapter / "adapter_model.safetensors").values()):
        raise SystemExit(f"expected PEFT to load every tensor, it has room for {added} numbers")
    return model.encode(texts, batch_size=3, convert_to_numpy=True).tolist()


def pooled(folder: str, texts: list[str]) -> list:
    tokenizer, model = AutoTokenizer.from_pretrained(folder), AutoModel.from_pretrained(folder).eval()
    rows = tokenizer(texts, padding=True, truncation=True, max_length=48, return_tensors="pt")
    with torch.no_grad():
        return model(**rows).pooler_output.tolist()


def same(first: str, second: str) -> bool:
    a, b = (torch.load(Path(path) / "pytorch_model.bin", weights_only=True) for path in (first, second))
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


if __name__ == "__main__":
    torch.set_num_threads(1)
    if sys.argv[1] == "make":
        make(Path(sys.argv[2]))
    elif sys.argv[1] == "same":
        print("RESULT " + json.dumps(same(*sys.argv[2:])))
    elif sys.argv[1] == "adapter":
        print("RESULT " + json.dumps(adapted(*sys.argv[2:4], json.loads(sys.argv[4]))))
    else:
        work = {"encode": encode, "pooled": pooled, "prompted": prompted}[sys.argv[1]]
        print("RESULT " + json.dumps(work(sys.argv[2], json.loads(sys.argv[3]))))
