"""The face stage on an NVIDIA GPU: motion in, painted NV12 out, without a pixel on the host in between."""
