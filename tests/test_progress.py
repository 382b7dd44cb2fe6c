"""What the person at the terminal sees."""

from __future__ import annotations

import io

from animacy.engine import Progress
from animacy.progress import Bar


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_pipe_gets_plain_lines_and_not_too_many() -> None:
    out, now = io.StringIO(), [0.0]
    with Bar(200, out, clock=lambda: now[0]) as bar:
        bar.stage("performing")
        for n in range(1, 101):
            now[0] = n / 10
            bar.performed(Progress(2 * n, n / 10, n))
    assert out.getvalue().splitlines() == [
        "performing",
        "50%: 5.0 s, 50 frames, 1.00x real time",
        "100%: 10.0 s, 100 frames, 1.00x real time",
    ]


def test_speed_leaves_out_the_loading() -> None:
    out, now = io.StringIO(), [0.0]
    with Bar(100, out, clock=lambda: now[0]) as bar:
        bar.stage("loading the voice")
        now[0] = 50.0
        bar.stage("performing")
        now[0] = 60.0
        bar.performed(Progress(50, 20.0, 500))
    assert out.getvalue().splitlines()[-1] == "50%: 20.0 s, 500 frames, 2.00x real time"


def test_a_terminal_gets_a_bar_with_the_stage() -> None:
    out = Terminal()
    with Bar(100, out) as bar:
        bar.stage("performing")
        bar.performed(Progress(50, 2.0, 50))
        bar.performed(Progress(400, 2.0, 50))  # a text's last word is its end, whatever follows
    assert "performing" in out.getvalue()
    assert "\r" in out.getvalue()


def test_quiet_is_quiet() -> None:
    for out in (io.StringIO(), Terminal()):
        with Bar(100, out, quiet=True) as bar:
            bar.stage("performing")
            bar.performed(Progress(50, 100.0, 50))
        assert out.getvalue() == ""
