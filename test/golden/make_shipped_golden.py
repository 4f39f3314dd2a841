"""Makes simgpt-small.json: what transformers computes from models/simgpt-small in float64.

    python3 -m venv env && env/bin/pip install torch==2.11.0 transformers==5.23.0
    env/bin/python test/golden/make_shipped_golden.py

Six sentences of data/sentences.txt and one of words that the vocabulary may lack, one at a time: the
token ids, and the mean of the token states at unit length, to seven decimals.
"""

import json
import pathlib

import torch
from transformers import AutoModel, AutoTokenizer

HERE = pathlib.Path(__file__).parent
MODEL = HERE / "../../models/simgpt-small"
SENTENCES = (HERE / "../../data/sentences.txt").read_text(encoding="utf8").splitlines()
TEXTS = [*SENTENCES[:300:50], "Zürich's xylophonists, unflappable, re-tuned 3.1415 glockenspiels; naïveté 北京!"]

tokenizer = AutoTokenizer.from_pretrained(MODEL)
model = AutoModel.from_pretrained(MODEL, dtype=torch.float64, add_pooling_layer=False).eval()
texts = []
for text in TEXTS:
    inputs = tokenizer(text, return_tensors="pt", padding=False, truncation=False)
    with torch.no_grad():
        states = model(**inputs).last_hidden_state[0]
    row = torch.nn.functional.normalize(states.mean(0), dim=0)
    texts.append({
        "text": text,
        "tokenIds": inputs["input_ids"][0].tolist(),
        "embedding": [round(value, 7) for value in row.tolist()],
    })
(HERE / "simgpt-small.json").write_text(json.dumps({"texts": texts}) + "\n", encoding="utf8")
