"""Animacy: an open engine for virtual humans. Text goes in; a talking, feeling face comes out as video."""

import os

# ONNX Runtime's wheels, from 1.32 on, write a device's number into the home folder and send events to their maker at the
# first import. Nothing here tells anybody anything, unless the person sets the variable otherwise.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

__version__ = "0.1.0"
