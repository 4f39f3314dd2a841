"""Writes distillation_losses.json: what a student's loss is of a teacher's vectors, similarities and
scores, by PyTorch's own mse_loss and kl_div in float64.

    python test/golden/make_loss_golden.py     (torch 2.11)

All rows are sin(0.7 i + seed), i row-major, a teacher's in float32; hard negative h is of example OWNER[h].
"""

import json
from pathlib import Path

import torch
import torch.nn.functional as F

EXAMPLES, WIDTH, TEACHER_WIDTH = 5, 6, 9
OWNER = [0, 0, 1, 3, 3, 3, 4]
TEMPERATURE, TEACHER_TEMPERATURE = 0.3, 0.5


def rows(count, width, seed):
    return torch.sin(torch.arange(count * width, dtype=torch.float64) * 0.7 + seed).view(count, width)


def teacher_rows(count, width, seed):
    return rows(count, width, seed).float().double()


def cosines(a, c):
    return F.cosine_similarity(a[:, None], c[None], dim=-1)


def kl(student, teacher):
    log_s = F.log_softmax(student / TEMPERATURE, dim=-1)
    return F.kl_div(log_s, F.softmax(teacher / TEACHER_TEMPERATURE, dim=-1), reduction="batchmean")


columns = EXAMPLES + len(OWNER)
anchors, candidates = rows(EXAMPLES, WIDTH, 1), rows(columns, WIDTH, 2)
student = cosines(anchors, candidates)
teacher = cosines(teacher_rows(EXAMPLES, TEACHER_WIDTH, 3), teacher_rows(columns, TEACHER_WIDTH, 4))
scores = rows(1, columns, 5)[0]

# Each example's positive, then its own hard negatives.
places = [[i] + [EXAMPLES + h for h, of in enumerate(OWNER) if of == i] for i in range(EXAMPLES)]
own = [(student[i, at], scores[at]) for i, at in enumerate(places)]
taught = torch.cat([teacher_rows(EXAMPLES, WIDTH, 6), teacher_rows(columns, WIDTH, 7)])
values = {
    "vectors mse": (2 - 2 * F.cosine_similarity(torch.cat([anchors, candidates]), taught, dim=-1)).mean(),
    "similarities mse": F.mse_loss(student, teacher),
    "similarities kl": kl(student, teacher),
    "scores mse": F.mse_loss(*(torch.cat(side) for side in zip(*own))),
    "scores kl": sum(kl(s[None], t[None]) for s, t in own) / EXAMPLES,
}
golden = {
    "examples": EXAMPLES,
    "width": WIDTH,
    "teacherWidth": TEACHER_WIDTH,
    "owner": OWNER,
    "temperature": TEMPERATURE,
    "teacherTemperature": TEACHER_TEMPERATURE,
    "values": {name: float(value) for name, value in values.items()},
}
path = Path(__file__).parent / "distillation_losses.json"
path.write_text(json.dumps(golden, indent=1) + "\n")
