"""Coarticulation: timed phones -> six articulators and two contacts at any instant -> mouth weights.

Each phone pulls every articulator towards its target with a dominance that is flat over the phone and falls off before and
after it; what is seen is the weighted mean (Cohen and Massaro, 1993). A mean never overshoots, and neighbours show through
where a phone does not care. Rounding reaches further ahead than back, as in speech (Perkell and Matthies, 1992, measured 100 to
200 ms of anticipation). What speech cannot do without, contact of the lips on p b m and of lip and teeth on f v, does not take
part in the mean: it is a gate, 1 at the phone's centre whatever the rate of speech, that closes the lips over it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..types import ARKIT, Sentence, Speech
from .visemes import Viseme, visemes

Array = NDArray[np.float64]

JAW, SPREAD, FUNNEL, PUCKER, TEETH, TONGUE = range(6)
REACH_BEFORE = np.array([0.058, 0.070, 0.120, 0.120, 0.055, 0.040])  # s, over which dominance falls to 1/e ahead of a phone ...
REACH_AFTER = np.array([0.066, 0.080, 0.090, 0.090, 0.062, 0.040])  # ... and after it
LEAD = 0.025  # s that articulators run ahead of the sound they make
REST_HOLD = 0.03  # dominance of the mouth at rest, always there
SILENCE = 0.09  # s: gaps longer than this are pauses in which the mouth comes to rest
CLOSING, OPENING = 0.062, 0.055  # s that lips take to meet and to part
MAKE_ROOM, TAKE_ROOM = 0.3, 1.0  # s before and after phones in which a smile gives way to speech
SEEN = 0.6  # s before a phone from which on it shows: five times the longest reach, e**-25 of its hold
LOUDNESS = 0.07  # RMS of a vowel at ordinary level, about -23 dBFS
WIDE = 0.36  # jawOpen from which it is held back, never to pass 0.51
PURSE = 1.25  # mouthPucker for a pucker of 1: as rounded as speech is, it is hard to see
FORGET = 0.8  # s after which a phone no longer shows

INDEX = {name: i for i, name in enumerate(ARKIT)}
PAIRS = np.array(  # [6, 2] what the mouth adds to on both sides: of `added` and `kept`
    [
        [INDEX[name + side] for side in ("Left", "Right")]
        for name in ("mouthSmile", "mouthStretch", "mouthPress", "mouthLowerDown", "mouthUpperUp", "mouthFrown")
    ]
)
DIMPLES = [INDEX["mouthDimpleLeft"], INDEX["mouthDimpleRight"]]


def bounded(x: Array) -> Array:
    """Within 0..1, in a third of the time that np.clip takes for a few numbers."""
    return np.minimum(np.maximum(x, 0.0), 1.0)


def ease(x: Array) -> Array:
    """0 to 1 for x from 0 to 1 along the minimum-jerk path (Flash and Hogan, 1985)."""
    x = bounded(x)
    return x * x * x * (10.0 - 15.0 * x + 6.0 * x * x)


@dataclass(frozen=True, slots=True)
class Segment:
    """One viseme in time, seconds from the video's start."""

    start: float
    end: float
    target: tuple[float, ...]  # 6
    hold: tuple[float, ...]  # 6
    contact: str = ""
    phone: bool = False  # not a pause


@dataclass(frozen=True, slots=True)
class Segments:
    """The visemes of one stretch, in order: one or more."""

    start: Array  # [S, 1]
    end: Array  # [S, 1]
    target: Array  # [S, 1, 6]
    hold: Array  # [S, 1, 6]
    lips: NDArray[np.bool_]  # [S] which close them
    teeth: NDArray[np.bool_]  # [S]
    phone: NDArray[np.bool_]  # [S]
    onset: float  # the stretch takes over from here ...
    full: float  # ... to here, so that it never makes the mouth jump

    @property
    def over(self) -> float:
        """When its last viseme ends."""
        return float(self.end[-1, 0])

    def near(self, first: float, last: float) -> slice:
        """Those that show between two instants."""
        found = np.flatnonzero((self.start[:, 0] < last + SEEN) & (self.end[:, 0] > first - TAKE_ROOM))
        return slice(int(found[0]), int(found[-1]) + 1) if len(found) else slice(0)


def segments(sentence: Sentence | None, speech: Speech, start: float) -> list[Segments]:
    """The visemes of one stretch whose first sample is heard `start` seconds into the video: one, or none without phones."""
    rate = speech.rate
    found: list[Segment] = []
    first = start + speech.phones[0].start / rate if speech.phones else start
    full = max(first - 0.5 * LEAD, start + 0.1)
    before = 0
    for i, phone in enumerate(speech.phones):
        if phone.start - before > SILENCE * rate:
            found.append(_rest(start + before / rate + 0.03, start + phone.start / rate - 0.03))
        loud = _loudness(speech, phone.start, phone.end)
        stress = sentence.words[phone.word].stress if sentence is not None and phone.word < len(sentence.words) else 0.4
        excited = sentence.excitement if sentence is not None else 0.4
        gain = loud * (0.88 + 0.24 * stress) * (0.94 + 0.18 * excited)
        parts = visemes(phone.symbol)
        last = i + 1 == len(speech.phones) or speech.phones[i + 1].start - phone.end > SILENCE * rate
        until = _sounding(speech, phone.start, phone.end) if last and not parts[-1].contact else phone.end
        before = until
        ends = np.cumsum([v.length for v in parts])
        edges = np.concatenate([[0.0], ends / ends[-1]]) * (until - phone.start) + phone.start
        for v, a, b in zip(parts, edges[:-1], edges[1:], strict=True):
            found.append(_segment(v, start + a / rate, start + b / rate, gain if v.vowel else 1.0))
    if not found:
        return []
    tail = len(speech.samples)
    found.append(_rest(start + before / rate + 0.03, max(start + tail / rate, start + before / rate + 0.2)))
    return [
        Segments(
            np.array([[s.start] for s in found]),
            np.array([[s.end] for s in found]),
            np.array([[s.target] for s in found]),
            np.array([[s.hold] for s in found]),
            np.array([s.contact == "lips" for s in found]),
            np.array([s.contact == "teeth" for s in found]),
            np.array([s.phone for s in found]),
            start,
            full,
        )
    ]


def _segment(v: Viseme, start: float, end: float, gain: float) -> Segment:
    target = v.jaw * gain, v.spread, v.funnel, v.pucker, v.teeth, v.tongue
    hold = v.jaw_hold, v.lips_hold, v.lips_hold, v.lips_hold, v.lips_hold, 1.0 if v.tongue else 0.8
    return Segment(start - LEAD, end - LEAD, target, hold, v.contact, True)


def _rest(start: float, end: float) -> Segment:
    return Segment(start, max(end, start + 0.01), (0.0,) * 6, (0.7,) * 6)


def _sounding(speech: Speech, start: int, end: int) -> int:
    """Where the last phone before a pause dies away: aligners give it the silence, too."""
    window = max(speech.rate // 50, 1)
    blocks = speech.samples[start : start + (end - start) // window * window].reshape(-1, window)
    if len(blocks) < 4:
        return end
    level = np.sqrt(np.mean(np.square(blocks, dtype=np.float64), axis=1))
    heard = np.flatnonzero(level > 0.06 * level.max())
    return start + (int(heard[-1]) + 1) * window if len(heard) and level.max() > 0.0 else end


def _loudness(speech: Speech, start: int, end: int) -> float:
    """About 1 for a phone at ordinary level; 20 dB make a third."""
    samples = speech.samples[start:end]
    rms = math.sqrt(float(samples @ samples) / len(samples)) if len(samples) else 0.0
    return min(max(math.pow(max(rms, 1e-5) / LOUDNESS, 0.2), 0.72), 1.22)


def articulate(stretches: list[Segments], times: Array, fps: int) -> tuple[Array, Array, Array, Array]:
    """The mouth at the ascending instants `times` [T]: articulators [T, 6], lips meeting [T], lip on teeth [T], speaking [T].

    All are 0..1; `speaking` is 1 within phones and eases to 0 around them.
    """
    shape = np.zeros((len(times), 6))
    total = np.zeros((len(times), 6))
    weight = np.full((len(times), 6), REST_HOLD)
    lips, teeth, speaking = np.zeros((3, len(times)))
    if not len(times):
        return shape, lips, teeth, speaking
    half = min(0.5 / fps + 0.002, 0.045)  # a frame's worth around the centre, so that some frame shows the contact
    for stretch in stretches:
        known = ease((times - stretch.onset) / (stretch.full - stretch.onset))  # it was not known before it began
        near = stretch.near(times[0], times[-1])
        start, end = stretch.start[near], stretch.end[near]
        before, after = np.maximum(start - times, 0.0), np.maximum(times - end, 0.0)  # [S, T]
        away = before[..., None] / REACH_BEFORE + after[..., None] / REACH_AFTER
        pull = stretch.hold[near] * np.exp(-np.square(away))
        weight += pull.sum(0)
        total += (pull * stretch.target[near]).sum(0)
        spoken = stretch.phone[near]
        if spoken.any():
            apart = np.maximum(before / MAKE_ROOM, after / TAKE_ROOM)[spoken].min(0)
            speaking = np.maximum(speaking, known * (1.0 - ease(apart)))
        for met, contact in ((stretch.lips[near], lips), (stretch.teeth[near], teeth)):
            if not met.any():
                continue
            begin, stop = start[met] + LEAD, end[met] + LEAD  # contact follows the sound itself
            centre = 0.5 * (begin + stop)
            closed = np.minimum(begin + 0.1 * (stop - begin), centre - half)
            parted = np.maximum(begin + 0.8 * (stop - begin), centre + half)
            gate = np.minimum(ease((times - (closed - CLOSING)) / CLOSING), 1.0 - ease((times - parted) / OPENING))
            np.maximum(contact, gate.max(0) * known, out=contact)
        shape += known[:, None] * (total / weight - shape)
    return shape, lips, teeth, speaking


def held_back(jaw: Array) -> Array:
    """jawOpen for how far a jaw [T] would go: beyond WIDE ever less."""
    return np.where(jaw > WIDE, WIDE + 0.15 * (1.0 - np.exp((WIDE - jaw) / 0.15)), jaw)


def let_go(jaw: float) -> float:
    """How far a jaw would go that shows as jawOpen `jaw`: what `held_back` undoes; at most 1."""
    return jaw if jaw <= WIDE else WIDE - 0.15 * math.log(max(1.0 - (jaw - WIDE) / 0.15, math.exp((WIDE - 1.0) / 0.15)))


def room(lips: Array, teeth: Array) -> Array:
    """How much of jawOpen the contacts [T] leave, 0..1."""
    found: Array = (1.0 - 0.65 * lips) * (1.0 - 0.6 * teeth)
    return found


def mouth_weights(shape: Array, lips: Array, teeth: Array, speaking: Array, face: Array) -> Array:
    """Add the mouth to the expression `face` [T, 52] and return weights [T, 52].

    shape [T, 6], lips [T], teeth [T], speaking [T] as `articulate` gives them. mouthClose undoes jawOpen at the lips, so closed
    lips are mouthClose = jawOpen with everything else that parts them gated off.
    """
    out = face.copy()
    open_ = 1.0 - lips  # what still parts the lips
    bite = 1.0 - teeth
    jaw, spread, funnel, pucker, part, tongue = (shape[:, i] for i in range(6))
    drawn = bounded(0.5 * funnel + 2.2 * pucker)  # lips that are drawn together cannot be drawn apart ...
    smiles = 1.0 - 0.88 * drawn  # ... which leaves so much of a smile

    def put(name: str, values: Array) -> None:
        out[:, INDEX[name]] = values

    smile = 0.5 * (face[:, INDEX["mouthSmileLeft"]] + face[:, INDEX["mouthSmileRight"]])
    jaw = jaw * (1.0 + 0.35 * smile) + face[:, INDEX["jawOpen"]] * (1.0 - 0.6 * speaking)  # a smile draws the lips together
    jaw = held_back(jaw) * room(lips, teeth)
    show = smile * (1.0 - drawn) * ease(jaw / 0.3)  # ... and shows the teeth of a mouth that opens
    put("jawOpen", jaw)
    put("mouthClose", jaw * np.maximum(lips, 0.55 * teeth))
    put("mouthFunnel", funnel * open_ * bite + 0.1 * funnel * teeth)
    put("mouthPucker", np.maximum(face[:, INDEX["mouthPucker"]], PURSE * pucker * (1.0 - 0.3 * lips) * (1.0 - 0.4 * teeth)))
    put("mouthRollLower", np.maximum(face[:, INDEX["mouthRollLower"]], 0.11 * lips + 0.60 * teeth))
    put("mouthRollUpper", np.maximum(face[:, INDEX["mouthRollUpper"]] * bite, 0.10 * lips))
    put("mouthShrugLower", np.maximum(face[:, INDEX["mouthShrugLower"]], 0.10 * teeth))
    put("tongueOut", tongue * open_ * bite)
    out[:, DIMPLES] = face[:, DIMPLES] * smiles[:, None]
    added = (
        0.18 * spread * open_,
        0.40 * spread * (1.0 - 0.5 * lips),
        0.20 * lips,
        (0.42 * part + 0.5 * show) * open_ * bite,
        (0.20 * part + 0.35 * show) * open_ + 0.26 * teeth * open_,
        np.zeros_like(jaw),
    )
    kept = (
        (1.0 - 0.35 * speaking) * smiles,
        1.0 - 0.7 * drawn,
        1.0 - 0.85 * speaking * open_,
        open_ * bite,
        open_,
        1.0 - 0.3 * speaking,
    )
    out[:, PAIRS] = np.array(added).T[..., None] + face[:, PAIRS] * np.array(kept).T[..., None]
    return bounded(out)
