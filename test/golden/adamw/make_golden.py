"""Writes golden.json: five steps of torch.optim.AdamW with clip_grad_norm_ on two parameters.

    python test/golden/adamw/make_golden.py     (torch 2.11)
"""

import json
from pathlib import Path

import torch

OPTIONS = {"weightDecay": 0.01, "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8}
RATES = [1e-2, 2e-2, 0.0, 5e-3, 1e-3]
MAX_NORM = 1.0
SIZES = [11, 3]  # the second, a bias, does not decay


def run(dtype):
    generator = torch.Generator().manual_seed(7)
    values = [torch.randn(size, generator=generator, dtype=torch.float64) for size in SIZES]
    grads = [
        [torch.randn(size, generator=generator, dtype=torch.float64) * 3 / (step + 1) for size in SIZES]
        for step in range(len(RATES))
    ]
    parameters = [torch.nn.Parameter(value.to(dtype, copy=True)) for value in values]
    optimizer = torch.optim.AdamW(
        [
            {"params": [parameters[0]], "weight_decay": OPTIONS["weightDecay"]},
            {"params": [parameters[1]], "weight_decay": 0.0},
        ],
        lr=1.0,
        betas=(OPTIONS["beta1"], OPTIONS["beta2"]),
        eps=OPTIONS["epsilon"],
    )
    norms = []
    for rate, step in zip(RATES, grads):
        for parameter, grad in zip(parameters, step):
            parameter.grad = grad.to(dtype, copy=True)
        norms.append(float(torch.nn.utils.clip_grad_norm_(parameters, MAX_NORM)))
        for group in optimizer.param_groups:
            group["lr"] = rate
        optimizer.step()
    flat = lambda lists: [value for each in lists for value in each.tolist()]
    return {
        "start": flat(values),
        "gradients": [flat(step) for step in grads],
        "norms": norms,
        "end": flat([parameter.detach() for parameter in parameters]),
    }


golden = {
    "options": OPTIONS,
    "learningRates": RATES,
    "maxGradNorm": MAX_NORM,
    "decaying": SIZES[0],
    "float64": run(torch.float64),
    "float32": run(torch.float32),
}
Path(__file__).with_name("golden.json").write_text(json.dumps(golden, indent=1) + "\n")
