"""What can go wrong, in two kinds. Messages are one line: what was given, what is needed, what to do."""


class AnimacyError(Exception):
    """Something failed that is not the caller's mistake in typing: exit 1."""

    exit_code = 1


class UsageError(AnimacyError):
    """What was asked for cannot be asked for: exit 2."""

    exit_code = 2
