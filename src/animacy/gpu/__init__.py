"""The face stage on an NVIDIA GPU: motion in, painted NV12 out, without a pixel on the host in between.

The rasteriser and the conversions are CUDA C++, compiled by NVRTC through CuPy; they need no OpenGL, no graphics driver and no
CUDA toolkit. Each kernel has its slow twin: the pictures' is render/cpu.py, the conversions' is twins.py; they compile for
the host, too, so that they are compared without a GPU.
"""
