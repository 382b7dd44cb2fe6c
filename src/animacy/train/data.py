"""What a generator learns from: motions that cover what a face does, and a folder of (conditions, target) pairs.

A folder holds `motions.npz` (what each frame shows), `manifest.json` (how it was made) and `frames/00000.npz` and so on, each
with shaded, unlit, normal (one frame of `Conditions`), target [S, S, 4] (uint8 sRGB, premultiplied), halves [2, S, S, 4] (the
target from each half of its samples), parts [S, S] (an index into PARTS) and regions [3, 4] (x0, y0, x1, y1 in pixels of the
right eye, the left eye and the mouth). Frames are made in any order, by any number of processes, and what is there is not made
again. Targets of your own need no halves and no parts; then no figure tells their noise, and hair, lashes, brows and teeth go
unjudged.
"""

from __future__ import annotations

import dataclasses
import json
import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ..avatar import Avatar
from ..errors import AnimacyError, UsageError
from ..render import geometry
from ..render.shading import scene
from ..types import ARKIT, Motion

SCHEMA = 2
PARTS = ("none", "skin", "hair", "lashes", "brows", "teeth", "eyes", "cloth")
FPS = 25
TURN = np.radians(25.0)
LABELS = np.array([(0, 0, 0), (30, 90, 210), (60, 180, 30), (90, 30, 120), (120, 210, 60), (150, 60, 240), (180, 150, 0),
                   (210, 120, 150)])  # of PARTS, such that no two of them mix to a third  # fmt: skip
Floats = NDArray[np.float32]

TEXTS = (  # with the emotion in which each is performed
    ("en", "joy", "What a wonderful surprise! We should buy five more of these beautiful yellow flowers before they're gone."),
    ("en", "neutral", "The quick brown fox jumps over the lazy dog, while fifty wise judges view the puzzle from above."),
    ("en", "anger", "Stop! I have told you four times that both of these papers belong in the other office."),
    ("en", "sadness", "I'm afraid my mother never got the chance to say goodbye, and we all miss her very much."),
    ("en", "surprise", "You mean the whole ship just vanished? How could anybody push through that much water?"),
    ("zh", "joy", "太好了！欢迎大家来到我们的新家，快请进来喝杯热茶，吃点儿水果吧。"),
    ("zh", "neutral", "明天上午北京多云转晴，最高气温二十五度，适合出门散步，请注意防晒。"),
    ("zh", "fear", "别出声，外面好像有什么东西在动，我们还是赶快离开这个地方吧。"),
)
HELD_OUT_TEXTS = (
    ("en", "joy", "Good morning, everybody! Please have a look at the map before we begin."),
    ("zh", "neutral", "你好，我是你的向导，很高兴认识你，我们一起出发吧。"),
)


@dataclass(frozen=True, slots=True, eq=False)
class Motions:
    """N frames to learn from or to be judged by."""

    weights: Floats  # [N, 52]
    pose: Floats  # [N, 6]
    group: NDArray[np.str_]  # [N] what the frame is there for: speech, shape, pair, expression, gaze, blink, turn
    held_out: NDArray[np.bool_]  # [N] never trained on
    follows: NDArray[np.bool_]  # [N] the frame comes 1/25 s after the one before it

    def __len__(self) -> int:
        return len(self.weights)

    def motion(self, i: int) -> Motion:
        return Motion(self.weights[i : i + 1], self.pose[i : i + 1], 0, FPS)

    def save(self, path: Path) -> None:
        np.savez_compressed(path, **{name: getattr(self, name) for name in Motions.__slots__})

    @staticmethod
    def load(path: Path) -> Motions:
        try:
            with path.open("rb") as raw, np.load(raw, allow_pickle=False) as file:
                return Motions(*(file[name] for name in Motions.__slots__))
        except (OSError, KeyError, ValueError) as error:
            raise AnimacyError(f"{path} holds no motions ({error}); make them with `animacy train`") from error


class Painter(Protocol):
    """What `Teacher` is to a folder."""

    def shoot(
        self, weights: Floats, pose: Floats, sizes: tuple[int, ...], *, spp: int, seed: int
    ) -> list[tuple[NDArray[np.uint8], NDArray[np.uint8]]]: ...


def motions(spoken: list[tuple[bool, Motion]], *, seed: int = 0, scale: float = 1.0) -> Motions:
    """Frames of `spoken` (held out, motion) in neighbouring pairs; single shapes, pairs, expressions, gaze, blinks, turns.

    scale: share of the usual number (about 1,300 frames, some 60 of them held out); above 1 only those to learn from grow.
    """
    rng = np.random.default_rng(seed)
    rows: list[tuple[Floats, Floats, str, bool, bool]] = []

    def add(group: str, weights: Floats, held: bool, turned: float, follows: bool = False, pose: Floats | None = None) -> None:
        own = np.zeros(6) if pose is None else pose
        own = own + rng.normal(size=6) * [0.09 * turned, 0.18 * turned, 0.05 * turned, 0.003, 0.002, 0.004]
        own[:3] = np.clip(own[:3], -TURN, TURN)
        rows.append((np.clip(weights, 0, 1).astype(np.float32), own.astype(np.float32), group, held, follows))

    def shapes(**values: float) -> Floats:
        weights = np.zeros(len(ARKIT), np.float32)
        for name, value in values.items():
            both = [name] if name in ARKIT else [name + "Left", name + "Right"]
            weights[[ARKIT.index(n) for n in both]] = value
        return weights

    def count(usual: int, held: bool = False) -> int:
        return max(1, round(usual * (min(1.0, scale) if held else scale)))

    for held, motion in spoken:
        wanted = count(7 if held else 38, held)
        for i in sorted(rng.choice(len(motion) - 1, min(wanted, len(motion) - 1), replace=False)):
            offset = rng.normal(size=3) * [0.06, 0.16, 0.04] * (rng.random() < 0.5)
            for k in (i, i + 1):
                pose = motion.pose[k].astype(float)
                pose[:3] = np.clip(pose[:3] + offset, -TURN, TURN)
                rows.append((motion.weights[k], pose.astype(np.float32), "speech", held, k == i + 1))

    for held in (False, True):
        for name in ARKIT if scale >= 1 else ARKIT[:: round(1 / scale)]:
            for value in (0.6,) if held else (0.45, 1.0):
                open_jaw = {"jawOpen": 0.35} if name in ("mouthClose", "tongueOut") else {}
                if not held or rng.random() < 0.10:
                    add("shape", shapes(**{name: value}, **open_jaw), held, 0.6)
        for _ in range(count(6 if held else 190, held)):
            a, b = rng.choice(len(ARKIT), 2, replace=False)
            add("pair", shapes(**{ARKIT[a]: rng.uniform(0.3, 1), ARKIT[b]: rng.uniform(0.3, 1)}), held, 0.6)
        for _ in range(count(7 if held else 150, held)):
            some = shapes(jawOpen=rng.beta(1, 2.5))
            for name, most in rng.permutation(np.array(list(EXPRESSIONS), object))[:3]:
                some = np.maximum(some, shapes(**{name: most * rng.random()}))
            add("expression", some, held, 1.0)
        for _ in range(count(4 if held else 70, held)):
            x, y = rng.uniform(-1, 1, 2)
            left, right = ("Out", "In") if x > 0 else ("In", "Out")
            look = {
                f"eyeLook{left}Left": abs(x),
                f"eyeLook{right}Right": abs(x),
                "eyeLookUp" if y > 0 else "eyeLookDown": abs(y),
            }
            add("gaze", shapes(**look, eyeBlink=0.25 * max(0, -y)), held, 0.5)
        for _ in range(count(3 if held else 50, held)):
            both = rng.uniform(0, 1)
            add("blink", shapes(eyeBlink=both, mouthSmile=rng.uniform(0, 0.6)), held, 0.5)
        for _ in range(count(5 if held else 90, held)):
            pose = np.array([*rng.uniform(-1, 1, 3) * [0.30, TURN, 0.20], 0, 0, 0])
            add(
                "turn", shapes(jawOpen=rng.beta(1, 3), mouthSmile=rng.beta(1, 2), eyeBlink=rng.beta(1, 4)), held, 0.0, pose=pose
            )
    weights, pose, group, held_out, follows = zip(*rows, strict=True)
    return Motions(np.stack(weights), np.stack(pose), np.array(group), np.array(held_out), np.array(follows))


EXPRESSIONS = (
    *(("mouthSmile", 1.0), ("mouthFrown", 1.0), ("browDown", 1.0), ("browInnerUp", 1.0), ("browOuterUp", 1.0)),
    *(("eyeWide", 1.0), ("eyeSquint", 1.0), ("noseSneer", 0.9), ("cheekSquint", 1.0), ("mouthPucker", 0.9)),
    *(("mouthFunnel", 0.9), ("mouthStretch", 0.8), ("mouthPress", 0.8), ("mouthUpperUp", 0.9), ("mouthLowerDown", 0.9)),
    *(("mouthShrugLower", 0.8), ("mouthDimple", 0.8), ("mouthRollLower", 0.7), ("mouthRollUpper", 0.7), ("cheekPuff", 0.7)),
)


def spoken(report: Callable[[str], None] = lambda text: None, seed: int = 0) -> list[tuple[bool, Motion]]:
    """(held out, motion) of each text in TEXTS and HELD_OUT_TEXTS, by the real reader, speaker and mover. About a minute."""
    from ..move import Performer
    from ..read import make_reader
    from ..speak import make_speaker

    speaker = make_speaker(None)
    found = []
    for held, texts in ((False, TEXTS), (True, HELD_OUT_TEXTS)):
        for n, (language, emotion, text) in enumerate(texts):
            report(text)
            performer = Performer(FPS, seed + n + 100 * held)
            parts = [
                performer.move(sentence, speech)
                for sentence in make_reader(language, {emotion: 1.0}).read(text)
                for speech in speaker.speak(sentence)
            ]
            weights, pose = (np.concatenate([getattr(m, x) for m in parts]) for x in ("weights", "pose"))
            found.append((held, Motion(weights, pose, 0, FPS)))
    return found


def regions(avatar: Avatar, size: int, motion: Motion) -> NDArray[np.float32]:
    """[3, 4] x0, y0, x1, y1 in pixels of a frame: right eye, left eye, mouth; from eyeballs and teeth."""
    view = scene(avatar, size)
    positions = geometry.deform(view.rig, motion.weights, motion.pose)[0][0]
    p = positions @ view.view[:, :3].T + view.view[:, 3]
    at = size / 2 + view.focal / 2 * p[:, :2] / -p[:, 2:] * [1, -1]
    boxes = []
    for kind in ("eye", "tooth"):
        material = [i for i, m in enumerate(avatar.materials) if m.kind == kind]
        used = np.unique(avatar.triangles[np.isin(avatar.material, material)])
        sides = (avatar.positions[used, 0] < 0, avatar.positions[used, 0] >= 0) if kind == "eye" else (slice(None),)
        for side in sides:
            q = at[used[side]]
            low, high = q.min(0), q.max(0)
            grow = (high - low) * ([0.35, 0.30] if kind == "eye" else [0.30, 0.45])
            boxes.append([*(low - grow), *(high + grow)])
    return np.clip(np.array(boxes, np.float32), 0, size)


def name_of(index: int) -> str:
    return f"{index:05d}.npz"


def describe(folder: Path, avatar: Avatar, frames: Motions, *, size: int, spp: int, spp_held_out: int, seed: int) -> None:
    """Begin a folder, or check that it was begun alike. Raises UsageError where it was begun otherwise."""
    (folder / "frames").mkdir(parents=True, exist_ok=True)
    what = {
        "schema": SCHEMA,
        "avatar": avatar.name,
        "size": size,
        "frames": len(frames),
        "held_out": int(frames.held_out.sum()),
        "spp": spp,
        "spp_held_out": spp_held_out,
        "seed": seed,
    }
    path = folder / "manifest.json"
    if path.exists() and json.loads(path.read_text(encoding="utf-8")) != what:
        raise UsageError(f"{folder} was begun as {path.read_text(encoding='utf-8').strip()}; give another folder")
    path.write_text(json.dumps(what) + "\n", encoding="utf-8")
    if not (folder / "motions.npz").exists():
        frames.save(folder / "motions.npz")


def make(
    folders: Mapping[int, Path],
    avatar: Avatar,
    frames: Motions,
    painter: Painter,
    *,
    spp: int,
    spp_held_out: int,
    seed: int = 0,
    part: tuple[int, int] = (0, 1),
    seconds: float = math.inf,
    report: Callable[[int, int], None] = lambda done, of: None,
) -> None:
    """Make this part's share of the frames that `folders` (by size, begun by `describe`) do not hold yet, held-out ones first.

    The largest size is the painter's. spp: samples a pixel of it, held-out frames get `spp_held_out`. seed: of their noise;
    a frame shares it with the one that it follows, so that what changes between them is not noise. part: (k, n), one of n
    shares. A frame at which a process ended before is left out; it has a mark NUMBER.tried beside it.
    Begins no frame after `seconds`. `report` is told how many of how many are done.
    """
    from ..render.cpu import CpuRenderer

    sizes = tuple(sorted(folders, reverse=True))
    order = np.random.default_rng(seed).permutation(len(frames))
    order = order[np.argsort(~frames.held_out[order], kind="stable")]
    marks = folders[sizes[0]] / "frames"
    mine = [int(i) for i in order[part[0] :: part[1]] if not all((folders[s] / "frames" / name_of(i)).exists() for s in sizes)]
    mine = [i for i in mine if not (marks / name_of(i)).with_suffix(".tried").exists()]
    began = time.monotonic()
    with ExitStack() as stack:
        renderers = {s: stack.enter_context(CpuRenderer(avatar, s, threads=1)) for s in sizes}
        labels = {s: stack.enter_context(CpuRenderer(labelled(avatar), s, threads=1)) for s in sizes}

        def shoot(i: int) -> None:
            motion = frames.motion(i)
            samples = spp_held_out if frames.held_out[i] else spp
            own = seed + i - int(frames.follows[i])
            shots = painter.shoot(motion.weights[0], motion.pose[0], sizes, spp=samples, seed=own)
            for size, (target, halves) in zip(sizes, shots, strict=True):
                c = renderers[size].render(motion)
                path = folders[size] / "frames" / name_of(i)
                parts = parts_of(labels[size].render(motion).unlit[0])
                with path.with_suffix(f".{part[0]}.part").open("wb") as file:
                    np.savez(file, shaded=c.shaded[0], unlit=c.unlit[0], normal=c.normal[0], target=target, halves=halves,
                             parts=parts, regions=regions(avatar, size, motion))  # fmt: skip
                path.with_suffix(f".{part[0]}.part").replace(path)

        for done, i in enumerate(mine):
            if time.monotonic() - began > seconds:
                break
            mark = (marks / name_of(i)).with_suffix(".tried")
            mark.touch()
            try:
                shoot(i)
            finally:  # which is not reached where the process itself ends
                mark.unlink()
            report(done + 1, len(mine))


def trim(folder: Path) -> int:
    """Give up the frames that a folder lacks: it then holds those that are there, numbered anew. Returns how many."""
    frames = Motions.load(folder / "motions.npz")
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    there = np.array([(folder / "frames" / name_of(i)).exists() for i in range(len(frames))])
    kept = np.flatnonzero(there)
    follows = frames.follows & np.concatenate([[False], there[:-1]])
    for new, old in enumerate(kept):
        (folder / "frames" / name_of(int(old))).replace(folder / "frames" / name_of(new))
    fewer = Motions(frames.weights[kept], frames.pose[kept], frames.group[kept], frames.held_out[kept], follows[kept])
    fewer.save(folder / "motions.npz")
    manifest |= {"frames": len(kept), "held_out": int(fewer.held_out.sum())}
    (folder / "manifest.json").write_text(json.dumps(manifest) + "\n", encoding="utf-8")
    return len(kept)


def labelled(avatar: Avatar) -> Avatar:
    """The avatar with a flat colour for each of PARTS, for `parts_of` to read from its unlit texture."""
    from .teacher import brow_paint

    kinds = [
        "hair"
        if m.kind == "hair"
        else "lashes"
        if m.cutout
        else {"tooth": "teeth", "eye": "eyes", "cloth": "cloth"}.get(m.kind, "skin")
        for m in avatar.materials
    ]
    label = np.zeros(len(avatar.positions), int)
    label[avatar.triangles] = np.array([PARTS.index(k) for k in kinds])[avatar.material][:, None]
    triangles, points, cover, _ = brow_paint(avatar)
    if len(points):
        dense = points[cover > 0.4]
        near = np.abs(avatar.positions[:, None, :2][np.unique(triangles)] - dense[None, ::20, :2]).max(-1).min(1) < 0.003
        label[np.unique(triangles)[near]] = PARTS.index("brows")
    # Side by side in the texture: where a triangle of skin has a brow's corner it is brow up to its middle.
    order = [PARTS.index(x) for x in ("brows", "skin", "hair", "lashes", "teeth", "eyes", "cloth")]
    column = np.array([order.index(k) if k in order else 7 for k in range(8)])[label]
    texture = np.full((64, 64, 4), 255, np.uint8)
    texture[..., :3] = np.repeat(LABELS[[*order, 0]], 8, 0)[None]
    uv = np.stack([(column + 0.5) / 8, np.full(len(label), 0.5)], 1).astype(np.float32)
    return dataclasses.replace(avatar, uv=uv, albedo=texture, surface=np.full((64, 64, 4), 128, np.uint8))


def parts_of(unlit: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """[S, S] indices into PARTS from an unlit frame [S, S, 4] of a `labelled` avatar; 0 where several meet."""
    value = unlit[..., :3].astype(int)
    part = np.minimum((value[..., 0] + 15) // 30, len(PARTS) - 1)
    return np.where((np.abs(value - LABELS[part]) <= 2).all(-1), part, 0).astype(np.uint8)


@dataclass(frozen=True, slots=True, eq=False)
class Pairs:
    """A folder's frames in memory."""

    motions: Motions
    conditions: NDArray[np.uint8]  # [N, 10, S, S]: shaded RGBA, unlit RGB and depth, normal xy
    target: NDArray[np.uint8]  # [N, 4, S, S] premultiplied sRGB
    halves: NDArray[np.uint8]  # [N, 2, 4, S, S] likewise, from each half of the samples; the target itself where there are none
    parts: NDArray[np.uint8]  # [N, S, S] indices into PARTS; 0 where nothing is known
    regions: Floats  # [N, 3, 4]
    manifest: dict[str, Any]


def load(folder: Path) -> Pairs:
    """Read a folder. Raises AnimacyError that names the frames that are missing or broken."""
    try:
        manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
        count, size = int(manifest["frames"]), int(manifest["size"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise AnimacyError(f"{folder}: no usable manifest.json ({error}); make one with `animacy train`") from error
    frames = Motions.load(folder / "motions.npz")
    missing = [name_of(i) for i in range(count) if not (folder / "frames" / name_of(i)).exists()]
    if missing or len(frames) != count:
        named = ", ".join(missing[:20]) + (f" and {len(missing) - 20} more" if len(missing) > 20 else "")
        raise AnimacyError(f"{folder} lacks {len(missing)} of {count} frames: {named}; trace them with `animacy train`")
    conditions = np.empty((count, 10, size, size), np.uint8)
    target, halves = np.empty((count, 4, size, size), np.uint8), np.empty((count, 2, 4, size, size), np.uint8)
    parts = np.zeros((count, size, size), np.uint8)
    boxes = np.empty((count, 3, 4), np.float32)
    for i, frame in enumerate(_frames(folder, count)):
        try:
            conditions[i] = np.concatenate([frame[k] for k in ("shaded", "unlit", "normal")], -1).transpose(2, 0, 1)
            target[i] = frame["target"].transpose(2, 0, 1)
            halves[i] = frame["halves"].transpose(0, 3, 1, 2) if "halves" in frame else target[i]
            if "parts" in frame:
                parts[i] = frame["parts"]
            boxes[i] = frame["regions"]
        except (KeyError, ValueError) as error:
            raise AnimacyError(f"{folder}: frame {name_of(i)} does not fit ({error}); delete it and trace it again") from error
    return Pairs(frames, conditions, target, halves, parts, boxes, manifest)


def _frames(folder: Path, count: int) -> Iterator[dict[str, NDArray[Any]]]:
    for i in range(count):
        path = folder / "frames" / name_of(i)
        try:
            with path.open("rb") as raw, np.load(raw, allow_pickle=False) as file:
                frame = {k: file[k] for k in file.files}
        except Exception as error:  # numpy raises many kinds on a cut file
            raise AnimacyError(f"{folder}: frame {path.name} cannot be read ({error}); delete it and trace it again") from error
        yield frame
