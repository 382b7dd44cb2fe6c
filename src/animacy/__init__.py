"""Animacy: an open engine for virtual humans. Text goes in; a talking, feeling face comes out as video."""

__version__ = "0.1.0"
