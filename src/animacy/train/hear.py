# mypy: disable-error-code="misc,no-any-return,import-not-found,unused-ignore"
"""Train the network of `animacy.hear` from the file that hear_data.py packs: sound in, the mouth of `animacy.move` out.

python -m animacy.train.hear --data hear-data.npz -o FOLDER [--device cuda] [--minutes 4 | --steps N] [--seed 0]

Needs NumPy, PyTorch and onnx alone. FOLDER gets network.onnx, network.json and, while it runs, checkpoint.pt: the same command
goes on where it was ended. `--minutes` sets the number of steps from the speed of the first; network.json tells it, and
`--steps` with that number and the same seed, data, batch and device gives the same weights.
"""

from __future__ import annotations

import argparse
import hashlib
import itertools
import json
import os
import time
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from ..errors import UsageError
from ..hear.features import BANDS
from ..hear.network import AHEAD, OUTPUTS
from ..move.mouth import WIDE
from .hear_network import DILATIONS, TOGETHER, Net, export
from .hear_voices import FASTEST, SETTLING, power_of, rows_of, varied

LENGTH = 480  # rows of one example
SPAN = int(LENGTH * FASTEST) + 2  # ... and of what it is made from
POOL = 16  # batches that are made at once
KEPT, SHOWN = 10, 80  # pools between two checkpoints, and two figures of held-out voices
SHARES = {"kokoro": 0.5, "espeak": 0.35, "music": 0.15}  # of the examples
NAMES = ("jaw", "spread", "funnel", "pucker", "part", "tongue", "lips", "teeth", "speaking")
SCALE = (0.11, 0.13, 0.13, 0.18, 0.11, 0.12)  # how far each articulator usually moves
CONTACT = (2.0, 2.0)  # what a missed contact costs, in false ones: lips, lip and teeth
SHARP = tuple((low, high) for low in (0.0, 0.1, 0.2, 0.3) for high in (0.4, 0.5, 0.6, 0.7, 0.8, 0.9))
BEARABLE = 0.004  # of r, that contacts which close may cost


class Data:
    """The file on a device. `starts` are of each group's rows."""

    def __init__(self, path: Path, device: torch.device) -> None:
        try:
            with np.load(path) as file:
                given = {name: file[name] for name in file.files}
            self.power, self.mouth, self.viseme = (torch.from_numpy(given[k]).to(device) for k in ("power", "mouth", "viseme"))
            self.offsets: NDArray[np.int64] = given["offsets"]
            self.groups: list[str] = given["group"].tolist()
            self.voices: list[str] = given["voice"].tolist()
            self.visemes = int(given["visemes"])
        except (OSError, ValueError, KeyError) as error:
            raise UsageError(
                f"--data {path}: {type(error).__name__}: {error}; needed a file that train/hear_data.py made"
            ) from error
        self.spans = {}
        for name, clips in itertools.groupby(range(len(self.groups)), lambda k: self.groups[k]):
            own = list(clips)
            self.spans[name] = (int(self.offsets[own[0]]), int(self.offsets[own[-1] + 1]))
        missing = [name for name in SHARES if self.spans.get(name, (0, 0))[1] - self.spans.get(name, (0, 0))[0] < SPAN + AHEAD]
        if missing:
            raise UsageError(f"--data {path} holds too little of {', '.join(missing)}; needed {SPAN / 100:.0f} s of each")

    def minutes(self) -> dict[str, float]:
        return {name: round((end - start) / 6000, 1) for name, (start, end) in self.spans.items()}


def pool(data: Data, size: int, seed: tuple[int, ...]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """`size` examples, in random order: rows, and the mouth and viseme AHEAD rows before each."""
    rng = np.random.default_rng(seed)
    device = data.power.device
    group = rng.choice(list(SHARES), size, p=list(SHARES.values()))
    low, high = (np.array([data.spans[g][k] for g in group]) for k in (0, 1))
    starts = low + AHEAD + (rng.random(size) * (high - low - SPAN - AHEAD)).astype(np.int64)
    first, last = data.spans["music"]
    beside = rng.integers(first, last - SPAN, size)
    rows = torch.from_numpy(starts).to(device)[:, None] + torch.arange(SPAN, device=device)
    others = torch.from_numpy(beside).to(device)[:, None] + torch.arange(SPAN, device=device)
    generator = torch.Generator(device).manual_seed(int(rng.integers(2**62)))
    before = rows - AHEAD  # of a sound at another pace it is a little more or less, as its look-ahead is
    mouth, viseme = data.mouth[before].float() / 255.0, data.viseme[before].long()
    return varied(power_of(data.power[rows]), mouth, viseme, power_of(data.power[others]), generator)


def weights_of(mouth: torch.Tensor) -> torch.Tensor:
    """What hear/evaluate.py's `weights_of` gives, for [B, OUTPUTS, T]: [B, 13, T]."""
    jaw, spread, funnel, pucker, part, tongue, lips, teeth = mouth[:, :8].unbind(1)
    open_, bite = 1.0 - lips, 1.0 - teeth
    jaw = torch.where(jaw > WIDE, WIDE + 0.15 * (1.0 - torch.exp((WIDE - jaw) / 0.15)), jaw)
    jaw = jaw * (1.0 - 0.65 * lips) * (1.0 - 0.6 * teeth)
    values = [
        jaw,
        jaw * torch.maximum(lips, 0.55 * teeth),
        funnel * open_ * bite + 0.1 * funnel * teeth,
        pucker * (1.0 - 0.3 * lips) * (1.0 - 0.4 * teeth),
        0.11 * lips + 0.60 * teeth,
        0.10 * lips,
        0.10 * teeth,
        0.18 * spread * open_,
        0.40 * spread * (1.0 - 0.5 * lips),
        0.20 * lips,
        0.42 * part * open_ * bite,
        0.20 * part * open_ + 0.26 * teeth * open_,
        tongue * open_ * bite,
    ]
    return torch.stack(values, 1)


def loss_of(found: torch.Tensor, told: torch.Tensor, wanted: torch.Tensor, viseme: torch.Tensor) -> torch.Tensor:
    """Of logits [B, OUTPUTS, T] and [B, visemes, T], after the first half second, in which nothing is known yet."""
    found, told, wanted, viseme = (
        found[:, :, SETTLING:].float(),
        told[:, :, SETTLING:].float(),
        wanted[:, :, SETTLING:],
        viseme[:, SETTLING:],
    )
    mouth = torch.sigmoid(found)
    shape = torch.square((mouth[:, :6] - wanted[:, :6]) / torch.tensor(SCALE, device=found.device).view(1, 6, 1)).mean()
    seen = torch.square(weights_of(mouth) - weights_of(wanted)).sum(1).mean() / 0.05  # about their variance
    costs = torch.tensor(CONTACT, device=found.device).view(2, 1)
    contacts = nn.functional.binary_cross_entropy_with_logits(found[:, 6:8], wanted[:, 6:8], pos_weight=costs)
    speaking = nn.functional.binary_cross_entropy_with_logits(found[:, 8], wanted[:, 8])
    # By rows, not over a plane, where CUDA adds up in any order
    named = nn.functional.cross_entropy(told.transpose(1, 2).flatten(0, 1), viseme.flatten())
    return shape + seen + 3.0 * contacts + speaking + 0.3 * named


class Judged:
    """What the network gives for clips that were not learnt from, [K, OUTPUTS, T] in pieces, and what is wanted."""

    def __init__(self, net: Net, data: Data, group: str) -> None:
        net.eval()
        self.pieces: list[tuple[torch.Tensor, torch.Tensor]] = []
        with torch.no_grad():
            for k in (k for k, own in enumerate(data.groups) if own == group):
                start, end = int(data.offsets[k]), int(data.offsets[k + 1])
                size = end - start
                decibels = nn.functional.pad(
                    power_of(data.power[start:end]), (0, 0, 0, AHEAD + 1 + (size + AHEAD + 1) % 2), value=-110.0
                )
                found = torch.sigmoid(net(rows_of(10.0 ** (decibels[None] / 10.0)))[0].float())[:, :, AHEAD : AHEAD + size]
                self.pieces.append((found.cpu(), (data.mouth[start:end].float() / 255.0).T[None].cpu()))
        net.train()

    def figures(self, sharp: tuple[float, float]) -> dict[str, float]:
        """r of the weights, each about its mean, and of each output; the share of whole contacts that are 0.8 or more."""
        found, wanted = (torch.cat([p[k] for p in self.pieces], 2)[0] for k in (0, 1))
        found = found.clone()
        found[6:8] = ((found[6:8] - sharp[0]) / (sharp[1] - sharp[0])).clamp(0.0, 1.0)
        a, b = (weights_of(x[None])[0] for x in (found, wanted))
        a, b = a - a.mean(1, keepdim=True), b - b.mean(1, keepdim=True)
        told = {"r": float((a * b).sum() / torch.sqrt(a.square().sum() * b.square().sum()))}
        for k, name in enumerate(NAMES):
            told[name] = float(np.corrcoef(found[k].numpy(), wanted[k].numpy())[0, 1])
        for k, name in ((6, "lips_closed"), (7, "teeth_closed")):
            whole = (wanted[k] > 0.97).numpy().astype(np.int8)
            edges = np.flatnonzero(np.diff(np.pad(whole, 1)))
            peaks = [float(found[k, max(s - 2, 0) : e + 2].max()) for s, e in edges.reshape(-1, 2)]
            told[name] = float(np.mean(np.array(peaks) >= 0.8)) if peaks else 0.0
        parted = wanted[6] < 0.05
        told["lips_wrongly"] = float((found[6][parted] >= 0.8).float().mean())
        return {name: round(value, 4) for name, value in told.items()}


def sharpest(judged: Judged) -> tuple[float, float]:
    """Where a contact counts as none and as whole: as many close as may be, for BEARABLE of r."""
    told = {sharp: judged.figures(sharp) for sharp in SHARP}
    best = max(t["r"] for t in told.values())
    return max((s for s, t in told.items() if t["r"] >= best - BEARABLE), key=lambda s: (told[s]["lips_closed"], told[s]["r"]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("-o", "--out", type=Path, required=True)
    parser.add_argument("--device", default="cpu", help="PyTorch's: cpu or cuda")
    length = parser.add_mutually_exclusive_group()
    length.add_argument("--minutes", type=float, default=4.0, help="of training (%(default)s)")
    length.add_argument("--steps", type=int, help="of training, in place of minutes")
    parser.add_argument("--batch", type=int, help=f"examples of {LENGTH / 100:.1f} s a step (cpu: 16; cuda: 64)")
    parser.add_argument("--rate", type=float, default=2e-3, help="of learning, which falls to 0 (%(default)s)")
    parser.add_argument("--threads", type=int, default=2, help="of the CPU")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    try:
        train(arguments)
    except UsageError as error:
        parser.error(str(error))


def train(arguments: argparse.Namespace) -> None:
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # without which CUDA adds up in any order
    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.manual_seed(arguments.seed)
    torch.set_num_threads(arguments.threads)
    device = torch.device(arguments.device)
    size = arguments.batch or (64 if device.type == "cuda" else 16)
    data = Data(arguments.data, device)
    print(f"minutes {data.minutes()}", flush=True)
    arguments.out.mkdir(parents=True, exist_ok=True)
    kept = arguments.out / "checkpoint.pt"
    net = Net(data.visemes).to(device)
    optimiser = torch.optim.AdamW(net.parameters(), 1e-4, weight_decay=1e-2, fused=device.type == "cuda")
    given = {"seed": arguments.seed, "batch": size, "rate": arguments.rate, "data": _sha256(arguments.data)}
    done, spent, total = 0, 0.0, arguments.steps
    if kept.exists():
        state = torch.load(kept, map_location=device, weights_only=True)
        if state["given"] != given:
            raise UsageError(f"{kept} is of another run ({state['given']}); needed {given}: delete it, or give another -o")
        net.load_state_dict(state["net"])
        optimiser.load_state_dict(state["optimiser"])
        done, spent, total = state["done"], state["spent"], state["total"]
        print(f"goes on at step {done} of {total}", flush=True)
    began, told, timed = time.monotonic() - spent, torch.zeros((), device=device), 0.0
    while total is None or done < total:
        whole = pool(data, POOL * size, (arguments.seed, done))
        torch.manual_seed(1_000_003 * arguments.seed + done)  # of what the network leaves out by chance
        for x, y, v in zip(*(torch.split(part, size) for part in whole), strict=True):
            # The rate rises over the first steps, then stays until the number of steps is known, and falls to 0 as a cosine
            rate = arguments.rate * min((done + 1) / 100, 1.0)
            if total is not None:
                rate *= 0.5 + 0.5 * float(np.cos(np.pi * min(done / total, 1.0)))
            for group in optimiser.param_groups:
                group["lr"] = rate
            with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
                found, seen = net(x)
            loss = loss_of(found, seen, y, v)
            optimiser.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(net.parameters(), 1.0)
            optimiser.step()
            told += loss.detach()
            done += 1
        print(f"step {done} of {total or '?'}: loss {float(told) / POOL:.4f}, {time.monotonic() - began:.0f} s", flush=True)
        told = torch.zeros((), device=device)
        if total is None:  # the first pool warms up, the second is timed
            if timed:
                each = (time.monotonic() - timed) / POOL
                total = max(round((60.0 * arguments.minutes - (time.monotonic() - began)) / each / POOL), 1) * POOL + done
            timed = time.monotonic()
        if (done // POOL) % KEPT == 0:
            state = {"net": net.state_dict(), "optimiser": optimiser.state_dict(), "given": given}
            part = kept.with_suffix(".part")
            torch.save(state | {"done": done, "spent": time.monotonic() - began, "total": total}, part)
            part.rename(kept)
        if (done // POOL) % SHOWN == 0 and "held" in data.spans:
            print(f"held-out voices: {Judged(net, data, 'held').figures((0.0, 1.0))}", flush=True)
    _report(arguments, net, data, {"steps": total, "seconds": round(time.monotonic() - began)} | given)
    kept.unlink(missing_ok=True)


def _report(arguments: argparse.Namespace, net: Net, data: Data, how: dict[str, object]) -> None:
    judged = {name: Judged(net, data, name) for name in data.spans if name not in SHARES}
    sharp = sharpest(judged["held"]) if "held" in judged else (0.0, 1.0)
    figures = {name: own.figures(sharp) for name, own in judged.items()}
    export(net.cpu(), arguments.out / "network.onnx", sharp)
    about = {
        "sha256": _sha256(arguments.out / "network.onnx"),
        "minutes": data.minutes(),
        "held_voices": sorted({v for v, g in zip(data.voices, data.groups, strict=True) if g == "held"}),
        **how,
        "device": arguments.device,
        "torch": torch.__version__,
        "contact_none_and_whole": sharp,
        "figures": figures,
        "parameters": sum(p.numel() for name, p in net.named_parameters() if not name.startswith("told")),
        "in_view_ms": 10 * (4 + 2 * TOGETHER * sum(DILATIONS)),
        "bands": BANDS,
        "outputs": OUTPUTS,
    }
    (arguments.out / "network.json").write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(about, indent=1))


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


if __name__ == "__main__":
    main()
