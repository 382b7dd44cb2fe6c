// What the CUDA sources need of CUDA, for a C++ compiler on the host. Blocks run one after another, the threads of a block in
// turns: each on a stack of its own, up to where its warp or the whole block must meet. Warps run in order in one block and
// backwards in the next; what is shared keeps what the block before left there. A warp or a block that does not meet as a whole
// aborts.
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
#define __shared__ static
#define __forceinline__ inline
#define __launch_bounds__(...)
#define __align__(bytes) alignas(bytes)
#define WARP 32
using std::max;
using std::min;

struct dim { int x, y, z; };
static thread_local dim threadIdx, blockIdx, blockDim, gridDim;

template <typename T> inline T atomicAdd(T* at, T value) { T old = *at; *at += value; return old; }
inline long long compare_and_swap(long long* at, long long held, long long value) {
    long long old = *at;
    if (old == held) *at = value;
    return old;
}
inline long long clock64() { return 0; }
inline int __popc(unsigned x) { return __builtin_popcount(x); }
inline int __ffs(unsigned x) { return __builtin_ffs((int)x); }

namespace host {
enum State { READY, BALLOT, FROM_LANE, MEET, BLOCK, DONE };
struct Thread {
    alignas(16) char stack[1 << 16];
    ucontext_t start;
    jmp_buf place;
    dim index;
    State state;
    int value;  // what it brings to the meeting
    bool begun;
};
static Thread threads[1024];
static int now;         // the thread that runs
static int met[1024];   // what each brought to its warp's last meeting
static jmp_buf between; // threads
static int any;         // what all of a block brought to its last meeting
static void (*body)(void*);
static void* argument;

inline void leave(State state, int value) {
    threads[now].state = state, threads[now].value = value;
    if (!_setjmp(threads[now].place)) _longjmp(between, 1);
}

inline void forever() {
    for (;;) {
        body(argument);
        leave(DONE, 0);
    }
}

__attribute__((noinline)) static void resume(int thread) {
    now = thread;
    threadIdx = threads[thread].index;
    if (_setjmp(between)) return;
    if (threads[thread].begun) _longjmp(threads[thread].place, 1);
    threads[thread].begun = true;
    getcontext(&threads[thread].start);
    threads[thread].start.uc_stack.ss_sp = threads[thread].stack;
    threads[thread].start.uc_stack.ss_size = sizeof threads[thread].stack;
    makecontext(&threads[thread].start, forever, 0);
    setcontext(&threads[thread].start);
}

static void part(const char* what, int a, int b) {
    std::fprintf(stderr, "threads %d and %d of a %s part at a meeting\n", a, b, what);
    std::abort();
}

// Up to where the block meets, or the end.
static void run_warp(int first) {
    do {
        for (int i = first; i < first + WARP; i++) resume(i);
        for (int i = first; i < first + WARP; i++) {
            if (threads[i].state != threads[first].state) part("warp", first, i);
            met[i] = threads[i].value;
        }
    } while (threads[first].state != DONE && threads[first].state != BLOCK);
}

static void run_block(int count, bool backwards) {
    do {
        for (int i = 0; i < count; i += WARP) run_warp(backwards ? count - WARP - i : i);
        for (int i = 0; i < count; i += WARP)
            if (threads[i].state != threads[0].state) part("block", 0, i);
        any = 0;
        for (int i = 0; i < count; i++) any |= threads[i].value;
    } while (threads[0].state != DONE);
}

}  // namespace host

inline void __syncthreads() { host::leave(host::BLOCK, 0); }

inline int __syncthreads_or(int value) {
    host::leave(host::BLOCK, value);
    return host::any;
}

inline unsigned ballot(bool yes) {
    host::leave(host::BALLOT, yes);
    unsigned all = 0;
    for (int i = 0; i < WARP; i++) all |= (unsigned)host::met[host::now / WARP * WARP + i] << i;
    return all;
}

inline int from_lane(int value, int lane) {
    host::leave(host::FROM_LANE, value);
    return host::met[host::now / WARP * WARP + lane];
}

inline unsigned either(unsigned bits) {
    host::leave(host::FROM_LANE, (int)bits);
    unsigned all = 0;
    for (int i = 0; i < WARP; i++) all |= (unsigned)host::met[host::now / WARP * WARP + i];
    return all;
}

inline unsigned least(unsigned value) {
    host::leave(host::FROM_LANE, (int)value);
    unsigned found = value;
    for (int i = 0; i < WARP; i++) found = min(found, (unsigned)host::met[host::now / WARP * WARP + i]);
    return found;
}

inline void meet() { host::leave(host::MEET, 0); }

inline float reciprocal(float x) { return 1.0f / x; }

inline int float_bits(float x) {
    int bits;
    std::memcpy(&bits, &x, 4);
    return bits;
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
    int count = block[0] * block[1] * block[2];
    if (count % WARP || count > 1024) std::abort();
    for (int i = 0; i < count; i++)
        host::threads[i].index = {i % block[0], i / block[0] % block[1], i / block[0] / block[1]};
    for (blockIdx.z = 0; blockIdx.z < grid[2]; blockIdx.z++)
        for (blockIdx.y = 0; blockIdx.y < grid[1]; blockIdx.y++)
            for (blockIdx.x = 0; blockIdx.x < grid[0]; blockIdx.x++) host::run_block(count, blockIdx.x & 1);
}
