// What the CUDA sources need of CUDA, for a C++ compiler on the host. Blocks and warps run one after another, the 32 lanes of a
// warp in turns: each on a stack of its own, up to where the warp must meet. A warp that does not meet as a whole aborts.
#pragma once
#include <setjmp.h>
#include <ucontext.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#define __device__
#define __global__
#define __forceinline__ inline
#define __launch_bounds__(threads)
#define __align__(bytes) alignas(bytes)
#define WARP 32
using std::max;
using std::min;

struct dim { int x, y, z; };
static thread_local dim threadIdx, blockIdx, blockDim, gridDim;

template <typename T> inline T atomicAdd(T* at, T value) { T old = *at; *at += value; return old; }
inline int __popc(unsigned x) { return __builtin_popcount(x); }
inline int __ffs(unsigned x) { return __builtin_ffs((int)x); }

namespace host {
enum State { READY, BALLOT, FROM_LANE, DONE };
struct Lane {
    alignas(16) char stack[1 << 16];
    ucontext_t start;
    jmp_buf place;
    dim thread;
    State state;
    int value;  // what it brings to the meeting
    bool begun;
};
static Lane lanes[WARP];
static int now;         // the lane that runs
static int met[WARP];   // what each lane brought to the last meeting
static jmp_buf between; // lanes
static void (*body)(void*);
static void* argument;

inline void leave(State state, int value) {
    lanes[now].state = state, lanes[now].value = value;
    if (!_setjmp(lanes[now].place)) _longjmp(between, 1);
}

inline void forever() {
    for (;;) {
        body(argument);
        leave(DONE, 0);
    }
}

__attribute__((noinline)) static void resume(int lane) {
    now = lane;
    threadIdx = lanes[lane].thread;
    if (_setjmp(between)) return;
    if (lanes[lane].begun) _longjmp(lanes[lane].place, 1);
    lanes[lane].begun = true;
    getcontext(&lanes[lane].start);
    lanes[lane].start.uc_stack.ss_sp = lanes[lane].stack;
    lanes[lane].start.uc_stack.ss_size = sizeof lanes[lane].stack;
    makecontext(&lanes[lane].start, forever, 0);
    setcontext(&lanes[lane].start);
}

static void run_warp() {
    do {
        for (int i = 0; i < WARP; i++) resume(i);
        for (int i = 0; i < WARP; i++) {
            if (lanes[i].state != lanes[0].state) {
                std::fprintf(stderr, "lanes 0 and %d of a warp part at a meeting\n", i);
                std::abort();
            }
            met[i] = lanes[i].value;
        }
    } while (lanes[0].state != DONE);
}

}  // namespace host

inline unsigned ballot(bool yes) {
    host::leave(host::BALLOT, yes);
    unsigned all = 0;
    for (int i = 0; i < WARP; i++) all |= (unsigned)host::met[i] << i;
    return all;
}

inline int from_lane(int value, int lane) {
    host::leave(host::FROM_LANE, value);
    return host::met[lane];
}

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
    host::body = [](void* f) { (*(F*)f)(); };
    host::argument = &kernel;
    int threads = block[0] * block[1] * block[2];
    if (threads % WARP) std::abort();
    for (blockIdx.z = 0; blockIdx.z < grid[2]; blockIdx.z++)
        for (blockIdx.y = 0; blockIdx.y < grid[1]; blockIdx.y++)
            for (blockIdx.x = 0; blockIdx.x < grid[0]; blockIdx.x++)
                for (int first = 0; first < threads; first += WARP) {
                    for (int i = 0; i < WARP; i++) {
                        int thread = first + i;
                        host::lanes[i].thread = {thread % block[0], thread / block[0] % block[1], thread / block[0] / block[1]};
                    }
                    host::run_warp();
                }
}
