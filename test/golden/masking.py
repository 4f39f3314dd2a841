"""Which tokens masked language modelling predicts, written a second time for the golden files.

BERT's rule (Devlin et al. 2019): of the tokens chosen 80 % are masked, 10 % replaced, 10 % kept. The
choices are words of Philox4x32-10 (Salmon et al. 2011) at (seed, step, example, role, site, element), as
native/train/draws.h numbers them.
"""

from dataclasses import dataclass

import torch


def philox(counter, key):
    c, k = list(counter), list(key)
    for _ in range(10):
        p0, p1 = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
        c = [(p1 >> 32) ^ c[1] ^ k[0], p1 & 0xFFFFFFFF, (p0 >> 32) ^ c[3] ^ k[1], p0 & 0xFFFFFFFF]
        k = [(k[0] + 0x9E3779B9) & 0xFFFFFFFF, (k[1] + 0xBB67AE85) & 0xFFFFFFFF]
    return c


def pad(rows, value):
    longest = max(map(len, rows))
    return torch.tensor([row + [value] * (longest - len(row)) for row in rows])


@dataclass
class Masking:
    seed: int
    rate: float
    mask: int
    special: list
    vocab: int

    def masked(self, rows, examples, roles, step):
        """The rows with masked ids, and what to predict where, -100 elsewhere."""
        changed, labels = [], []
        for ids, example, role in zip(rows, examples, roles):

            def word(site, element):
                counter = [element // 4, site << 8 | role, example, step]
                return philox(counter, [self.seed & 0xFFFFFFFF, self.seed >> 32])[element % 4]

            new, target = list(ids), [-100] * len(ids)
            for t, token in enumerate(ids):
                if token in self.special or word(32, t) >= self.rate * 2**32:
                    continue
                target[t] = token
                action = word(33, t)
                if action < 0.8 * 2**32:
                    new[t] = self.mask
                elif action < 0.9 * 2**32:
                    new[t] = word(34, t) * self.vocab >> 32
            changed.append(new)
            labels.append(target)
        return changed, labels
