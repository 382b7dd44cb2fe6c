"""The face stage on an NVIDIA GPU: a rasteriser and conversions in CUDA C++, compiled by NVRTC through CuPy.

It needs no OpenGL, no graphics driver and no CUDA toolkit. Each kernel has its slow twin: the pictures' is render/cpu.py, the
conversions' is twins.py; the kernels compile for the host, too, so that they are compared without a GPU.
"""
