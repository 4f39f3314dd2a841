"""sentence-transformers, end to end: SentenceTransformer.encode; speaks the protocol of peer.mjs."""

import json
import os
import resource
import sys
import time

# Answers own stdout; whatever a library prints goes to stderr.
answers = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)
os.environ["HF_HUB_OFFLINE"] = "1"

import numpy
import sentence_transformers
import torch

inputs = {}
state = {}


def load(model, threads, maxTokens, device, precision):
    torch.set_num_threads(threads)
    state["model"] = sentence_transformers.SentenceTransformer(
        model,
        device=device,
        local_files_only=True,
        model_kwargs={"torch_dtype": getattr(torch, precision)},
    )
    state["model"].max_seq_length = maxTokens
    versions = {"sentence-transformers": sentence_transformers.__version__, "torch": torch.__version__}
    return {"versions": versions}


def read_input(name, path):
    with open(path, encoding="utf-8") as file:
        inputs[name] = json.load(file)
    return {}


def embed(input, batch, save=None):
    texts = inputs[input]["texts"]
    cpu, start = time.process_time(), time.perf_counter()
    rows = state["model"].encode(
        texts, batch_size=batch, normalize_embeddings=True, show_progress_bar=False
    )
    seconds, cpu_seconds = time.perf_counter() - start, time.process_time() - cpu
    if save is not None:
        numpy.ascontiguousarray(rows, dtype=numpy.float32).tofile(save)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return {"seconds": seconds, "cpuSeconds": cpu_seconds, "peakBytes": peak}


def gemm(rows, inner, outer, threads):
    """Best rate of oneDNN's float32 linear over packed weights: the ceiling shares are taken of."""
    torch.set_num_threads(threads)
    with torch.inference_mode():
        x, weight = torch.randn(rows, inner), torch.randn(outer, inner)
        packed = torch.ops.mkldnn._reorder_linear_weight(weight, rows)
        best = float("inf")
        for _ in range(60):
            start = time.perf_counter()
            torch.ops.mkldnn._linear_pointwise(x, packed, None, "none", [], "")
            best = min(best, time.perf_counter() - start)
    return {"gflops": 2 * rows * inner * outer / best / 1e9}


def matmul(size, device, precision, repeats):
    """Best rate of a square product of random matrices: the ceiling of a GPU."""
    dtype = getattr(torch, precision)
    a, b = (torch.randn(size, size, device=device, dtype=dtype) for _ in range(2))
    wait = torch.cuda.synchronize if device == "cuda" else lambda: None
    best = float("inf")
    for _ in range(repeats):
        wait()
        start = time.perf_counter()
        torch.mm(a, b)
        wait()
        best = min(best, time.perf_counter() - start)
    return {"gflops": 2 * size**3 / best / 1e9}


operations = {"load": load, "input": read_input, "embed": embed, "gemm": gemm, "matmul": matmul}

for line in sys.stdin:
    request = json.loads(line)
    try:
        answer = operations[request.pop("op")](**request)
    except Exception as error:  # the harness decides what a failing peer means
        message = str(error).partition("\n")[0][:300]
        answer = {"error": f"{type(error).__name__}: {message}"}
    print(json.dumps(answer), file=answers, flush=True)
