# mypy: disable-error-code="misc,no-any-return,import-not-found,unused-ignore"
"""What hear/people.py tells of rows, for many streams at once on any device."""

from __future__ import annotations

import torch

from ..hear.features import DEPTH
from ..hear.people import (
    BEFORE,
    BEGIN,
    CEPSTRA,
    EDGE,
    END,
    FAINT,
    LEAST,
    MIDDLE,
    NEPERS,
    REMEMBERS,
    RIGHT,
    SCALE,
    SPEECH,
    STATES,
    UNKNOWN,
    Model,
)

AT_ONCE, STREAMS = 32_768, 512  # rows whose likelihoods are taken together, and streams: 9 GB in all for 4.8 s each


class Phones:
    """`Phones` of hear/people.py for whole streams, [B, BANDS, T] -> [B, 42, T]."""

    def __init__(self, model: Model, device: torch.device) -> None:
        def there(values: object) -> torch.Tensor:
            return torch.as_tensor(values, dtype=torch.float32, device=device)

        self.phones, self.streams, self.count = model.shape
        self.by, self.constant, self.mixture = there(model.by), there(model.constant), there(model.mixture)
        self.bands, self.cosines, self.usual = there(model.bands).T, there(model.cosines), there(model.usual)
        self.transitions, self.bigram = there(model.transitions), there(model.bigram)
        # 2,048 streams of 4.8 s take 1.24 s of an H200 so, 1.71 where it is not compiled
        self._before = torch.compile(self._backward, dynamic=True) if device.type == "cuda" else self._backward

    def __call__(self, rows: torch.Tensor) -> torch.Tensor:
        precision = torch.get_float32_matmul_precision()
        # Of squares over variances TF32 would leave whole nepers open
        torch.set_float32_matmul_precision("highest")
        try:
            with torch.no_grad():
                return torch.cat([self._told(part) for part in torch.split(rows, STREAMS)])
        finally:
            torch.set_float32_matmul_precision(precision)

    def _told(self, rows: torch.Tensor) -> torch.Tensor:
        size, _, length = rows.shape
        plain = self._plain(rows.transpose(1, 2))
        whole = torch.cat([plain[:, :1].expand(-1, 2 * EDGE, -1), plain], 1)
        c = [whole[:, k : k + length] for k in range(2 * EDGE + 1)]
        x = torch.stack([c[3], c[5] - c[1], (c[6] - c[2]) - (c[4] - c[0])], 2).transpose(0, 1).flatten(0, 1)
        own = torch.empty(len(x), self.phones, STATES, device=rows.device)
        for part, there in zip(torch.split(x, AT_ONCE), torch.split(own, AT_ONCE), strict=True):
            likely = SCALE * self._likelihoods(part)
            there.copy_(torch.exp((likely - likely.amax((1, 2), keepdim=True)).clamp(min=-60.0)))
        own = own.view(length, size, self.phones, STATES)
        ahead = torch.empty_like(own)
        last = torch.full_like(own[0], 1.0 / (self.phones * STATES))
        for k in range(length):
            last = self._forward(last) * own[k] + 1e-12
            last = last / last.sum((1, 2), keepdim=True)
            ahead[k] = last
        known = max(length - RIGHT, 0)
        found = torch.full((length, size, self.phones), UNKNOWN, device=rows.device)
        for first in range(0, known, 32):  # rows at once
            until = min(first + 32, known)
            after = torch.ones_like(own[first:until])
            for k in range(RIGHT, 0, -1):
                after = self._before(own[first + k : until + k], after)
            state = (ahead[first:until] * after).sum(3)
            state = state / state.sum(2, keepdim=True)
            found[length - known + first : length - known + until] = torch.log(state + LEAST) / NEPERS + 1.0
        return found.permute(1, 2, 0).contiguous()

    def _forward(self, likely: torch.Tensor) -> torch.Tensor:
        begin, end, middle = likely[:, :, BEGIN], likely[:, :, END], likely[:, :, MIDDLE]
        begun, own = begin.sum(2), self.transitions
        ends = middle * own[:, 1, 2] + begun * own[:, 0, 2]
        return torch.cat(
            [
                begin * own[:, 0, 0, None] + (end * own[:, 2, 3, None]).transpose(1, 2),
                end * own[:, 2, 2, None] + ends[:, :, None] * self.bigram,
                (middle * own[:, 1, 1] + begun * own[:, 0, 1])[:, :, None],
            ],
            2,
        )

    def _backward(self, own: torch.Tensor, after: torch.Tensor) -> torch.Tensor:
        likely = own * after
        begin, end, middle = likely[..., BEGIN], likely[..., END], likely[..., MIDDLE]
        ends, stay = (end * self.bigram).sum(3), self.transitions
        found = torch.cat(
            [
                begin * stay[:, 0, 0, None] + (middle * stay[:, 0, 1] + ends * stay[:, 0, 2])[..., None],
                end * stay[:, 2, 2, None] + begin.transpose(2, 3) * stay[:, 2, 3, None],
                (middle * stay[:, 1, 1] + ends * stay[:, 1, 2])[..., None],
            ],
            3,
        )
        return found / found.amax((2, 3), keepdim=True)

    def _likelihoods(self, x: torch.Tensor) -> torch.Tensor:
        """[T, 42, STATES] of x [T, 3, CEPSTRA]."""
        found = torch.zeros(self.phones, len(x), STATES, device=x.device)
        for s in range(self.streams):
            each = torch.cat([x[:, s].square(), x[:, s]], 1) @ self.by[s] + self.constant[s]
            each = each.view(len(x), self.phones, self.count).transpose(0, 1)
            top = each.amax(2, keepdim=True)
            found += torch.log(torch.exp(each - top) @ self.mixture[:, s] + 1e-30) + top
        return found.transpose(0, 1)

    def _plain(self, rows: torch.Tensor) -> torch.Tensor:
        """Cepstra [B, T, CEPSTRA] of rows [B, T, BANDS], less what the microphone and the voice are like until then."""
        power = torch.exp((rows - 1.5) * 4.0)
        cepstra = torch.log((power - DEPTH).clamp(min=FAINT) @ self.bands) @ self.cosines
        loud = power.sum(2, keepdim=True) > SPEECH
        total, count = (self.usual * BEFORE).expand(len(rows), CEPSTRA), torch.full((len(rows), 1), BEFORE, device=rows.device)
        found = torch.empty_like(cepstra)
        for k in range(rows.shape[1]):
            found[:, k] = cepstra[:, k] - total / count
            less = (REMEMBERS / (count + 1.0)).clamp(max=1.0)
            total = torch.where(loud[:, k], (total + cepstra[:, k]) * less, total)
            count = torch.where(loud[:, k], (count + 1.0) * less, count)
        return found
