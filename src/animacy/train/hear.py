# mypy: disable-error-code="misc,no-any-return,import-not-found,unused-ignore"
"""Train the network of `animacy.hear` from the file that hear_data.py packs: sound in, the mouth of `animacy.move` out.

python -m animacy.train.hear --data hear-data.npz -o FOLDER [--device cuda] [--minutes 4 | --steps N] [--width 192]
python -m animacy.train.hear --data hear-data.npz -o FOLDER --from FOLDER/network.pt [OTHER/network.pt | network.onnx:0 ..]

Needs NumPy and PyTorch alone. FOLDER gets network.pt, what was best for the groups `--choose` by their mean r; where onnx is
installed network.onnx and network.json too, which the second form makes of network.pt elsewhere, or of several, by their
mean; network.onnx:K is the K-th that such a file holds, from 0 on. While it runs there is checkpoint.pt: the same command goes
on where it was ended. `--minutes` sets the number of steps from the speed of the first; network.json tells it, and `--steps`
with that number and the same seed, data, batch and device gives the same weights.
"""

from __future__ import annotations

import argparse
import copy
import hashlib
import importlib.util
import itertools
import json
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from ..errors import UsageError
from ..hear.features import BANDS
from ..hear.network import AHEAD, OUTPUTS
from ..hear.people import packaged
from ..move.mouth import PURSE, WIDE
from .hear_network import DILATIONS, DROP, TOGETHER, WIDTH, Net, Sharp, export, imported, together
from .hear_phones import Phones
from .hear_voices import FASTEST, SETTLING, power_of, rows_of, varied

LENGTH = 480  # rows of one example
SPAN = int(LENGTH * FASTEST) + 2  # ... and of what it is made from
POOL = 16  # batches that are made at once
KEPT, SHOWN = 10, 40  # pools between two checkpoints, and two times that it is judged
FOLLOWS = 0.999  # how much the weights that are judged keep of what they were, a step
BEGINS = 0.25  # of the examples of speech, that begin as a stream does: with a clip, and nothing before
FIRST = AHEAD + 3  # rows at such a beginning that are of no instant after it
# Of the examples, where there is each; the first three there have to be
SHARES = {"kokoro": 0.4, "espeak": 0.17, "music": 0.12, "festival": 0.17, "person": 0.14}
NEEDED = ("kokoro", "espeak", "music")
NAMING = 1.0  # what naming the sound wrongly costs: a third of it hears unknown engines less well
STRANGE = 0.7  # ... that are made to sound as of another engine
NAMES = ("jaw", "spread", "funnel", "pucker", "part", "tongue", "lips", "teeth", "speaking")
SCALE = (0.11, 0.13, 0.13, 0.18, 0.11, 0.12)  # how far each articulator usually moves
CONTACT = (2.0, 2.0)  # what a missed contact costs, in false ones: lips, lip and teeth
# Lows and highs that are tried: an unsure network gives a contact's probability
SHARP = tuple((low, high) for low in (0.0, 0.15, 0.3) for high in (0.4, 0.5, 0.6, 0.8))
FALSE, LESS = 0.4, 12.0  # missed contacts that a false one weighs as much as, and those, as a share of all, that an r of 1 does
APART, VOWEL = 0.3, 0.2  # contact below which lips are seen apart, as they are to be where the jaw opens further than that
AJAR = 1.0  # missed contacts that a vowel over which they are not weighs as much as, both as shares of all


class Data:
    """The file on a device, but for groups `without`. `spans` are of each group's rows, `shares` the examples' share of it."""

    def __init__(self, path: Path, device: torch.device, without: Sequence[str] = ()) -> None:
        try:
            with np.load(path) as file:
                given = {name: file[name] for name in file.files}
            self.power, self.mouth, self.sound = (torch.from_numpy(given[k]).to(device) for k in ("power", "mouth", "sound"))
            self.offsets: NDArray[np.int64] = given["offsets"]
            self.groups: list[str] = given["group"].tolist()
            self.voices: list[str] = given["voice"].tolist()
            self.sounds = int(given["sounds"])
        except (OSError, ValueError, KeyError) as error:
            raise UsageError(
                f"--data {path}: {type(error).__name__}: {error}; needed a file that train/hear_data.py made"
            ) from error
        self.firsts = {g: self.offsets[:-1][np.array([own == g for own in self.groups])] for g in set(self.groups)}
        self.spans = {}
        for name, clips in itertools.groupby(range(len(self.groups)), lambda k: self.groups[k]):
            own = list(clips)
            self.spans[name] = (int(self.offsets[own[0]]), int(self.offsets[own[-1] + 1]))
        if strangers := [name for name in without if name not in self.spans]:
            raise UsageError(f"--without {strangers[0]}: --data {path} holds {', '.join(self.spans)}")
        self.spans = {name: span for name, span in self.spans.items() if name not in without}
        known = {name: share for name, share in SHARES.items() if name in NEEDED or name in self.spans}
        self.shares = {name: share / sum(known.values()) for name, share in known.items()}
        missing = [
            name for name in self.shares if self.spans.get(name, (0, 0))[1] - self.spans.get(name, (0, 0))[0] < SPAN + AHEAD
        ]
        if missing:
            raise UsageError(f"--data {path} holds too little of {', '.join(missing)}; needed {SPAN / 100:.0f} s of each")

    def minutes(self) -> dict[str, float]:
        return {name: round((end - start) / 6000, 1) for name, (start, end) in self.spans.items()}


def pool(
    data: Data, size: int, seed: tuple[int, ...], strange: float = STRANGE
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """`size` examples, in random order: rows, the mouth and phone AHEAD rows before each, and how many rows [B] count not."""
    rng = np.random.default_rng(seed)
    device = data.power.device
    group = rng.choice(list(data.shares), size, p=list(data.shares.values()))
    low, high = (np.array([data.spans[g][k] for g in group]) for k in (0, 1))
    starts = low + AHEAD + (rng.random(size) * (high - low - SPAN - AHEAD)).astype(np.int64)
    begins = (rng.random(size) < BEGINS) & (group != "music")
    for k in np.flatnonzero(begins):
        firsts = data.firsts[str(group[k])]
        starts[k] = min(max(firsts[int(rng.integers(len(firsts)))], AHEAD), high[k] - SPAN)
    first, last = data.spans["music"]
    beside = rng.integers(first, last - SPAN, size)
    rows = torch.from_numpy(starts).to(device)[:, None] + torch.arange(SPAN, device=device)
    others = torch.from_numpy(beside).to(device)[:, None] + torch.arange(SPAN, device=device)
    generator = torch.Generator(device).manual_seed(int(rng.integers(2**62)))
    before = rows - AHEAD  # of a sound at another pace it is a little more or less, as its look-ahead is
    mouth, phone = data.mouth[before].float() / 255.0, data.sound[before].long()
    new = torch.from_numpy(begins).to(device)
    made = varied(power_of(data.power[rows]), mouth, phone, power_of(data.power[others]), new, generator, strange)
    return *made, torch.where(new, FIRST, SETTLING)


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
        (PURSE * pucker * (1.0 - 0.3 * lips) * (1.0 - 0.4 * teeth)).clamp(max=1.0),
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


def loss_of(
    found: torch.Tensor,
    told: torch.Tensor,
    wanted: torch.Tensor,
    phone: torch.Tensor,
    unknown: torch.Tensor,
    naming: float = NAMING,
) -> torch.Tensor:
    """Of logits [B, OUTPUTS, T] and [B, sounds, T], after the first `unknown` [B] rows, of which nothing is known yet."""
    counts = (torch.arange(found.shape[2], device=found.device) >= unknown[:, None]).float()
    counts = counts / counts.sum()
    found, told = found.float(), told.float()
    mouth = torch.sigmoid(found)
    shape = torch.square((mouth[:, :6] - wanted[:, :6]) / torch.tensor(SCALE, device=found.device).view(1, 6, 1)).mean(1)
    seen = torch.square(weights_of(mouth) - weights_of(wanted)).sum(1) / 0.05  # about their variance
    costs = torch.tensor(CONTACT, device=found.device).view(2, 1)
    logits = nn.functional.binary_cross_entropy_with_logits
    contacts = logits(found[:, 6:8], wanted[:, 6:8], pos_weight=costs, reduction="none").mean(1)
    speaking = logits(found[:, 8], wanted[:, 8], reduction="none")
    # By rows, not over a plane, where CUDA adds up in any order
    named = nn.functional.cross_entropy(told.transpose(1, 2).flatten(0, 1), phone.flatten(), reduction="none")
    return (counts * (shape + seen + 3.0 * contacts + speaking + naming * named.view_as(counts))).sum()


class Judged:
    """A group of clips that were not learnt from, all at once: rows [K, BANDS, T], phones [K, PHONES, T], wanted
    [K, OUTPUTS, T], `sizes` of each."""

    def __init__(self, data: Data, group: str, phones: Phones) -> None:
        own = [k for k, name in enumerate(data.groups) if name == group]
        spans = [(int(data.offsets[k]), int(data.offsets[k + 1])) for k in own]
        self.sizes = [end - start for start, end in spans]
        length = max(self.sizes)
        power = torch.full((len(own), length + AHEAD + 2, BANDS), -110.0, device=data.power.device)
        self.wanted = torch.zeros(len(own), OUTPUTS, length)
        for k, (start, end) in enumerate(spans):
            power[k, : end - start] = power_of(data.power[start:end])
            self.wanted[k, :, : end - start] = data.mouth[start:end].T.cpu().float() / 255.0
        self.rows = rows_of(10.0 ** (power[:, : power.shape[1] // 2 * 2] / 10.0))
        self.phones = torch.cat([phones(rows) for rows in torch.split(self.rows, 32)])
        self.told = self._joined(self.phones[:, :, AHEAD:].cpu())
        self.joined = self._joined(self.wanted)

    def _joined(self, values: torch.Tensor) -> torch.Tensor:
        return torch.cat([own[:, :size] for own, size in zip(values, self.sizes, strict=True)], 1)

    def heard(self, net: Net) -> torch.Tensor:
        """What `net` gives, [OUTPUTS, rows of all clips]."""
        net.eval()
        with torch.no_grad():
            parts = zip(torch.split(self.rows, 32), torch.split(self.phones, 32), strict=True)
            found = torch.cat([torch.sigmoid(net(*part)[0].float()).cpu() for part in parts])
        net.train()
        return self._joined(found[:, :, AHEAD:])

    def figures(self, mouths: Sequence[torch.Tensor], sharp: Sharp = ((0.0, 1.0), (0.0, 1.0))) -> dict[str, float]:
        """r of the weights, each about its mean, and of each output; of the lips' whole contacts, and of lip and teeth's, the
        share that are 0.8 or more, and how many are so where nothing meets, as a share of those that are whole; of the rows of
        wide vowels, the share over which the lips are apart."""
        found, wanted = together(mouths, self.told, sharp), self.joined
        a, b = (weights_of(x[None])[0] for x in (found, wanted))
        a, b = a - a.mean(1, keepdim=True), b - b.mean(1, keepdim=True)
        told = {"r": _likeness(a, b)}
        for k, name in enumerate(NAMES):
            told[name] = _likeness(found[k] - found[k].mean(), wanted[k] - wanted[k].mean())
        for k, name in ((6, "lips"), (7, "teeth")):
            own, whole = found[k].numpy(), wanted[k].numpy()
            met = _stretches(whole > 0.97)
            peaks = np.array([own[max(s - 2, 0) : e + 2].max() for s, e in met])
            false = [whole[max(s - 3, 0) : e + 3].max() < 0.3 for s, e in _stretches(own >= 0.8)]
            told[f"{name}_closed"] = float(np.mean(peaks >= 0.8)) if len(met) else 0.0
            told[f"{name}_wrongly"] = sum(false) / max(len(met), 1)
        vowels = (wanted[0] > VOWEL) & (wanted[6] < 0.05)
        told["lips_parted"] = float((found[6, vowels] < APART).float().mean()) if vowels.any() else 1.0
        return {name: round(value, 4) for name, value in told.items()}


def _likeness(a: torch.Tensor, b: torch.Tensor) -> float:
    """Pearson's r of what is about its mean; 0 of what never changes."""
    return float((a * b).sum() / torch.sqrt(a.square().sum() * b.square().sum()).clamp(min=1e-9))


def _stretches(which: NDArray[np.bool_]) -> NDArray[np.int64]:
    """[N, 2]: where each run of True begins, and what follows it."""
    return np.flatnonzero(np.diff(np.pad(which.astype(np.int8), 1))).reshape(-1, 2)


def sharpest(judged: Sequence[Judged], mouths: Sequence[Sequence[torch.Tensor]]) -> Sharp:
    """Where a contact counts as none and as whole, lips and teeth apart: so that in groups `judged` most close, few falsely,
    and vowels leave lips apart, for little of r. `mouths` are each group's, by each network."""
    none = (0.0, 1.0)

    def good(which: str, sharp: Sharp) -> float:
        figures = [own.figures(heard, sharp) for own, heard in zip(judged, mouths, strict=True)]
        parted = AJAR * sum(told["lips_parted"] for told in figures) if which == "lips" else 0.0
        return parted + sum(told[f"{which}_closed"] - FALSE * told[f"{which}_wrongly"] + LESS * told["r"] for told in figures)

    lips = max(SHARP, key=lambda own: good("lips", (own, none)))
    return lips, max(SHARP, key=lambda own: good("teeth", (lips, own)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("-o", "--out", type=Path, required=True)
    parser.add_argument(
        "--from",
        type=Path,
        nargs="+",
        dest="given",
        metavar="FILE",
        help="only judge and export this network.pt, or the mean of several; FILE.onnx:K is the K-th in that graph",
    )
    parser.add_argument("--device", default="cpu", help="PyTorch's: cpu or cuda")
    length = parser.add_mutually_exclusive_group()
    length.add_argument("--minutes", type=float, default=4.0, help="of training, at most (%(default)s)")
    length.add_argument("--steps", type=int, help="of training, in place of minutes")
    parser.add_argument("--batch", type=int, help=f"examples of {LENGTH / 100:.1f} s a step (cpu: 16; cuda: 128)")
    parser.add_argument("--rate", type=float, default=2e-3, help="of learning, which falls to 0 (%(default)s)")
    parser.add_argument("--width", type=int, default=WIDTH, help="channels (%(default)s)")
    parser.add_argument("--drop", type=float, default=DROP, help="share of them that is left out by chance (%(default)s)")
    parser.add_argument("--naming", type=float, default=NAMING, help="weight of naming sounds in the loss (%(default)s)")
    parser.add_argument("--strange", type=float, default=STRANGE, help="share that sounds as of another engine (%(default)s)")
    parser.add_argument(
        "--choose", nargs="+", default=["held"], help="groups whose mean r says which weights are best (%(default)s)"
    )
    parser.add_argument("--without", nargs="+", default=[], metavar="GROUP", help="groups of the data that are left out")
    parser.add_argument("--threads", type=int, default=2, help="of the CPU; 1 where others use its cores (%(default)s)")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    try:
        if arguments.given is not None:
            report(arguments, Data(arguments.data, torch.device(arguments.device), arguments.without))
        else:
            train(arguments)
    except UsageError as error:
        parser.error(str(error))


def train(arguments: argparse.Namespace) -> None:
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # without which CUDA adds up in any order
    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.set_float32_matmul_precision("high")  # TF32
    torch.backends.cudnn.allow_tf32 = True
    # Nothing here reads what it did not write
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined,unused-ignore]
    torch.manual_seed(arguments.seed)
    device = torch.device(arguments.device)
    size = arguments.batch or (128 if device.type == "cuda" else 16)
    data = Data(arguments.data, device, arguments.without)
    phones = Phones(packaged(), device)
    judged = {name: Judged(data, name, phones) for name in data.spans if name not in data.shares}
    if strangers := [name for name in arguments.choose if name not in judged]:
        raise UsageError(f"--choose {strangers[0]}: needed one of {', '.join(judged)}, groups that are not learnt from")
    print(f"minutes {data.minutes()}", flush=True)
    arguments.out.mkdir(parents=True, exist_ok=True)
    kept = arguments.out / "checkpoint.pt"
    net = Net(data.sounds, arguments.width, arguments.drop).to(device)
    mean = copy.deepcopy(net)  # of the weights of late, which hears better than the last ones
    optimiser = torch.optim.AdamW(net.parameters(), 1e-4, weight_decay=1e-2, fused=device.type == "cuda")
    names = ("seed", "rate", "width", "drop", "naming", "strange", "choose", "without")
    given = {name: getattr(arguments, name) for name in names} | {"batch": size, "data": _sha256(arguments.data)}
    card = torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
    where = {"device": card, "torch": str(torch.__version__)}
    done, spent, total, best = 0, 0.0, arguments.steps, -1.0
    if kept.exists():
        state = torch.load(kept, map_location=device, weights_only=True)
        if state["given"] != given:
            raise UsageError(f"{kept} is of another run ({state['given']}); needed {given}: delete it, or give another -o")
        net.load_state_dict(state["net"])
        mean.load_state_dict(state["mean"])
        optimiser.load_state_dict(state["optimiser"])
        done, spent, total, best = state["done"], state["spent"], state["total"], state["best"]
        print(f"goes on at step {done} of {total}", flush=True)
    began, told, timed = time.monotonic() - spent, torch.zeros((), device=device), 0.0
    limit = 60.0 * arguments.minutes if arguments.steps is None else float("inf")
    while total is None or done < total:
        rows, *wanted = pool(data, POOL * size, (arguments.seed, done), arguments.strange)
        whole = (rows, phones(rows), *wanted)
        torch.manual_seed(1_000_003 * arguments.seed + done)  # of what the network leaves out by chance
        for x, p, y, v, unknown in zip(*(torch.split(part, size) for part in whole), strict=True):
            # The rate rises over the first steps, then stays until the number of steps is known, and falls to 0 as a cosine
            rate = arguments.rate * min((done + 1) / 100, 1.0)
            if total is not None:
                rate *= 0.5 + 0.5 * float(np.cos(np.pi * min(done / total, 1.0)))
            for group in optimiser.param_groups:
                group["lr"] = rate
            with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
                found, seen = net(x, p)
            loss = loss_of(found, seen, y, v, unknown, arguments.naming)
            optimiser.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(net.parameters(), 1.0)
            optimiser.step()
            told += loss.detach()
            done += 1
            _follow(mean, net, min(FOLLOWS, done / (done + 10)))
        spent = time.monotonic() - began
        print(f"step {done} of {total or '?'}: loss {float(told) / POOL:.4f}, {spent:.0f} s", flush=True)
        told = torch.zeros((), device=device)
        if total is None:  # the first pool warms up, the second is timed
            if timed:
                each = (time.monotonic() - timed) / POOL
                total = max(round(0.9 * (limit - spent) / each / POOL), 1) * POOL + done  # the rest is for judging
            timed = time.monotonic()
        late = spent > limit
        if (done // POOL) % SHOWN == 0 or done == total or late:
            figures = {name: own.figures([own.heard(mean)]) for name, own in judged.items()}
            best = _best(arguments, mean, figures, best, given | {"of": total, "at": done, "seconds": round(spent)} | where)
        if (done // POOL) % KEPT == 0:
            state = {"net": net.state_dict(), "mean": mean.state_dict(), "optimiser": optimiser.state_dict(), "given": given}
            _write(kept, state | {"done": done, "spent": spent, "total": total, "best": best})
        if late:
            print(f"{arguments.minutes} minutes are over at step {done} of {total}", flush=True)
            break
    report(arguments, data, judged)
    kept.unlink(missing_ok=True)


def _follow(mean: Net, net: Net, keeps: float) -> None:
    """`mean` comes nearer to `net`."""
    with torch.no_grad():
        ours, theirs = (
            [v for v in own.state_dict().values() if v.is_floating_point()] for own in (mean, net)
        )  # norms' running ones too
        torch._foreach_lerp_(ours, theirs, 1.0 - keeps)


def _best(
    arguments: argparse.Namespace, net: Net, figures: dict[str, dict[str, float]], best: float, how: dict[str, Any]
) -> float:
    """Keep `net` in network.pt if it is better than `best`; gives the better r."""
    r = {name: own["r"] for name, own in figures.items()}
    own = float(np.mean([r[name] for name in arguments.choose]))
    better = own > best
    print(f"r {r}{', the best so far' if better else ''}", flush=True)
    if better:
        _write(arguments.out / "network.pt", {"net": {k: v.cpu() for k, v in net.state_dict().items()}, "how": how})
    return max(best, own)


def _write(path: Path, state: dict[str, Any]) -> None:
    part = path.with_suffix(".part")
    torch.save(state, part)
    part.rename(path)


def report(arguments: argparse.Namespace, data: Data, judged: dict[str, Judged] | None = None) -> None:
    """Judge network.pt, or the mean of several, and export it where onnx is."""
    nets: list[Net] = []
    hows: list[dict[str, Any]] = []
    for path in arguments.given or [arguments.out / "network.pt"]:
        file, _, number = str(path).rpartition(":")
        if file.endswith(".onnx"):
            told = json.loads(Path(file).with_suffix(".json").read_text(encoding="utf-8"))["networks"]
            if number not in map(str, range(len(told))):
                raise UsageError(f"--from {path}: that file holds {len(told)} networks, the first is {file}:0")
            nets.append(imported(Path(file), int(number)).to(data.power.device))
            hows.append(told[int(number)])
            continue
        state = torch.load(path, map_location=data.power.device, weights_only=True)
        nets.append(Net(data.sounds, state["how"]["width"]).to(data.power.device))
        try:
            nets[-1].load_state_dict(state["net"])
        except RuntimeError as error:  # as of those that were not told of phones
            raise UsageError(f"--from {path}: not a network of this kind; train it again") from error
        hows.append(state["how"])
    if judged is None:
        phones = Phones(packaged(), data.power.device)
        judged = {name: Judged(data, name, phones) for name in data.spans if name not in data.shares}
    mouths = {name: [own.heard(net) for net in nets] for name, own in judged.items()}
    chosen = [name for name in judged if name in hows[0]["choose"]]
    sharp = sharpest([judged[name] for name in chosen], [mouths[name] for name in chosen])
    about = {
        "minutes": data.minutes(),
        "held_voices": sorted({v for v, g in zip(data.voices, data.groups, strict=True) if g == "held"}),
        "networks": hows,
        "contact_none_and_whole": sharp,
        "figures": {name: own.figures(mouths[name], sharp) for name, own in judged.items()},
        "parameters": sum(p.numel() for net in nets for name, p in net.named_parameters() if not name.startswith("told")),
        "in_view_ms": 10 * (4 + 2 * TOGETHER * sum(DILATIONS)),
        "bands": BANDS,
        "outputs": OUTPUTS,
    }
    arguments.out.mkdir(parents=True, exist_ok=True)
    if importlib.util.find_spec("onnx") is not None:
        export([net.cpu() for net in nets], arguments.out / "network.onnx", sharp)
        about = {"sha256": _sha256(arguments.out / "network.onnx")} | about
        (arguments.out / "network.json").write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")
    else:
        print("onnx is not installed: network.pt is to be exported elsewhere, by --from network.pt")
    print(json.dumps(about, indent=1))


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


if __name__ == "__main__":
    main()
