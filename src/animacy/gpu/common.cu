// What all kernels share. Each source is compiled as this file followed by it, by NVRTC, or by a C++ compiler on the host, where
// the tests' shim takes the place of what only CUDA has. No headers are needed.

typedef unsigned char u8;
typedef unsigned short u16;  // also the bits of an FP16 number
typedef unsigned int u32;
typedef long long i64;

#ifdef __CUDACC__
#define WARP 32
__device__ __forceinline__ u16 to_half(float x) {
    u16 bits;
    asm("{cvt.rn.f16.f32 %0, %1;}" : "=h"(bits) : "f"(x));
    return bits;
}
__device__ __forceinline__ float from_half(u16 bits) {
    float x;
    asm("{cvt.f32.f16 %0, %1;}" : "=f"(x) : "h"(bits));
    return x;
}
__device__ __forceinline__ u32 ballot(bool yes) { return __ballot_sync(0xffffffffu, yes); }
__device__ __forceinline__ int from_lane(int value, int lane) { return __shfl_sync(0xffffffffu, value, lane); }
__device__ __forceinline__ u32 either(u32 bits) {  // of a warp
#if __CUDA_ARCH__ >= 800
    return __reduce_or_sync(0xffffffffu, bits);
#else
    for (int step = WARP / 2; step; step /= 2) bits |= __shfl_xor_sync(0xffffffffu, bits, step);
    return bits;
#endif
}
__device__ __forceinline__ u32 least(u32 value) {  // of a warp
#if __CUDA_ARCH__ >= 800
    return __reduce_min_sync(0xffffffffu, value);
#else
    for (int step = WARP / 2; step; step /= 2) value = min(value, __shfl_xor_sync(0xffffffffu, value, step));
    return value;
#endif
}
__device__ __forceinline__ void meet() { __syncwarp(); }
__device__ __forceinline__ int float_bits(float x) { return __float_as_int(x); }
__device__ __forceinline__ float reciprocal(float x) {  // to the last bit but one
    float y;
    asm("rcp.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
    return y;
}
__device__ __forceinline__ i64 compare_and_swap(i64* at, i64 held, i64 value) {
    return (i64)atomicCAS((unsigned long long*)at, (unsigned long long)held, (unsigned long long)value);
}
#endif

struct vec {
    float x, y, z;
};
__device__ __forceinline__ vec make(float x, float y, float z) { vec v = {x, y, z}; return v; }
__device__ __forceinline__ vec operator+(vec a, vec b) { return make(a.x + b.x, a.y + b.y, a.z + b.z); }
__device__ __forceinline__ vec operator-(vec a, vec b) { return make(a.x - b.x, a.y - b.y, a.z - b.z); }
__device__ __forceinline__ vec operator*(float k, vec a) { return make(k * a.x, k * a.y, k * a.z); }
__device__ __forceinline__ vec operator*(vec a, vec b) { return make(a.x * b.x, a.y * b.y, a.z * b.z); }
__device__ __forceinline__ vec operator+(vec a, float k) { return make(a.x + k, a.y + k, a.z + k); }
__device__ __forceinline__ float dot(vec a, vec b) { return a.x * b.x + a.y * b.y + a.z * b.z; }
__device__ __forceinline__ vec cross(vec a, vec b) {
    return make(a.y * b.z - a.z * b.y, a.z * b.x - a.x * b.z, a.x * b.y - a.y * b.x);
}

// Four numbers at once: one 16-byte load or store.
struct __align__(16) quad {
    float x, y, z, w;
};
struct __align__(16) quad_int {
    int x, y, z, w;
};

// A projected vertex, 64 bytes: the columns of shading.py, four at a time.
struct __align__(16) Vertex {
    quad screen_n;  // x, y in samples, 1/w (0: drops its triangles), normal.x
    quad n_t;       // normal.yz, tangent.xy
    quad t_hand_uv; // tangent.z, handedness, u, v
    quad sun;       // share of the key light, three spare
};

// The numbers that hold for all frames: see `constants` in cuda.py.
struct Constants {
    float view[12];  // [3, 4] world to view space
    float focal;     // in samples
    float nearest;   // triangles that come closer are dropped
    float near, far;
    float up[3], sky[3], ground[3];
    float pivot[3];
};

#define SUBPIXEL 256  // parts of a sample to which corners are snapped
#define TILE 32       // samples a side of a bin: what one block draws

// A triangle on the screen, 48 bytes: what does not depend on the sample. Corners in parts of a sample, clockwise.
#define SMALL 24000  // parts of a sample a triangle may reach for 32 bits to hold its edges' values a tile about its box
struct __align__(16) Setup {
    short left, top, right, bottom;  // samples that it may cover; left > right: none
    int flags;                       // 1 cutout, 2 small; material from bit 8 on
    float w0;                        // 1/w at corner 0 and its slopes, a sample
    int x0, y0, x1, y1;
    int x2, y2;
    float gx, gy;
    __device__ __forceinline__ void box_only(const Setup& s) { left = s.left, top = s.top, right = s.right, bottom = s.bottom; }
};

// An edge from (x, y) along (dx, dy), at a point: >= 0 inside. One that runs up is a left one, one that runs right a top one:
// their points belong to the triangle.
template <typename number>
__device__ __forceinline__ number edge(int dx, int dy, int x, int y, int px, int py) {
    return (number)dx * (number)(py - y) - (number)dy * (number)(px - x) - (dy < 0 || (dy == 0 && dx > 0) ? 0 : 1);
}

// Whether an edge has any of a box's sample centres inside: the one farthest in decides.
template <typename number>
__device__ __forceinline__ bool reaches(int dx, int dy, int x, int y, int left, int top, int right, int bottom) {
    return edge<number>(dx, dy, x, y, dy < 0 ? right : left, dx > 0 ? bottom : top) >= 0;
}

template <typename number>
__device__ __forceinline__ bool all_reach(const Setup& s, int left, int top, int right, int bottom) {
    return reaches<number>(s.x2 - s.x1, s.y2 - s.y1, s.x1, s.y1, left, top, right, bottom) &&
           reaches<number>(s.x0 - s.x2, s.y0 - s.y2, s.x2, s.y2, left, top, right, bottom) &&
           reaches<number>(s.x1 - s.x0, s.y1 - s.y0, s.x0, s.y0, left, top, right, bottom);
}

// Whether a triangle whose box meets the tile that begins at (x, y) may cover a sample of it (false is certain).
__device__ __forceinline__ bool touches(const Setup& s, int x, int y) {
    int left = x * SUBPIXEL + SUBPIXEL / 2, top = y * SUBPIXEL + SUBPIXEL / 2, reach = (TILE - 1) * SUBPIXEL;
    // A small one's corners are less than SMALL + TILE * SUBPIXEL away: 32 bits hold that times SMALL, twice.
    return s.flags & 2 ? all_reach<int>(s, left, top, left + reach, top + reach)
                       : all_reach<i64>(s, left, top, left + reach, top + reach);
}
