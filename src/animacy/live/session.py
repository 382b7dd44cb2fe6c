"""One viewer's face: it idles, speaks what it is given, and can be cut off in the middle of a word.

Time is integer: frame n shows at n / fps after frame 0 and spans the samples n * rate // fps up to
(n + 1) * rate // fps. Both are counted, never added up, so that sound and face cannot drift.

    say ──▶ inbox ──read, speak──▶ stretches ──▶ planned ──▶ take
            QUEUED                 AHEAD          BLOCK frames
    push_audio ──▶ pushed (PUSHED seconds) ──┘

Every queue is bounded: `say` and `push_audio` are refused when theirs are full, the thread that speaks waits when it is AHEAD
stretches ahead, and of events that nobody fetches the oldest go. An interruption raises the epoch and empties them all. Sound
comes soon because a text is read sentence by sentence and `speak` cuts the first phrase of a text short.
"""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from ..engine import silence
from ..errors import AnimacyError, UsageError
from ..move import Performer
from ..move.expression import expression
from ..read import make_reader
from ..read.feeling import complete, valence_of_emotion
from ..stages import Reader, Speaker
from ..types import Motion, Speech
from .pushed import PUSHED, Pushed, checked
from .speaking import QUEUED, Speaking, Stretch
from .values import Event, Moment

BLOCK = 9  # frames that are moved at a time, for hardly more than one costs; NumPy lets the GIL go for more than 500 numbers
LOOK_AHEAD = 12  # frames that may be taken before they are due
EVENTS = 256  # that wait to be fetched
FADE = 0.005  # s in which a sound that is cut off dies away: less is heard as a click


class Full(AnimacyError):
    """A queue of this session is full now; later there may be room."""


class Session:
    """The face of one viewer. All methods may be called from any thread.

    speaker may be shared between sessions if it may be called from several threads (Kokoro may). reader: by default one for
    English and Mandarin. clock gives seconds; where it runs back, it is taken to have stood still. seed: of blinks and
    gaze. avatar names the face for the scheduler. lead: seconds from now to frame 0, in which encoders can be opened and the
    first frames painted.
    Raises UsageError for an fps or seed that Performer refuses. After `close` every method but `close` raises AnimacyError.
    """

    def __init__(
        self,
        speaker: Speaker,
        *,
        reader: Reader | None = None,
        clock: Callable[[], float] = time.monotonic,
        fps: int = 25,
        seed: int = 0,
        avatar: str = "default",
        lead: float = 0.0,
    ) -> None:
        self.fps, self.rate, self.avatar = fps, speaker.rate, avatar
        self.closed = False
        self._phase = seed % BLOCK  # sessions that were opened together do not all plan in one tick
        self._performer = Performer(fps, seed)
        self._performer.begin(None, silence(0.0, self.rate))
        self._clock = clock
        self._last = clock()  # when it was asked last
        self._opened = self._last + lead  # when frame 0 is due
        self._lock = threading.Lock()
        self._said = 0  # texts so far
        self._ended = 0  # up to which all are said, or dropped
        self._next = 0  # the first frame that was not taken
        self._sample = 0  # up to which is planned
        self._planned: deque[Moment] = deque()
        self._idle = False  # what is planned is a face at rest
        self._taken: deque[Moment] = deque(maxlen=LOOK_AHEAD)
        self._now: Stretch | None = None  # what is being said ...
        self._at = 0  # ... up to which of its samples
        self._latest = Stretch(0, 0)  # the last stretch that began, ...
        self._quiet = 0  # ... and the sample at which it ended
        self._fading = np.zeros(0, np.float32)
        self._pushed: deque[Pushed] = deque()  # each is said once all numbers before its own were
        self._coming: deque[Event] = deque()  # of what is being said; its length is that of a stretch
        self._events: deque[Event] = deque(maxlen=EVENTS)
        self._speaking = Speaking(reader or make_reader(), speaker)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    @property
    def epoch(self) -> int:
        """How often it was interrupted: what is of an older epoch is void."""
        return self._speaking.epoch

    @property
    def opened(self) -> float:
        """When frame 0 is due, by its clock, `lead` after it was made: frame n is due n / fps seconds later."""
        return self._opened

    @property
    def speaking(self) -> bool:
        """Whether anything is being said, or waits to be."""
        return self._ended < self._said or bool(self._coming)

    def say(self, text: str) -> int:
        """Say `text` after what is being said; gives its number, by which events name it.

        Raises UsageError for a blank text and AnimacyError if QUEUED texts wait. What cannot be said otherwise is an event.
        """
        if not text.strip():
            raise UsageError("nothing to say in an empty text: give words in English or Mandarin")
        with self._open():
            self._speaking.put(self._said + 1, text)
            self._said += 1
            return self._said

    def push_audio(self, samples: NDArray[np.floating], rate: int, say: int | None = None) -> int:
        """Say sound from elsewhere, after what is being said: samples [N], mono, -1..1, at 8 to 48 kHz, pieces of any length.

        Gives its number, as `say` does; give that with each further piece, and to `end_audio` after the last: what was said
        or pushed later waits until then. It begins once BEGIN seconds are there; where a piece comes late there is silence,
        and nothing is left out. The mouth is heard out of it (see animacy.hear), BEGIN seconds behind it at most.
        Raises UsageError for other samples or another rate, Full if PUSHED seconds or QUEUED numbers wait, in which case
        nothing of the piece was taken, and AnimacyError if that number is ended or was interrupted.
        """
        piece = checked(samples, rate)
        with self._open():
            own = None if say is None else self._pushing(say)
            if own is not None and own.given != rate:
                raise UsageError(f"a piece at {rate} Hz after one at {own.given} Hz: needed one rate for one number")
            waiting = sum(len(p.sound.samples) for p in self._pushed) / self.rate + len(piece) / rate
            if waiting > PUSHED or (own is None and len(self._pushed) == QUEUED):
                raise Full(f"{waiting:.1f} s of sound would wait: needed {PUSHED:.0f} at most; wait until it is heard")
            if own is None:
                self._said += 1
                own = Pushed(self._said, rate, self.rate)
                self._pushed.append(own)
            own.push(piece)
            return own.say

    def end_audio(self, say: int) -> None:
        """No more comes of what was pushed under this number. Raises AnimacyError as `push_audio` does."""
        with self._open():
            self._pushing(say).end()

    def interrupt(self) -> None:
        """Stop talking at the first frame that is not due yet: silence from there on, the mouth eases shut within 0.2 s.

        What waits to be said is dropped and the epoch rises. Frames that were taken ahead are void; their numbers come again.
        """
        with self._open():
            self._fetch()
            self._speaking.drop()
            frame = min(self._next, max(self._due(), 0))
            if frame == self._next and not self._planned:
                self._plan()
            lost = next(m for m in (*self._taken, *self._planned) if m.number == frame)
            fade = lost.samples[: round(FADE * self.rate)]
            self._fading = fade * np.linspace(1.0, 0.0, len(fade), dtype=np.float32)
            self._back(frame)
            self._performer.cut()
            self._pushed.clear()
            self._now, self._ended = None, self._said
            self._coming.clear()
            self._events.append(Event("interrupted", self.epoch, 0, frame / self.fps))

    def set_emotion(self, weights: Mapping[str, float] | None) -> None:
        """Hold this emotion in place of what is read, in talk and at rest, from the next frame on that is taken.

        `weights` by name, 0..1, with a sum of at most 1, the rest goes to neutral; None: as is read. Raises UsageError else.
        """
        face = None
        if weights is not None:
            whole = complete(weights)
            face = expression(whole, valence_of_emotion(whole), 0.5)
        with self._open():
            self._performer.feel(face)
            if self._planned:
                self._performer.back(self._edge(self._next))
                motion = self._performer.advance(self._sample - self._edge(self._next))
                for k, moment in enumerate(self._planned):
                    self._planned[k] = replace(moment, weights=motion.weights[k], pose=motion.pose[k])

    def take(self, look_ahead: int = 0) -> list[Moment]:
        """The frames that became due since the last call and `look_ahead` (0 to 12) more, in order, at most a second of them.

        Each number comes once, but for those that an interruption has made void. Of a longer delay the rest comes with the next
        calls: nothing that is said is lost.
        """
        if not 0 <= look_ahead <= LOOK_AHEAD:
            raise UsageError(f"look_ahead is {look_ahead}; needed: 0 to {LOOK_AHEAD} frames")
        with self._open():
            moments = []
            for _ in range(min(self._due() + look_ahead - self._next, self.fps)):
                if self._idle and self._planned and self._arrived():
                    self._back(self._next)
                if not self._planned:
                    self._plan()
                moment = self._planned.popleft()
                if len(self._fading):
                    moment.samples[: len(self._fading)] += self._fading
                    self._fading = self._fading[:0]
                self._taken.append(moment)
                self._next += 1
                moments.append(moment)
            return moments

    def due(self) -> int:
        """How many frames are due by now: the newest is number due() - 1."""
        with self._open():
            return max(self._due(), 0)

    def events(self) -> list[Event]:
        """What happened since the last call, in order: at most the EVENTS newest."""
        with self._open():
            self._fetch()
            events = list(self._events)
            self._events.clear()
            return events

    def close(self) -> None:
        """End the session and its thread, in the midst of what it is speaking if its voice can. Close twice is fine."""
        with self._lock:
            if self.closed:
                return
            self.closed = True
        self._speaking.close()

    # --- under the lock

    @contextmanager
    def _open(self) -> Iterator[None]:
        with self._lock:
            if self.closed:
                raise AnimacyError("this session is closed; open another one")
            yield

    def _now_open(self) -> float:
        """Seconds since frame 0, which never run back; negative before."""
        now = self._clock()
        self._opened -= max(self._last - now, 0.0)
        self._last = now
        return now - self._opened

    def _due(self) -> int:
        return math.floor(self._now_open() * self.fps + 1e-6) + 1  # negative before frame 0, so that no more are ahead

    def _edge(self, frame: int) -> int:
        """The first sample of a frame's span."""
        return frame * self.rate // self.fps

    def _fetch(self) -> None:
        """Move the events whose time has come, and whose frame was taken, to those that are told."""
        now = min(self._now_open(), self._next / self.fps) + 1e-9
        while self._coming and self._coming[0].time <= now:
            self._events.append(self._coming.popleft())

    def _pushing(self, say: int) -> Pushed:
        for pushed in self._pushed:
            if pushed.say == say and not pushed.ended:
                return pushed
        raise AnimacyError(f"sound number {say} was ended or interrupted: push without a number to begin another")

    def _back(self, frame: int) -> None:
        """Plan again from `frame` on."""
        self._planned.clear()
        while self._taken and self._taken[-1].number >= frame:
            self._taken.pop()
        self._idle = False
        self._next, self._sample = frame, self._edge(frame)
        self._performer.back(self._sample)

    def _plan(self) -> None:
        """Plan up to BLOCK frames: of speech, fewer where it ends and nothing follows yet, or of a face at rest."""
        first, begin = self._next, self._sample
        until = self._edge(first + BLOCK - (first + self._phase) % BLOCK)
        speaking = self._arrived()
        self._idle = not speaking
        if self._idle and self._pushed:
            self._pushed[0].waiting = True  # a piece is late: more than one have to be there to go on
        sound, motions = [], []
        while self._sample < until:
            if speaking and self._arrived():
                samples, motion = self._lay(until - self._sample) if self._now else self._lay_pushed(until - self._sample)
            else:
                if speaking:
                    until = self._edge(-(-self._sample * self.fps // self.rate))
                rest = silence((until - self._sample) / self.rate, self.rate)
                samples, motion = rest.samples, self._performer.move(None, rest)
            self._sample += len(samples)
            sound.append(samples)
            motions += motion.batches(1)
        heard = np.concatenate(sound)
        for n, motion in enumerate(motions, first):
            span = heard[self._edge(n) - begin : self._edge(n + 1) - begin]
            self._planned.append(Moment(n, self.epoch, motion.weights[0], motion.pose[0], span))

    def _arrived(self) -> bool:
        """Whether there is something to say now."""
        while self._now is None:
            pushed = self._pushed[0] if self._pushed else None
            if pushed is not None and pushed.say == self._ended + 1:
                if self._frames_of(pushed):
                    return True
                if not pushed.ended:
                    return False
                self._pushed.popleft()
                self._ended = pushed.say
                sample = self._quiet if pushed.begun else max(self._quiet, self._edge(self._next))
                end = Event("finished", self.epoch, pushed.say, sample / self.rate)
                self._coming.append(end if pushed.begun else replace(end, kind="failed", text="no sound came"))
            elif (stretch := self._speaking.poll()) is None:
                return False
            elif stretch.speech is not None:
                self._now, self._at = stretch, 0
            else:
                self._ended = stretch.say
                sample = self._quiet if stretch.say == self._latest.say else max(self._quiet, self._edge(self._next))
                end = Event("finished", self.epoch, stretch.say, sample / self.rate, stretch.failure)
                self._coming.append(replace(end, kind="failed") if stretch.failure else end)
        return True

    def _frames_of(self, pushed: Pushed) -> int:
        """How many samples of it can be laid: up to a frame's edge, as more may come late, or to its end."""
        ready = pushed.ready()
        return ready if pushed.ended else max(self._edge((self._sample + ready) * self.fps // self.rate) - self._sample, 0)

    def _lay_pushed(self, most: int) -> tuple[NDArray[np.float32], Motion]:
        """As `_lay`, of sound that was pushed."""
        pushed = self._pushed[0]
        if not pushed.begun:
            pushed.begun = True
            self._coming.append(Event("started", self.epoch, pushed.say, self._sample / self.rate))
        count = min(most, self._frames_of(pushed))
        samples, heard = pushed.sound.take(count)
        self._quiet = self._sample + count
        return samples, self._performer.move(None, Speech(samples, self.rate, (), ()), heard)

    def _lay(self, most: int) -> tuple[NDArray[np.float32], Motion]:
        """The next samples, `most` at most, of what is being said, and their motion."""
        assert self._now is not None
        speech = self._now.speech
        assert speech is not None
        if self._at == 0:
            self._performer.begin(self._now.sentence, speech)
            self._announce(self._now, speech)
        samples = speech.samples[self._at : self._at + most]
        self._at += len(samples)
        if self._at == len(speech.samples):
            self._now = None
        self._quiet = self._sample + len(samples)
        return samples, self._performer.advance(len(samples))

    def _announce(self, stretch: Stretch, speech: Speech) -> None:
        now, sentence, before = self._sample / self.rate, stretch.sentence, self._latest
        assert sentence is not None
        if stretch.say != before.say:
            self._coming.append(Event("started", self.epoch, stretch.say, now))
        if sentence is not before.sentence:
            place = sentence.text, sentence.start, sentence.end
            self._coming.append(Event("sentence", self.epoch, stretch.say, now, *place, sentence))
        for timed in speech.words:
            word, at = sentence.words[timed.word], (self._sample + timed.start) / self.rate
            self._coming.append(Event("word", self.epoch, stretch.say, at, word.text, word.start, word.end))
        self._latest = stretch
