"""From a sentence and how it is said to the motion of face and head, stretch after stretch."""

from __future__ import annotations

import math
from collections import deque

import numpy as np
from numpy.typing import NDArray

from ..errors import UsageError
from ..hear import STEP
from ..types import ARKIT, Heard, Motion, Sentence, Speech, Word
from .expression import ASKED, LEFT, expression, named, pace
from .heard import HeardMouth
from .life import DEGREE, Blinks, Drift, Gaze, Gestures
from .mouth import FORGET, Segments, articulate, bounded, mouth_weights, segments
from .visemes import is_vowel

Array = NDArray[np.float64]

INDEX = {name: i for i, name in enumerate(ARKIT)}
LAGS = 3  # in a row, each a first-order one, that an expression is eased by
RISE = 4.22  # time constants of one of them from 10 to 90 % of the whole
LINGER = 0.8  # s that an expression outlasts its sentence
EARLY = 0.15  # s before a word with an expression of its own that it begins to show
PAUSE = 0.12  # s without a phone that part two phrases
EYE_SIDE, EYE_UP, EYE_DOWN = 14 * DEGREE, 9.5 * DEGREE, 10.5 * DEGREE  # how far eyeLook... at 1 turn the default avatar's eyes
PARTED = 0.5  # a phrase ends behind words with a boundary from here on, whether or not a pause is heard
STRESSED = 0.6  # words from here on are beaten
SHUT = 0.15  # s in which a mouth that is cut off eases shut; less would be a jump at 25 fps
BACK = 32  # frames that a Performer can go back
# What a target holds: weights; liveliness; seconds in which it comes, in which it goes, and in which the one before it goes.
FACE, LIVELY, ONSET, DECAY, BEFORE = slice(0, len(ARKIT)), *range(len(ARKIT), len(ARKIT) + 4)
TALKING = 0.5  # of a heard mouth's `speaking`, from which it counts as speech
NONE = -1.0
LEVELS = 10  # steps of excitement in which a heard voice's expression changes
# What is never quite still at rest: in the face its mean, how far it drifts, and its noise; in the head how far, and its noise.
STIR = {
    "browInnerUp": (0.03, 0.015, (10, 0.05, 0.5)),
    "mouthSmileLeft": (0.05, 0.015, (11, 0.04, 0.4)),
    "mouthSmileRight": (0.05, 0.015, (12, 0.04, 0.4)),
    "mouthPressLeft": (0.012, 0.006, (13, 0.04, 0.3)),
    "mouthPressRight": (0.012, 0.006, (14, 0.04, 0.3)),
}
SWAY = {  # by axis of POSE
    0: (0.55 * DEGREE, (0, 0.03, 0.4)),
    1: (0.9 * DEGREE, (1, 0.03, 0.4)),
    2: (0.45 * DEGREE, (2, 0.03, 0.4)),
    3: (0.0008, (3, 0.03, 0.4)),
    5: (0.0010, (5, 0.03, 0.4)),
}
BREATH = 20, 0.02, 0.06
RAISES = {"browInnerUp": 0.75, "browOuterUpLeft": 0.8, "browOuterUpRight": 0.72, "eyeWideLeft": 0.25, "eyeWideRight": 0.25}
STIRRED, RAISED = [INDEX[name] for name in STIR], [INDEX[name] for name in RAISES]
LOWERED = [INDEX["browDown" + side] for side in ("Left", "Right")]
MEAN, STIRS = np.array([s[:2] for s in STIR.values()]).T
SWAYS, SHARES = np.array([s[0] for s in SWAY.values()]), np.array(list(RAISES.values()))
LOOKS = [INDEX["eyeLook" + way + side] for side in ("Left", "Right") for way in ("Out", "In", "Up", "Down")]
BLINK, WIDE, SQUINT = ([INDEX[name + side] for side in ("Left", "Right")] for name in ("eyeBlink", "eyeWide", "eyeSquint"))
SETTLED = 1e-9  # of a weight
AT_REST = np.concatenate([np.zeros(len(ARKIT) + 1), pace({}), pace({})[1:]])


class Performer:
    """Moves one face through a video of `fps` frames a second. A `stages.Mover`.

    Frame n shows the instant n / fps. Give the stretches of speech in order and without gaps, silence as stretches without
    a sentence; the frames given for each are those whose instant lies within it, so that the count is exact over any time.
    The same seed gives the same motion. What is kept between two calls does not grow.

    `move` is `begin` and `advance` to the stretch's end. A live face advances a few frames at a time instead; it can go `back`
    and be `cut` off in the middle of a word. `feel` holds an expression in place of what was read.
    A stretch without a sentence may come with what was `heard` in it: speech from elsewhere, whose mouth is taken from there,
    and whose excitement shows in brows, eyes and nods.
    Raises UsageError if fps is not 1..120, if the seed is negative or if the sample rate changes.
    """

    def __init__(self, fps: int = 25, seed: int = 0) -> None:
        if not 1 <= fps <= 120:
            raise UsageError(f"fps is {fps}; needed: 1 to 120")
        if seed < 0:
            raise UsageError(f"seed is {seed}; needed: 0 or more")
        self.fps = fps
        self.seed = seed
        self._rate = 0
        self._sample = 0  # where the next stretch begins
        self._sentence: Sentence | None = None
        self._parts: list[Segments] = []
        self._heard = HeardMouth()
        self._cuts: list[tuple[float, list[Segments]]] = []  # mouths that are easing shut, and since when
        self._pauses: list[float] = []  # at which phrases will end
        self._level = NONE  # of excitement that a heard voice shows, in steps
        self._mood: Array | None = None
        self._blinks = Blinks(seed)
        self._gaze = Gaze(seed)
        self._gestures = Gestures(seed)
        self._noise = Drift(seed, [*(s[-1] for s in STIR.values()), *(s[-1] for s in SWAY.values()), BREATH])
        self._spoke = -9.0  # when the last phone ended
        self._target = AT_REST
        self._lags = np.tile(AT_REST, (LAGS, 1))
        self._plan: list[tuple[float, Array]] = []  # targets to come and of late, and the second from which each holds
        self._dropped, self._shown = 0, 0  # of all targets that were ever planned: how many were forgotten, and were shown
        self._past: deque[tuple[int, int, Array, Array]] = deque(
            maxlen=BACK
        )  # a frame's number; before it: shown, target, lags
        rng = np.random.default_rng((seed, 5))
        self._sides = 1.0 + 0.05 * rng.uniform(-1, 1, len(ARKIT))  # nobody smiles evenly
        self._sides += [LEFT * (name.endswith("Left") - name.endswith("Right")) for name in ARKIT]

    def move(self, sentence: Sentence | None, speech: Speech, heard: Heard | None = None) -> Motion:
        """The next frames, [T, 52] and [T, 6]; T may be 0 for a stretch shorter than a frame."""
        self.begin(sentence, speech, heard)
        return self.advance(len(speech.samples))

    def begin(self, sentence: Sentence | None, speech: Speech, heard: Heard | None = None) -> None:
        """Begin a stretch here, without giving its frames. Raises UsageError as `move` does."""
        if self._rate not in (0, speech.rate):
            raise UsageError(f"speech at {speech.rate} Hz after speech at {self._rate} Hz; one video needs one rate")
        self._rate = speech.rate
        self._sentence = sentence
        start = self._sample / self._rate
        self._parts = [s for s in self._parts if s.over > start - FORGET - BACK / self.fps] + segments(sentence, speech, start)
        self._pauses += self._gesture(sentence, speech, start)
        self._plan += self._targets(sentence, speech, start)
        if heard is not None:
            self._hear(heard, start, start + len(speech.samples) / self._rate)

    def advance(self, samples: int) -> Motion:
        """The frames [T, 52] and [T, 6] of the next `samples` samples of the stretch that has begun."""
        first = self._frame()
        self._sample += samples
        end = self._sample / self._rate
        times = np.arange(first, self._frame()) / self.fps
        self._blinks.advance(end, self._pauses)
        self._gaze.advance(end, self._pauses)
        self._pauses = [p for p in self._pauses if p > end]
        motion = self._frames(self._sentence, times, first)
        kept = end - BACK / self.fps
        self._blinks.forget(kept)
        self._gaze.forget(kept)
        self._gestures.forget(kept)
        self._heard.forget(kept)
        self._cuts = [(at, parts) for at, parts in self._cuts if at + SHUT > kept]
        if self._past:  # no frame that can be given again shows an older target
            forgotten = self._past[0][1] - self._dropped
            del self._plan[:forgotten]
            self._dropped += forgotten
        return motion

    def back(self, sample: int) -> None:
        """Go back to `sample`, counted from the video's start: the frames given from there on are given again.

        What stretches have planned stays planned: go back over the start of one only to cut it off. Raises ValueError if
        `sample` lies ahead, or more than BACK frames behind.
        """
        frame = -(-sample * self.fps // max(self._rate, 1))
        if sample > self._sample or frame < self._frame() - len(self._past):
            raise ValueError(f"cannot go back from sample {self._sample} to {sample}: needed 0 to {len(self._past)} frames")
        while self._past and self._past[-1][0] >= frame:
            _, self._shown, self._target, self._lags = self._past.pop()
        self._sample = sample

    def cut(self) -> None:
        """Cut off here what was begun: no more of it is said, and the mouth eases shut within SHUT seconds.

        Nods and brows that are under way come to their end; those that were to come do not. The next stretch may begin at once.
        """
        now = self._sample / max(self._rate, 1)
        begun = [s for s in self._parts if s.onset < now]
        if begun:
            self._cuts.append((now, begun))
        self._heard.cut(now)
        self._level = NONE
        self._sentence, self._parts, self._pauses = None, [], []
        del self._plan[self._shown - self._dropped :]
        self._spoke = min(self._spoke, now)
        self._gestures.cut(now)

    def feel(self, face: Array | None) -> None:
        """Hold the expression `face` [52], 0..1, from the next frame on, in talk and at rest; None: as is read."""
        self._mood = face

    def _frame(self) -> int:
        """The number of the first frame from here on."""
        return -(-self._sample * self.fps // max(self._rate, 1))

    def _mouth(self, times: Array) -> tuple[Array, Array, Array, Array]:
        """As `mouth.articulate`, with the mouths that were cut off easing shut."""
        shape, *rest = articulate(self._parts, times, self.fps)
        for at, parts in self._cuts:
            x = bounded((times - at) / SHUT)
            left = 1.0 - x * x * (3.0 - 2.0 * x)  # slower at its fastest than `ease`
            cut_shape, *cut_rest = articulate(parts, times, self.fps)
            shape = np.maximum(shape, cut_shape * left[:, None])
            rest = [np.maximum(m, c * left) for m, c in zip(rest, cut_rest, strict=True)]
        heard = self._heard.at(times)
        lips, teeth, speaking = (np.maximum(own, heard[:, 6 + k]) for k, own in enumerate(rest))
        return np.maximum(shape, heard[:, :6]), lips, teeth, speaking

    def _hear(self, heard: Heard, start: float, end: float) -> None:
        """Take a mouth that was heard from `start` to `end`, and plan what goes with its voice."""
        self._heard.add(heard, start, end)
        for k, at in enumerate(start + heard.first + STEP * np.arange(len(heard.mouth))):
            if not start <= at < end or heard.mouth[k, -1] < TALKING:
                continue
            excitement = float(heard.excitement[k])
            if at - self._spoke > PAUSE:
                self._gestures.phrase(at, at - self._spoke, excitement, start)
            if at - self._spoke > LINGER:
                self._level = NONE  # the face has come to rest meanwhile
            self._spoke = at
            if heard.stress[k]:
                self._gestures.stress(at, float(heard.stress[k]), excitement, start)
            level = round(LEVELS * excitement) / LEVELS
            if level != self._level:
                self._level = level
                self._plan.append((at, _lively(level)))

    def _gesture(self, sentence: Sentence | None, speech: Speech, start: float) -> list[float]:
        """Plan nods, brows and breaths of a stretch; gives when its phrases end, in seconds."""
        excitement = sentence.excitement if sentence is not None else 0.3
        rate, pauses = speech.rate, []
        vowels: dict[int, tuple[float, float]] = {}  # word -> energy and time of its strongest vowel
        for i, phone in enumerate(speech.phones):
            begins, ends = start + phone.start / rate, start + phone.end / rate
            if begins - self._spoke > PAUSE:
                self._gestures.phrase(begins, begins - self._spoke, excitement, start)
            self._spoke = ends
            following = speech.phones[i + 1].start / rate + start if i + 1 < len(speech.phones) else ends + 2 * PAUSE
            if following - ends > PAUSE or (
                sentence is not None
                and speech.phones[i + 1].word != phone.word < len(sentence.words)
                and sentence.words[phone.word].boundary >= PARTED
            ):
                pauses.append(ends)
            if is_vowel(phone.symbol):
                energy = float(np.square(speech.samples[phone.start : phone.end], dtype=np.float64).sum())
                if phone.word not in vowels or energy > vowels[phone.word][0]:
                    vowels[phone.word] = (energy, begins + 0.4 * (ends - begins))
        if sentence is not None:
            for word, (_, vowel) in sorted(vowels.items(), key=lambda item: item[1][1]):
                if word < len(sentence.words) and sentence.words[word].stress >= STRESSED:
                    self._gestures.stress(vowel, sentence.words[word].stress, excitement, start)
        return pauses

    def _frames(self, sentence: Sentence | None, times: Array, first: int) -> Motion:
        noise = self._noise.at(times)
        held = self._hold_expression(sentence is None, times, first)
        face, lively = held[:, FACE] * self._sides, 0.45 + held[:, LIVELY]

        face[:, STIRRED] += MEAN + STIRS * noise[:, : len(STIR)]
        face = bounded(face)
        raise_ = sum((b.at(times) for b in self._gestures.brows), np.zeros(len(times)))
        face[:, RAISED] += raise_[:, None] * SHARES
        face[:, LOWERED] *= bounded(1.0 - raise_)[:, None]

        mouth = self._mouth(times)
        weights = mouth_weights(*mouth, bounded(face))

        pose = np.zeros((len(times), 6))
        breath = np.sin(2 * np.pi * (0.25 * times + 0.03 * noise[:, -1]))
        inhale = sum((b.at(times) for b in self._gestures.breaths), np.zeros(len(times)))
        pose[:, list(SWAY)] = SWAYS * noise[:, len(STIR) : -1] * lively[:, None]
        pose[:, :3] += self._gestures.head(times)
        pose[:, 0] -= (0.25 * breath + 0.8 * inhale) * DEGREE
        pose[:, 4] = 0.0007 * breath + 0.0016 * inhale
        pose[:, 5] += 0.0006 * breath

        self._eyes(weights, pose, times)
        return Motion(bounded(weights).astype(np.float32), pose.astype(np.float32), first, self.fps)

    def _targets(self, sentence: Sentence | None, speech: Speech, start: float) -> list[tuple[float, Array]]:
        """The expressions [53] of a stretch and when each is made for, in order; a word may have one of its own."""
        if sentence is None:
            return []
        usual = _target(sentence, None)
        found = [(start, usual)]
        for timed in speech.words:
            word = sentence.words[timed.word] if timed.word < len(sentence.words) else None
            own = word is not None and (word.emotion is not None or word.face is not None)
            target = _target(sentence, word) if own else usual
            if target is not found[-1][1]:
                at = start if timed is speech.words[0] else max(start + timed.start / speech.rate - EARLY, start)
                found.append((at, target))
        return found

    def _hold_expression(self, silent: bool, times: Array, first: int) -> Array:
        """The expression eased towards each planned target in turn, [T, 56].

        What rises does so at the new one's pace, what falls at the pace of the one that was shown.
        """
        held = np.empty((len(times), len(self._target)))
        aim: Array | None = None
        for i, t in enumerate(times):
            self._past.append((first + i, self._shown, self._target, self._lags))
            while self._shown < self._dropped + len(self._plan) and t >= self._plan[self._shown - self._dropped][0]:
                self._aim(self._plan[self._shown - self._dropped][1])
                self._shown += 1
            if silent and t > self._spoke + LINGER:
                self._aim(AT_REST)
            if aim is not self._target:
                aim = self._target
                goal = aim if self._mood is None else np.concatenate([self._mood, aim[LIVELY:]])
                rises, falls = (1.0 - math.exp(-RISE / (self.fps * aim[k])) for k in (ONSET, BEFORE))
                settled = np.abs(self._lags - goal).max() < SETTLED
            held[i] = value = goal
            if settled:
                continue
            self._lags = self._lags.copy()  # the past has it
            step = np.where(value > self._lags[-1], rises, falls)
            for lag in self._lags:
                lag += step * (value - lag)
                value = lag
            held[i] = value
        return held

    def _aim(self, target: Array) -> None:
        """Turn to another target, if it is one: what was shown goes as it goes."""
        if (self._target[:BEFORE] != target[:BEFORE]).any():
            self._target = np.append(target[:BEFORE], self._target[DECAY])

    def _eyes(self, weights: Array, pose: Array, times: Array) -> None:
        """Keep the eyes on what is looked at while the head moves; lids go with them."""
        yaw, pitch = self._gaze.look(times)
        yaw, pitch = yaw - pose[:, 1], pitch - pose[:, 0]
        left, right = np.maximum(yaw, 0.0) / EYE_SIDE, np.maximum(-yaw, 0.0) / EYE_SIDE
        up, down = np.maximum(-pitch, 0.0) / EYE_UP, np.maximum(pitch, 0.0) / EYE_DOWN
        closed = self._blinks.closed(times, self.fps)
        down_lid = down + 0.05 * closed
        weights[:, LOOKS] = np.array([left, right, up, down_lid, right, left, up, down_lid]).T
        open_ = (1.0 - closed)[:, None]
        weights[:, BLINK] = closed[:, None] + open_ * np.clip(weights[:, BLINK] + 0.1 * down[:, None], 0.0, 0.4)
        weights[:, WIDE] = (weights[:, WIDE] + 0.3 * up[:, None]) * open_
        weights[:, SQUINT] *= 1.0 - 0.7 * closed[:, None]


def _lively(excitement: float) -> Array:
    """The target [56] of a voice that was heard: interest, from calm up; which feeling it is, nobody heard."""
    face = np.zeros(len(ARKIT))
    for name, weight in named("interest", float(np.clip((excitement - 0.4) / 0.5, 0.0, 1.0))).items():
        face[INDEX[name]] = weight
    seconds = pace({})
    return np.concatenate([face, [0.6 + 0.4 * excitement], seconds, seconds[1:]])


def _target(sentence: Sentence, word: Word | None) -> Array:
    """The target [56] of a sentence, or of a word in it."""
    emotion, valence = sentence.emotion, sentence.valence
    if word is not None and word.emotion is not None:
        emotion, valence = word.emotion, 0.0  # the sentence's valence is of another feeling
    face = expression(emotion, valence, sentence.excitement)
    seconds = pace(emotion)
    if word is not None and word.face is not None:
        seconds = ASKED
        for name, weight in word.face.items():
            face[INDEX[name]] = weight
    return np.concatenate([face, [0.6 + 0.4 * sentence.excitement], seconds, seconds[1:]])
