# mypy: disable-error-code="misc,no-any-return,import-not-found,unused-ignore"
"""What hear/people.py tells of rows, for many streams at once on any device."""

from __future__ import annotations

import torch

from ..hear.features import DEPTH
from ..hear.people import BEFORE, CEPSTRA, EDGE, LEAST, NEPERS, REMEMBERS, RIGHT, SCALE, SPEECH, STATES, UNKNOWN, Model

AT_ONCE = 32_768  # rows whose likelihoods are taken together: 0.7 GB


class Phones:
    """`Phones` of hear/people.py for whole streams, [B, BANDS, T] -> [B, 42, T]."""

    def __init__(self, model: Model, device: torch.device) -> None:
        def there(values: object) -> torch.Tensor:
            return torch.as_tensor(values, dtype=torch.float32, device=device)

        self.phones, self.streams, self.count = model.shape
        self.by, self.constant, self.mixture = there(model.by), there(model.constant), there(model.mixture)
        self.bands, self.cosines, self.usual = there(model.bands).T, there(model.cosines), there(model.usual)
        self.transitions = there(model.transitions)

    def __call__(self, rows: torch.Tensor) -> torch.Tensor:
        precision = torch.get_float32_matmul_precision()
        # Of squares over variances TF32 would leave whole nepers open
        torch.set_float32_matmul_precision("highest")
        try:
            with torch.no_grad():
                return self._told(rows)
        finally:
            torch.set_float32_matmul_precision(precision)

    def _told(self, rows: torch.Tensor) -> torch.Tensor:
        size, _, length = rows.shape
        plain = self._plain(rows.transpose(1, 2))
        whole = torch.cat([plain[:, :1].expand(-1, 2 * EDGE, -1), plain], 1)
        c = [whole[:, k : k + length] for k in range(2 * EDGE + 1)]
        x = torch.stack([c[3], c[5] - c[1], (c[6] - c[2]) - (c[4] - c[0])], 2).flatten(0, 1)
        likely = SCALE * torch.cat([self._likelihoods(part) for part in torch.split(x, AT_ONCE)])
        own = torch.exp((likely - likely.amax(1, keepdim=True)).clamp(min=-60.0)).view(size, length, -1)
        ahead = torch.empty_like(own)
        forward = torch.full((size, own.shape[2]), 1.0 / own.shape[2], device=own.device)
        for k in range(length):
            forward = (forward @ self.transitions) * own[:, k] + 1e-12
            forward = forward / forward.sum(1, keepdim=True)
            ahead[:, k] = forward
        known = max(length - RIGHT, 0)
        after = torch.ones(size, known, own.shape[2], device=own.device)
        for k in range(RIGHT, 0, -1):
            after = (own[:, k : k + known] * after) @ self.transitions.T
            after = after / after.amax(2, keepdim=True)
        state = ahead[:, :known] * after
        found = state.view(size, known, self.phones, STATES).sum(3) / state.sum(2, keepdim=True)
        found = torch.log(found + LEAST) / NEPERS + 1.0
        return torch.nn.functional.pad(found.transpose(1, 2), (length - known, 0), value=UNKNOWN).contiguous()

    def _likelihoods(self, x: torch.Tensor) -> torch.Tensor:
        """[T, 42 * STATES] of x [T, 3, CEPSTRA]."""
        found = torch.zeros(self.phones, len(x), STATES, device=x.device)
        for s in range(self.streams):
            each = torch.cat([x[:, s].square(), x[:, s]], 1) @ self.by[s] + self.constant[s]
            each = each.view(len(x), self.phones, self.count).transpose(0, 1)
            top = each.amax(2, keepdim=True)
            found += torch.log(torch.exp(each - top) @ self.mixture[:, s] + 1e-30) + top
        return found.transpose(0, 1).reshape(len(x), -1)

    def _plain(self, rows: torch.Tensor) -> torch.Tensor:
        """Cepstra [B, T, CEPSTRA] of rows [B, T, BANDS], less what the microphone and the voice are like until then."""
        power = torch.exp((rows - 1.5) * 4.0)
        cepstra = torch.log((power - DEPTH).clamp(min=0.1 * DEPTH) @ self.bands) @ self.cosines
        loud = power.sum(2, keepdim=True) > SPEECH
        total, count = (self.usual * BEFORE).expand(len(rows), CEPSTRA), torch.full((len(rows), 1), BEFORE, device=rows.device)
        found = torch.empty_like(cepstra)
        for k in range(rows.shape[1]):
            found[:, k] = cepstra[:, k] - total / count
            less = (REMEMBERS / (count + 1.0)).clamp(max=1.0)
            total = torch.where(loud[:, k], (total + cepstra[:, k]) * less, total)
            count = torch.where(loud[:, k], (count + 1.0) * less, count)
        return found
