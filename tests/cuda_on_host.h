// What the CUDA sources need of CUDA, for a C++ compiler on the host: threads run one after another, a warp has one lane.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstring>
#define __device__
#define __global__
#define __forceinline__ inline
#define __launch_bounds__(threads)
#define __align__(bytes) alignas(bytes)
#define WARP 1
using std::max;
using std::min;

struct dim { int x, y, z; };
static thread_local dim threadIdx, blockIdx, blockDim, gridDim;

template <typename T> inline T atomicAdd(T* at, T value) { T old = *at; *at += value; return old; }
inline int __popc(unsigned x) { return __builtin_popcount(x); }
inline int __ffs(unsigned x) { return __builtin_ffs((int)x); }
inline unsigned ballot(bool yes) { return yes; }
inline int from_lane(int value, int) { return value; }

inline float from_half(unsigned short bits) {
    unsigned sign = (bits & 0x8000u) << 16, exponent = (bits >> 10) & 31u, fraction = bits & 0x3ffu, out;
    if (exponent == 31) out = sign | 0x7f800000u | fraction << 13;
    else if (exponent) out = sign | (exponent + 112) << 23 | fraction << 13;
    else { float x = std::ldexp((float)fraction, -24); return sign ? -x : x; }
    float x;
    std::memcpy(&x, &out, 4);
    return x;
}

inline unsigned short to_half(float x) {  // to the nearest, ties to even
    unsigned bits;
    std::memcpy(&bits, &x, 4);
    unsigned short sign = (unsigned short)(bits >> 16 & 0x8000u);
    float size = std::fabs(x);
    if (size != size) return sign | 0x7e00u;
    if (size >= 65520.0f) return sign | 0x7c00u;
    int exponent = size < 6.103515625e-5f ? -14 : std::ilogb(size);
    int steps = (int)std::nearbyint(std::ldexp(size, 10 - exponent));  // 1024 to 2048, below the smallest normal one 0 to 1024
    return sign | (unsigned short)(steps + ((exponent + 14) << 10));
}

template <typename F> inline void launch(const int* grid, const int* block, F kernel) {
    gridDim = {grid[0], grid[1], grid[2]};
    blockDim = {block[0], block[1], block[2]};
    for (blockIdx.z = 0; blockIdx.z < grid[2]; blockIdx.z++)
        for (blockIdx.y = 0; blockIdx.y < grid[1]; blockIdx.y++)
            for (blockIdx.x = 0; blockIdx.x < grid[0]; blockIdx.x++)
                for (threadIdx.z = 0; threadIdx.z < block[2]; threadIdx.z++)
                    for (threadIdx.y = 0; threadIdx.y < block[1]; threadIdx.y++)
                        for (threadIdx.x = 0; threadIdx.x < block[0]; threadIdx.x++) kernel();
}
