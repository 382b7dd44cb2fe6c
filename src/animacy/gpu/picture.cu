// From triangles in tiles to the ten channels of Conditions: _rasterise, _resolve and _light of render/cpu.py.
// First a block finds the nearest triangle of each of a tile's samples, in registers and shared memory, so no image of depths is
// kept in the GPU's memory, and what is drawn does not depend on the order in which anything runs; then pixels are shaded.

enum { SKIN, EYE, TOOTH, HAIR, CLOTH };

// The columns of Scene.materials.
struct __align__(16) Material {
    float kind, specular, wrap[3], two_sided, cutout, nearby;
};

struct Texture {
    const u32* albedo;   // RGBA, red in the lowest byte; all levels one after another
    const u32* surface;
    const int* levels;   // [M, 2] first texel and side of the material's level
};

// Perspective-correct shares of a triangle's corners at a point on the screen.
struct Shares {
    float a, b, c, w, area;  // w: 1/w there; area: twice the triangle's, < 0: seen from the front
};

__device__ __forceinline__ Shares shares(quad p, quad q, quad r, float x, float y) {
    float ux = q.x - p.x, uy = q.y - p.y, vx = r.x - p.x, vy = r.y - p.y, qx = x - p.x, qy = y - p.y;
    Shares s;
    s.area = ux * vy - vx * uy;
    float b = (qx * vy - vx * qy) / s.area, c = (ux * qy - qx * uy) / s.area;
    s.a = (1.0f - b - c) * p.z;
    s.b = b * q.z;
    s.c = c * r.z;
    s.w = s.a + s.b + s.c;
    float scale = 1.0f / s.w;
    s.a *= scale, s.b *= scale, s.c *= scale;
    return s;
}

// The four texels about (u, v), as indices, and the shares of the right and lower ones.
struct Texels {
    int a, b, c, d;
    float x, y;
};

__device__ __forceinline__ Texels texels(float u, float v, const int* level) {
    int start = level[0], side = level[1];
    float x = u * (float)side - 0.5f, y = v * (float)side - 0.5f, left = floorf(x), top = floorf(y);
    int x0 = (int)left, y0 = (int)top, x1 = min(x0 + 1, side - 1), y1 = min(y0 + 1, side - 1);
    x0 = min(max(x0, 0), side - 1), y0 = min(max(y0, 0), side - 1);
    int upper = start + y0 * side, lower = start + y1 * side;
    Texels t = {upper + x0, upper + x1, lower + x0, lower + x1, x - left, y - top};
    return t;
}

__device__ __forceinline__ float channel(u32 texel, int c) { return (float)((texel >> (8 * c)) & 255u); }

__device__ __forceinline__ float mix(u32 a, u32 b, u32 c, u32 d, float fx, float fy, int k) {
    float upper = channel(a, k) + (channel(b, k) - channel(a, k)) * fx;
    float lower = channel(c, k) + (channel(d, k) - channel(c, k)) * fx;
    return upper + (lower - upper) * fy;
}

// What of a triangle says whether a point of it is there: its corners on the screen and in the texture.
struct Cutout {
    quad p, q, r;  // screen_n
    float u[3], v[3];
    const int* level;
};

__device__ __forceinline__ Cutout cutout(quad_int f, const Vertex* vertices, Texture texture) {
    const Vertex &i = vertices[f.x], &j = vertices[f.y], &k = vertices[f.z];
    quad a = i.t_hand_uv, b = j.t_hand_uv, c = k.t_hand_uv;
    Cutout out = {i.screen_n, j.screen_n, k.screen_n, {a.z, b.z, c.z}, {a.w, b.w, c.w}, texture.levels + 2 * f.w};
    return out;
}

__device__ __forceinline__ bool solid(const Cutout& c, float x, float y, const u32* albedo) {
    Shares s = shares(c.p, c.q, c.r, x, y);
    float u = s.a * c.u[0] + s.b * c.u[1] + s.c * c.u[2];
    float v = s.a * c.v[0] + s.b * c.v[1] + s.c * c.v[2];
    Texels t = texels(u, v, c.level);
    return mix(albedo[t.a], albedo[t.b], albedo[t.c], albedo[t.d], t.x, t.y, 3) >= 127.5f;
}

#define THREADS 256         // of a block of `visibility` and `shade`: a tile's pixels
#define WARPS (THREADS / WARP)
#define NOTHING 0xffffffffll
#ifndef WALK
#define WALK 1  // 1: pixels walk over triangles; 0: triangles' rows compete for samples
#endif

// Cycles that warps spend in each section, for benchmarks.
enum { READY, WHOLE, CUTOUTS, WRITTEN, SECTIONS };
#ifdef CLOCKS
extern "C" __device__ unsigned long long clocks[SECTIONS];
__device__ unsigned long long clocks[SECTIONS];
struct Clock {
    i64 last;
    __device__ Clock() { last = clock64(); }
    __device__ void tick(int section) {
        i64 now = clock64();
        if (threadIdx.x % WARP == 0) atomicAdd(clocks + section, (unsigned long long)(now - last));
        last = now;
    }
};
#else
struct Clock {
    __device__ void tick(int) {}
};
#endif

// Which pixel number `thread` of a tile is: warps of 8x4 pixels, lanes in two groups of 4x4, which are the network's folds.
struct Place {
    int x, y;
};

__device__ __forceinline__ Place in_tile(int thread) {
    int warp = thread / WARP, lane = thread % WARP;
    Place p = {(warp & 1) * 8 + (lane >> 4) * 4 + (lane & 3), (warp >> 1) * 4 + ((lane >> 2) & 3)};
    return p;
}

__device__ __forceinline__ Place place(int thread) {
    Place p = in_tile(thread);
    p.x += (int)blockIdx.x * (TILE / 2), p.y += (int)blockIdx.y * (TILE / 2);
    return p;
}

// A sample's key: 1/w above, and below it the complement of the triangle's number + 1: the greatest is the nearest, of equally
// near ones the first, in whatever order they come. Below 0 where 1/w is.
__device__ __forceinline__ i64 as_key(int near, int t) { return (i64)((unsigned long long)(u32)near << 32 | (u32)~(t + 1)); }

// Lets a key win over what was held when it was looked at, unless what came since is greater.
__device__ __forceinline__ void win(i64* at, i64 held, i64 key) {
    while (key > held) {
        i64 found = compare_and_swap(at, held, key);
        if (found == held) return;
        held = found;
    }
}

// What a warp's samples wait in until there are enough to look up one a lane.
struct Queue {
    enum { ROOM = WARP - 1 + 4 * WARP };
    u32 what[ROOM];  // its place in the tile (10 bits), and its triangle's in the block's list
    int near[ROOM];  // 1/w
};

#if WALK

#define BATCH 128  // triangles of a tile at a time
#ifndef SORT
#define SORT 1  // those of a batch from the front to the back, so that most of what is hidden is passed over
#endif
#ifndef REFRESH
#define REFRESH 8  // triangles after which a warp asks anew which others are hidden
#endif

// A triangle as a tile's pixels want it: its edges' values at the tile's first sample, and what they grow by from one to the next.
struct __align__(16) Near {
    quad_int at;     // the last: its number
    quad_int right;  // 1/w at corner 0
    quad_int down;   // and its slopes, a sample
    quad_int rest;   // corner 0 from the tile's first sample; 1 cutout, 2 small; its slope down
};

struct __align__(16) Tile {
    Near near[BATCH];
    u32 keys[BATCH];    // from which follows the order
    u32 meets[BATCH];   // a bit for each warp's samples that it may cover, if whole; those of a cutout from bit 16 on
    float bound[BATCH]; // no sample's 1/w is greater
    i64 held[WARPS][4][WARP];
    Queue queue[WARPS];
};

__device__ __forceinline__ float as_float(int bits) {
    union { int bits; float value; } u = {bits};
    return u.value;
}

// A triangle's samples in a tile, counted from the tile's first, and how near any of them may be: below 0 if none is.
struct Reach {
    int left, top, right, bottom;
    float bound;
};

__device__ __forceinline__ Reach reach(const Setup& s, int x0, int y0) {
    Reach r = {max((int)s.left - x0, 0), max((int)s.top - y0, 0), min((int)s.right - x0, TILE - 1),
               min((int)s.bottom - y0, TILE - 1), -1.0f};
    if (r.left > r.right || r.top > r.bottom) return r;
    int cx = s.x0 - (x0 * SUBPIXEL + SUBPIXEL / 2), cy = s.y0 - (y0 * SUBPIXEL + SUBPIXEL / 2);
    float dx = (float)((s.gx > 0.0f ? r.right : r.left) * SUBPIXEL - cx) * (s.gx * (1.0f / SUBPIXEL));
    float dy = (float)((s.gy > 0.0f ? r.bottom : r.top) * SUBPIXEL - cy) * (s.gy * (1.0f / SUBPIXEL));
    // What is computed of a plane is off by less than some 1e-7 of what is added up on the way.
    float most = s.w0 + fabsf(dx) + fabsf(dy) + (float)TILE * (fabsf(s.gx) + fabsf(s.gy));
    r.bound = fmaxf(s.w0 + dx + dy + 1e-6f * most, 0.0f);
    return r;
}

// Makes triangle t, if it meets the tile that begins at sample (x0, y0), ready as the block's number `mine`.
__device__ __forceinline__ void ready(Tile& tile, int mine, int t, const Setup& s, int x0, int y0) {
    Reach r = reach(s, x0, y0);
    u32 meets = 0;
    if (r.bound >= 0.0f) {
        int px = x0 * SUBPIXEL + SUBPIXEL / 2, py = y0 * SUBPIXEL + SUBPIXEL / 2;
        int dx[3] = {s.x2 - s.x1, s.x0 - s.x2, s.x1 - s.x0}, dy[3] = {s.y2 - s.y1, s.y0 - s.y2, s.y1 - s.y0};
        int x[3] = {s.x1, s.x2, s.x0}, y[3] = {s.y1, s.y2, s.y0}, at[3], across[3], down[3];
        bool small = s.flags & 2;
#pragma unroll
        for (int i = 0; i < 3; i++) {  // in 32 bits, as `touches` explains; of large ones they are not used
            at[i] = small ? edge<int>(dx[i], dy[i], x[i], y[i], px, py) : 0;
            across[i] = small ? -dy[i] * SUBPIXEL : 0, down[i] = small ? dx[i] * SUBPIXEL : 0;
        }
#pragma unroll
        for (int w = 0; w < WARPS; w++) {
            int wx = (w & 1) * 16, wy = (w >> 1) * 8, inside = 0;
#pragma unroll
            for (int i = 0; i < 3; i++)  // the corner of the warp's samples that is farthest in
                inside |= at[i] + (wx + (across[i] > 0 ? 15 : 0)) * across[i] + (wy + (down[i] > 0 ? 7 : 0)) * down[i];
            bool box = r.left <= wx + 15 && r.right >= wx && r.top <= wy + 7 && r.bottom >= wy;
            meets |= (u32)(box && inside >= 0) << w;
        }
        Near n = {{at[0], at[1], at[2], t},
                  {across[0], across[1], across[2], float_bits(s.w0)},
                  {down[0], down[1], down[2], float_bits(s.gx)},
                  {s.x0 - px, s.y0 - py, s.flags & 3, float_bits(s.gy)}};
        tile.near[mine] = n;
        if (s.flags & 1) meets <<= 16;
    }
    tile.meets[mine] = meets;
    tile.bound[mine] = r.bound;
}

// A pixel's samples, 0 1 above 2 3: the triangle's 1/w there, and whether each is inside.
struct Offer {
    float w[4];
    bool in[4];
    int t;
};

// (x, y): the pixel's first sample in the tile that begins at (x0, y0).
__device__ __forceinline__ Offer offer(const Near& n, int x, int y, int x0, int y0, const Setup* setups) {
    quad_int at = n.at, right = n.right, down = n.down, rest = n.rest;
    Offer o;
    o.t = at.w;
    if (rest.z & 2) {
        int a = at.x + x * right.x + y * down.x, b = at.y + x * right.y + y * down.y, c = at.z + x * right.z + y * down.z;
        o.in[0] = (a | b | c) >= 0;
        o.in[1] = ((a + right.x) | (b + right.y) | (c + right.z)) >= 0;
        a += down.x, b += down.y, c += down.z;
        o.in[2] = (a | b | c) >= 0;
        o.in[3] = ((a + right.x) | (b + right.y) | (c + right.z)) >= 0;
    } else {
        Setup s = setups[o.t];
        u32 in = 0;
#pragma unroll 1
        for (int i = 0; i < 4; i++) {
            int px = (x0 + x + (i & 1)) * SUBPIXEL + SUBPIXEL / 2, py = (y0 + y + (i >> 1)) * SUBPIXEL + SUBPIXEL / 2;
            in |= (u32)(edge<i64>(s.x2 - s.x1, s.y2 - s.y1, s.x1, s.y1, px, py) >= 0 &&
                        edge<i64>(s.x0 - s.x2, s.y0 - s.y2, s.x2, s.y2, px, py) >= 0 &&
                        edge<i64>(s.x1 - s.x0, s.y1 - s.y0, s.x0, s.y0, px, py) >= 0) << i;
        }
#pragma unroll
        for (int i = 0; i < 4; i++) o.in[i] = in >> i & 1u;
    }
    float gx = as_float(down.w), gy = as_float(rest.w), low = (float)(y * SUBPIXEL - rest.y) * gy;
    // 1/w at the pixel's first sample, and from there to the others.
    float w = fmaf(fmaf((float)(x * SUBPIXEL - rest.x), gx, low), 1.0f / SUBPIXEL, as_float(right.w));
    o.w[0] = w, o.w[1] = w + gx, o.w[2] = w + gy, o.w[3] = w + gx + gy;
    return o;
}

// Looks up `count` of the samples that a warp has waiting, a lane each, from `from` on.
__device__ __forceinline__ void look_up(Tile& tile, int from, int count, int x0, int y0, const quad_int* triangles,
                                        const Vertex* vertices, Texture texture) {
    int warp = threadIdx.x / WARP, lane = threadIdx.x % WARP;
    meet();
    if (lane < count) {
        u32 what = tile.queue[warp].what[from + lane];
        int i = what >> 5 & 3, owner = what & 31, t = tile.near[what >> 10].at.w;
        i64 key = as_key(tile.queue[warp].near[from + lane], t), *held = &tile.held[warp][i][owner], now = *held;
        Place p = in_tile(warp * WARP + owner);
        int x = x0 + 2 * p.x + (i & 1), y = y0 + 2 * p.y + (i >> 1);
        if (key > now && solid(cutout(triangles[t], vertices, texture), (float)x + 0.5f, (float)y + 0.5f, texture.albedo))
            win(held, now, key);
    }
    meet();
}

// The least 1/w that a warp's samples hold: what is farther away everywhere is hidden.
__device__ __forceinline__ float farthest(const i64 (&held)[4]) {
    int upper = min((int)(held[0] >> 32), (int)(held[1] >> 32)), lower = min((int)(held[2] >> 32), (int)(held[3] >> 32));
    return as_float((int)least((u32)min(upper, lower)));
}

// The keys of a pixel's samples in the tile that begins at (x0, y0), once all its triangles, `count` of `list` (or, without one,
// of all), were offered: each warp walks over those that meet its samples. All threads of a block call it together.
__device__ __forceinline__ void nearest(i64 (&held)[4], Tile& tile, int x0, int y0, int count, const int* list,
                                        const Setup* setups, const quad_int* triangles, const Vertex* vertices,
                                        Texture texture, Clock& clock) {
    int warp = threadIdx.x / WARP, lane = threadIdx.x % WARP;
    Place p = in_tile(threadIdx.x);
    int x = 2 * p.x, y = 2 * p.y;
    u32 below = (1u << lane) - 1u;
    for (int i = 0; i < 4; i++) held[i] = NOTHING;
    for (int first = 0; first < count; first += BATCH) {
        int batch = min(count - first, BATCH), mine = threadIdx.x;
        if (first) __syncthreads();
        int t = 0, place = mine;
        if (mine < batch) t = list ? list[first + mine] : first + mine;
#if SORT
        if (batch > 1) {
            u32 key = 0;
            if (mine < batch) {
                float bound = fmaxf(reach(setups[t], x0, y0).bound, 0.0f);
                key = ((u32)float_bits(bound) & ~(BATCH - 1u)) | (u32)mine;
            }
            if (mine < BATCH) tile.keys[mine] = key;
            __syncthreads();
            if (mine < batch) {
                place = 0;
                for (int i = 0; i < batch; i += 4) {
                    quad_int k = *(const quad_int*)(tile.keys + i);
                    place += (u32)k.x > key, place += (u32)k.y > key, place += (u32)k.z > key, place += (u32)k.w > key;
                }
            }
        }
#endif
        if (mine < batch) ready(tile, place, t, setups[t], x0, y0);
        __syncthreads();
        clock.tick(READY);
        u32 any = 0;
        for (int from = 0; from < batch; from += WARP) {
            u32 meets = from + lane < batch ? tile.meets[from + lane] >> warp : 0u;
            float bound = from + lane < batch ? tile.bound[from + lane] : -1.0f;
            any |= meets & 0x10000u;
            u32 left = ballot(meets & 1u);
            for (int n = 0; left; n++) {
                if (n % REFRESH == 0 && !(left &= ballot(bound >= farthest(held)))) break;
                Offer o = offer(tile.near[from + __ffs(left) - 1], x, y, x0, y0, setups);
                left &= left - 1;
#pragma unroll
                for (int i = 0; i < 4; i++) {
                    i64 key = as_key(float_bits(o.w[i]), o.t);
                    held[i] = o.in[i] && key > held[i] ? key : held[i];
                }
            }
        }
        clock.tick(WHOLE);
        // Looking cutouts up costs most, and of those behind whole ones none is: these wait in a queue to fill warps.
        if (!ballot(any)) continue;
        Queue& queue = tile.queue[warp];
        int waiting = 0;
        float far = farthest(held);
        for (int i = 0; i < 4; i++) tile.held[warp][i][lane] = held[i];
        for (int from = 0; from < batch; from += WARP) {
            bool meets = from + lane < batch && (tile.meets[from + lane] >> (warp + 16) & 1u) && tile.bound[from + lane] >= far;
            for (u32 left = ballot(meets); left; left &= left - 1) {
                int now = from + __ffs(left) - 1;
                Offer o = offer(tile.near[now], x, y, x0, y0, setups);
#pragma unroll
                for (int i = 0; i < 4; i++) {
                    bool would = o.in[i] && as_key(float_bits(o.w[i]), o.t) > held[i];
                    u32 all = ballot(would);
                    if (would) {
                        int at = waiting + __popc(all & below);
                        queue.what[at] = (u32)(lane | i << 5 | now << 10);
                        queue.near[at] = float_bits(o.w[i]);
                    }
                    waiting += __popc(all);
                }
                if (waiting < WARP) continue;
                for (; waiting >= WARP; waiting -= WARP)
                    look_up(tile, waiting - WARP, WARP, x0, y0, triangles, vertices, texture);
                for (int i = 0; i < 4; i++) held[i] = tile.held[warp][i][lane];
                far = farthest(held);
            }
        }
        look_up(tile, 0, waiting, x0, y0, triangles, vertices, texture);
        for (int i = 0; i < 4; i++) held[i] = tile.held[warp][i][lane];
        clock.tick(CUTOUTS);
    }
}

#else

#define BATCH THREADS    // triangles of a tile at a time
#define PITCH (TILE + 2)  // keys from one row of samples to the next

// A row of a triangle's pixels in a tile.
struct __align__(16) Row {
    quad_int slopes;  // corner 0's x, in parts of a sample from the tile's first; bits of gx, gy, w0
    quad_int rest;    // bits of what the row adds; its samples, as `packed`; place in `order`; which fragment is its first
};

// Even and odd rows of samples lie apart, so that one column of pixels lies in different banks.
struct __align__(16) Tile {
    enum { ROWS = BATCH * TILE / 2 };
    i64 held[TILE * PITCH];
    int order[BATCH];  // BATCH of the tile's triangles
    u16 first[BATCH];  // where the rows of pixels that each may cover begin in `owner`
    u8 owner[ROWS];    // to which each belongs: whole triangles from the front, cutouts from the back
    int rows[2];       // how many of these there are
    Row row[WARPS][WARP];
    Queue queue[WARPS];
    __device__ __forceinline__ i64* at(int x, int y) { return held + ((y & 1) * (TILE / 2) + (y >> 1)) * PITCH + x; }
};

struct __align__(16) Two {
    i64 left, right;
};

__device__ __forceinline__ float as_float(int bits) {
    union { int bits; float value; } u = {bits};
    return u.value;
}

// Narrows samples from..to of a row to those inside an edge. at: its value at sample 0; from one sample to the next it grows by
// `step`, or, where `sign` is -1, not 0, falls by so much: then one looks for the first outside, where ~at is not negative.
// inverse: 1 / step, near enough: the quotient finds the crossing but for one sample, which the edge itself settles.
template <typename number>
__device__ __forceinline__ void narrow(number at, number step, int sign, float inverse, int& from, int& to) {
    at ^= (number)sign;
    int x = (int)floorf(fminf(fmaxf(0.03f - (float)at * inverse, -1.0f), (float)TILE));  // of a step of 0 either end
    x += at + (number)x * step < 0;
    from = max(from, sign ? 0 : x);
    to = min(to, sign ? x - 1 : TILE);
}

// Samples of a row: from `first` on, so many.
struct Span {
    int first;
    u32 count;
    __device__ __forceinline__ bool has(int x) const { return (u32)(x - first) < count; }
};

// Which samples left..right of rows y and y + 1 a triangle covers.
template <typename number>
__device__ __forceinline__ void spans(const Setup& s, int left, int right, int y, Span& upper, Span& lower) {
    int px = left * SUBPIXEL + SUBPIXEL / 2, py = y * SUBPIXEL + SUBPIXEL / 2;
    int dx[3] = {s.x2 - s.x1, s.x0 - s.x2, s.x1 - s.x0}, dy[3] = {s.y2 - s.y1, s.y0 - s.y2, s.y1 - s.y0};
    int x[3] = {s.x1, s.x2, s.x0}, ys[3] = {s.y1, s.y2, s.y0};
    int from = 0, to = right - left, from2 = 0, to2 = to;
#pragma unroll
    for (int i = 0; i < 3; i++) {
        int sign = dy[i] > 0 ? -1 : 0;
        number at = edge<number>(dx[i], dy[i], x[i], ys[i], px, py), step = (number)(dy[i] > 0 ? dy[i] : -dy[i]) * SUBPIXEL;
        float inverse = reciprocal((float)step);
        narrow<number>(at, step, sign, inverse, from, to);
        narrow<number>(at + (number)dx[i] * SUBPIXEL, step, sign, inverse, from2, to2);
    }
    upper.first = left + from, upper.count = (u32)max(to - from + 1, 0);
    lower.first = left + from2, lower.count = (u32)max(to2 - from2 + 1, 0);
}

// Looks up `count` of the samples that a warp has waiting, a lane each, from `from` on.
__device__ __forceinline__ void look_up(Tile& tile, int from, int count, int x0, int y0, const quad_int* triangles,
                                        const Vertex* vertices, Texture texture) {
    int warp = threadIdx.x / WARP, lane = threadIdx.x % WARP;
    meet();
    if (lane < count) {
        u32 what = tile.queue[warp].what[from + lane];
        int x = what & 31, y = what >> 5 & 31, t = tile.order[what >> 10];
        i64 key = as_key(tile.queue[warp].near[from + lane], t), *held = tile.at(x, y), now = *held;
        if (key > now && solid(cutout(triangles[t], vertices, texture), (float)(x0 + x) + 0.5f, (float)(y0 + y) + 0.5f,
                               texture.albedo)) win(held, now, key);
    }
    meet();
}

// Offers the whole triangles of `order`, or the cutouts, to the samples of the tile that begins at (x0, y0). A lane finds what of
// a row a triangle covers; then the warp shares the pixels of its rows evenly. A cutout's samples that would win wait until a
// warp can look up one a lane.
template <bool CUT>
__device__ __forceinline__ void compete(Tile& tile, int x0, int y0, const Setup* setups, const quad_int* triangles,
                                        const Vertex* vertices, Texture texture) {
    int warp = threadIdx.x / WARP, lane = threadIdx.x % WARP, rows = tile.rows[CUT], waiting = 0;
    int origin = CUT ? (int)Tile::ROWS - rows : 0;
    u32 below = (1u << lane) - 1u;
    Queue& queue = tile.queue[warp];
    for (int first = warp * WARP; first < rows; first += THREADS) {
        int count = 0, begin = 0;
        Row mine;
        if (first + lane < rows) {
            int row = origin + first + lane, owner = tile.owner[row];
            Setup s = setups[tile.order[owner]];
            int left = max((int)s.left, x0), right = min((int)s.right, x0 + TILE - 1);
            int y = (max((int)s.top, y0) & ~1) + 2 * (row - tile.first[owner]);
            Span upper, lower;
            if (s.flags & 2) spans<int>(s, left, right, y, upper, lower);
            else spans<i64>(s, left, right, y, upper, lower);
            int x = TILE * TILE * TILE, last = -1;
            if (upper.count) x = upper.first, last = x + (int)upper.count - 1;
            if (lower.count) x = min(x, lower.first), last = max(last, lower.first + (int)lower.count - 1);
            x &= ~1;
            if (last >= 0) {
                count = (last - x) / 2 + 1;
                float down = (float)(y * SUBPIXEL + SUBPIXEL / 2 - s.y0) * s.gy;
                u32 packed = (u32)(x - x0) / 2 | (u32)(y - y0) / 2 << 4;
                if (upper.count) packed |= (u32)(upper.first - x0) << 8 | upper.count << 13;
                if (lower.count) packed |= (u32)(lower.first - x0) << 19 | lower.count << 24;
                quad_int slopes = {s.x0 - (x0 * SUBPIXEL + SUBPIXEL / 2), float_bits(s.gx), float_bits(s.gy), float_bits(s.w0)};
                quad_int rest = {float_bits(down), (int)packed, owner, 0};
                mine.slopes = slopes, mine.rest = rest;
            }
        }
        int end = count;
        for (int step = 1; step < WARP; step *= 2) {
            int other = from_lane(end, (lane - step) & (WARP - 1));
            if (lane >= step) end += other;
        }
        begin = end - count;
        int total = from_lane(end, WARP - 1), before = -1;  // rows that begin before these fragments, less one
        u32 some = ballot(count > 0);
        meet();
        if (count) {
            mine.rest.w = begin;
            tile.row[warp][__popc(some & below)] = mine;
        }
        meet();
        for (int from = 0; from < total; from += WARP) {
            u32 begins = either(count && begin >= from && begin < from + WARP ? 1u << (begin - from) : 0u);
            bool there = from + lane < total;
            const Row& row = tile.row[warp][before + __popc(begins & (below | 1u << lane))];
            before += __popc(begins);
            quad_int slopes = row.slopes, rest = row.rest;
            u32 packed = (u32)rest.y;
            int column = (int)(packed & 15u) + (there ? from + lane - rest.w : 0), line = packed >> 4 & 15u, x = 2 * column;
            int t = tile.order[rest.z];
            Span upper = {(int)(packed >> 8 & 31u), packed >> 13 & 63u}, lower = {(int)(packed >> 19 & 31u), packed >> 24 & 63u};
            float gx = as_float(slopes.y), gy = as_float(slopes.z);
            // 1/w at the pixel's first sample, and from there to the others.
            float w = fmaf(fmaf((float)(x * SUBPIXEL - slopes.x), gx, as_float(rest.x)), 1.0f / SUBPIXEL, as_float(slopes.w));
            float ws[4] = {w, w + gx, w + gy, w + gx + gy};
            i64* at = tile.at(x, 2 * line);
            Two above = *(Two*)at, beneath = *(Two*)(at + TILE / 2 * PITCH);
            i64 held[4] = {above.left, above.right, beneath.left, beneath.right};
            bool covers[4] = {upper.has(x), upper.has(x + 1), lower.has(x), lower.has(x + 1)};
#pragma unroll
            for (int i = 0; i < 4; i++) {
                i64 key = as_key(float_bits(ws[i]), t);
                bool would = there && covers[i] && key > held[i];  // what is there only ever grows
                if (CUT) {
                    u32 all = ballot(would);
                    if (would) {
                        int place = waiting + __popc(all & below);
                        queue.what[place] = (u32)(x + (i & 1)) | (u32)(2 * line + (i >> 1)) << 5 | (u32)rest.z << 10;
                        queue.near[place] = float_bits(ws[i]);
                    }
                    waiting += __popc(all);
                } else if (would) {
                    win(at + (i >> 1) * (TILE / 2 * PITCH) + (i & 1), held[i], key);
                }
            }
            if (CUT) {
                for (; waiting >= WARP; waiting -= WARP)
                    look_up(tile, waiting - WARP, WARP, x0, y0, triangles, vertices, texture);
            }
        }
    }
    if (CUT) look_up(tile, 0, waiting, x0, y0, triangles, vertices, texture);
}

// The keys of a pixel's samples in the tile that begins at (x0, y0), once all its triangles, `count` of `list` (or, without one,
// of all), were offered. All threads of a block call it together.
__device__ __forceinline__ void nearest(i64 (&held)[4], Tile& tile, int x0, int y0, int count, const int* list,
                                        const Setup* setups, const quad_int* triangles, const Vertex* vertices,
                                        Texture texture, Clock& clock) {
    for (int i = threadIdx.x; i < TILE * PITCH; i += THREADS) tile.held[i] = NOTHING;
    for (int first = 0; first < count; first += BATCH) {
        if (threadIdx.x < 2) tile.rows[threadIdx.x] = 0;
        __syncthreads();
        int mine = first + (int)threadIdx.x;
        if (mine < count) {
            int t = list ? list[mine] : mine;
            const Setup* s = setups + t;
            int top = max((int)s->top, y0) >> 1, rows = (min((int)s->bottom, y0 + TILE - 1) >> 1) - top + 1;
            if (rows > 0 && max((int)s->left, x0) <= min((int)s->right, x0 + TILE - 1)) {
                int cut = s->flags & 1, at = atomicAdd(&tile.rows[cut], rows);
                if (cut) at = (int)Tile::ROWS - at - rows;
                tile.order[threadIdx.x] = t;
                tile.first[threadIdx.x] = (u16)at;
                for (int i = 0; i < rows; i++) tile.owner[at + i] = (u8)threadIdx.x;
            }
        }
        __syncthreads();
        clock.tick(READY);
        compete<false>(tile, x0, y0, setups, triangles, vertices, texture);
        __syncthreads();  // looking cutouts up costs most, and of those behind whole ones none is
        clock.tick(WHOLE);
        compete<true>(tile, x0, y0, setups, triangles, vertices, texture);
        __syncthreads();
        clock.tick(CUTOUTS);
    }
    Place p = in_tile(threadIdx.x);
    for (int i = 0; i < 4; i++) held[i] = *tile.at(2 * p.x + (i & 1), 2 * p.y + (i >> 1));
}

#endif

__device__ __forceinline__ vec unit(vec v) { return (1.0f / sqrtf(fmaxf(dot(v, v), 1e-20f))) * v; }
__device__ __forceinline__ float clamp01(float x) { return fminf(fmaxf(x, 0.0f), 1.0f); }
__device__ __forceinline__ float fifth(float x) { return x * x * x * x * x; }
__device__ __forceinline__ u32 byte(float x) { return (u32)(clamp01(x) * 255.0f + 0.5f); }
__device__ __forceinline__ float linear1(float x) { return x * (0.01252184f + x * (0.68217412f + x * 0.30530405f)); }
__device__ __forceinline__ vec linear(vec a) { return make(linear1(a.x), linear1(a.y), linear1(a.z)); }

__device__ __forceinline__ float srgb(float x) {
    if (x < 0.0031308f) return 12.92f * fmaxf(x, 0.0f);
    float p = sqrtf(x), q = sqrtf(p);
    return 0.64305355f * p + 0.71175588f * q - 0.33683294f * sqrtf(q) - 0.01797649f * x;
}

__device__ __forceinline__ vec film(vec c) {
    float peak = fmaxf(fmaxf(c.x, c.y), c.z);
    if (peak > 0.6f) {
        float top = 1.0f - 0.16f / (peak - 0.2f), white = 1.0f - 1.0f / (1.0f + 0.25f * (peak - top));
        c = (top / peak) * c;
        c = c + white * make(top - c.x, top - c.y, top - c.z);
    }
    return c;
}

__device__ __forceinline__ float bounced1(float o, float a) {
    float p = 2.0404f * a - 0.3324f, q = -4.7951f * a + 0.6417f, r = 2.7552f * a + 0.6903f;
    return fmaxf(o, ((o * p + q) * o + r) * o);
}

__device__ __forceinline__ float lobe(float nh2, float lh2, float rough) {
    float a2 = fmaxf(rough * rough, 0.02f);
    a2 *= a2;
    float d = nh2 * (a2 - 1.0f) + 1.0f;
    return a2 / (d * d * 4.0f * fmaxf(lh2, 0.1f) * (rough + 0.5f));
}

template <int POWER>
__device__ __forceinline__ float highlight(float tlv, float lh2) {
    float base = fmaxf(1.0f - tlv * tlv / (4.0f * lh2), 0.0f), value = 1.0f;
#pragma unroll
    for (int power = POWER; power; power >>= 1) {
        if (power & 1) value *= base;
        base *= base;
    }
    return value;
}

__device__ __forceinline__ float soft_edge(float inside) {
    float x = clamp01(inside * 12.5f + 0.5f);
    return x * x * (3.0f - 2.0f * x);
}

__device__ __forceinline__ float spread1(float nl, float gl, float w) {
    return fmaxf(nl + (gl - nl) * fminf(1.5f * w, 1.0f) + w, 0.0f) / ((1.0f + w) * (1.0f + w));
}

__device__ __forceinline__ vec three(const float* p) { return make(p[0], p[1], p[2]); }

// Film-ready linear colour of a surface; shading.py explains each line. lights [L, 12]: direction, colour, softbox sides.
__device__ vec light(const Material& m, vec n, vec g, vec t, vec v, vec a, float rough, float open, float sun,
                     const float* lights, int lamps, const Constants& k) {
    int kind = (int)m.kind;
    float f0 = m.specular, nv = clamp01(dot(n, v));
    vec wrap = three(m.wrap), up = three(k.up), ground = three(k.ground), rise = three(k.sky) - ground;
    vec diffuse = (ground + (0.5f + 0.5f * dot(n, up)) * rise) *
                  make(bounced1(open, a.x), bounced1(open, a.y), bounced1(open, a.z));
    // Mirrored surroundings.
    vec gn = kind != EYE ? n : g;
    float gv = clamp01(dot(gn, v));
    vec mirrored = 2.0f * gv * gn - v;
    float smooth = kind != EYE ? 1.0f - rough : 1.0f;
    float mirror = (f0 + (fmaxf(smooth, f0) - f0) * fifth(1.0f - gv)) * open;
    if (kind == HAIR || kind == CLOTH) mirror *= 0.3f;
    vec specular = mirror * (ground + (0.5f + 0.5f * dot(mirrored, up)) * rise);

    vec lean1 = t, lean2 = t, root_a = make(sqrtf(a.x), sqrtf(a.y), sqrtf(a.z));
    if (kind == HAIR) lean1 = unit(t + -0.12f * g), lean2 = unit(t + 0.16f * g);
    float root = sqrtf(sun);
    for (int q = 0; q < lamps; q++) {
        const float* lamp = lights + 12 * q;
        vec l = three(lamp), c = three(lamp + 3);
        float shadow = q == 0 ? sun : open, soft = q == 0 ? root - sun : 0.0f, nl = dot(n, l), gl = dot(g, l);
        vec e = make(spread1(nl, gl, wrap.x), spread1(nl, gl, wrap.y), spread1(nl, gl, wrap.z));
        if (kind == HAIR) {
            float tl = dot(t, l);
            e = 0.4f * e + 0.6f * sqrtf(fmaxf(1.0f - tl * tl, 0.0f)) * fmaxf(nl + 0.5f, 0.0f) * (1.0f / 1.5f);
        }
        diffuse = diffuse + c * (soft * wrap + shadow) * e;
        float lh2 = fmaxf(0.5f + 0.5f * dot(l, v), 1e-4f);  // (L.H)^2; L + V is 2 L.H long
        if (kind == HAIR) {
            float face = f0 * shadow * fmaxf(gl + 0.35f, 0.0f) * (1.0f / 1.35f);
            float first = face * 3.5f * highlight<60>(dot(lean1, l) + dot(lean1, v), lh2);
            float second = face * 7.0f * highlight<10>(dot(lean2, l) + dot(lean2, v), lh2);
            specular = specular + c * (second * root_a + first);
        } else if (kind == EYE) {
            float ahead = dot(mirrored, l);
            if (ahead > 0.3f) {
                float half = q == 0 ? 1.0f : 0.5f;
                float across = fabsf(dot(mirrored, three(lamp + 6))) / ahead;
                float along = fabsf(dot(mirrored, three(lamp + 9))) / ahead;
                float box = soft_edge(0.20f * half - across) * soft_edge(0.34f * half - along);
                specular = specular + 22.0f * box * fmaxf(shadow, 0.3f) * (f0 + (1.0f - f0) * fifth(1.0f - gv)) * c;
            }
        } else if (kind != CLOTH && nl > 0.0f) {
            float nh2 = (nl + nv) * (nl + nv) / (4.0f * lh2), d = lobe(nh2, lh2, rough);
            if (kind == SKIN) d = 0.8f * d + 0.2f * lobe(nh2, lh2, 0.6f * rough);
            float gloss = q == 0 ? sun : open * open * root;
            specular = specular + gloss * nl * d * (f0 + (1.0f - f0) * fifth(1.0f - sqrtf(lh2))) * c;
        }
    }
    if (kind == CLOTH) {
        float sheen = 1.0f - nv;
        specular = specular + 0.35f * sheen * sheen * sheen * root_a * diffuse;
    }
    return film(a * diffuse + specular);
}

// A pixel's ten channels as bytes: shaded RGBA, unlit RGB and depth (red in the lowest byte), normal x and y.
struct Pixel {
    u32 shaded, unlit, normal;
};

enum { LIT, FLAT = 3, DEPTH = 6, NORMAL, SUMS = 9 };

// What a tile's pixels add up to, and those that have surfaces left: the number of the pixel and, from bit 8 on, its samples.
struct Shading {
    float sums[SUMS][THREADS];
    u16 queue[2][THREADS];
    int queued[2];
};

// The triangles of a pixel's samples, -1 for none: 0 1 above 2 3.
struct Samples {
    int a, b, c, d;
    __device__ __forceinline__ u32 same(int f) const { return (a == f) | (b == f) << 1 | (c == f) << 2 | (d == f) << 3; }
    __device__ __forceinline__ u32 covered() const { return (a >= 0) | (b >= 0) << 1 | (c >= 0) << 2 | (d >= 0) << 3; }
};

// Adds one surface of pixel (x, y) to its sums (or begins them): the first triangle of the `pending` samples and those that
// merge with it. Gives the samples that are left.
__device__ __forceinline__ u32 add_surface(float* sums, bool begin, const Samples& f, u32 pending, int x, int y, int size,
                                       const quad_int* triangles, const Vertex* vertices, const Material* materials,
                                       Texture texture, const float* lights, int lamps, const Constants& k) {
    vec n = make(0, 0, 0), t = make(0, 0, 0);
    float su = 0, sv = 0, sun = 0, total = 0, hand = 0, depth = 0;
    int material = 0;
    u32 later = 0;
    while (pending) {
        int s = __ffs(pending) - 1, now = s == 0 ? f.a : s == 1 ? f.b : s == 2 ? f.c : f.d;
        u32 same = f.same(now) & pending;
        pending &= ~same;
        float samples = (float)__popc(same), part = 1.0f / samples;
        float px = (float)(2 * x) + 0.5f + part * (float)__popc(same & 10u);
        float py = (float)(2 * y) + 0.5f + part * (float)__popc(same & 12u);
        quad_int corners = triangles[now];
        const Vertex &i = vertices[corners.x], &j = vertices[corners.y], &l = vertices[corners.z];
        quad i0 = i.screen_n, j0 = j.screen_n, l0 = l.screen_n, i2 = i.t_hand_uv, j2 = j.t_hand_uv, l2 = l.t_hand_uv;
        Shares share = shares(i0, j0, l0, px, py);
        float u = share.a * i2.z + share.b * j2.z + share.c * l2.z, w = share.a * i2.w + share.b * j2.w + share.c * l2.w;
        if (total > 0.0f) {
            float apart = fmaxf(fabsf(su - u * total), fabsf(sv - w * total));
            if (corners.w != material || !(apart < materials[material].nearby * total)) {
                later |= same;
                continue;
            }
        } else {
            material = corners.w;
            hand = i2.y;
        }
        quad i1 = i.n_t, j1 = j.n_t, l1 = l.n_t;
        vec ni = make(i0.w, i1.x, i1.y), nj = make(j0.w, j1.x, j1.y), nl = make(l0.w, l1.x, l1.y);
        vec ti = make(i1.z, i1.w, i2.x), tj = make(j1.z, j1.w, j2.x), tl = make(l1.z, l1.w, l2.x);
        float flip = share.area < 0.0f ? samples : -samples;
        n = n + flip * (share.a * ni + share.b * nj + share.c * nl);
        t = t + samples * (share.a * ti + share.b * tj + share.c * tl);
        su += samples * u;
        sv += samples * w;
        sun += samples * (share.a * i.sun.x + share.b * j.sun.x + share.c * l.sun.x);
        depth += samples * clamp01((k.far - 1.0f / share.w) / (k.far - k.near));
        total += samples;
    }
    // The eye's ray; the same for all samples of a pixel.
    vec v = unit(make((float)size - (float)(2 * x + 1), (float)(2 * y + 1) - (float)size, k.focal));
    Texels at = texels(su / total, sv / total, texture.levels + 2 * material);
    u32 p = texture.albedo[at.a], q = texture.albedo[at.b], r = texture.albedo[at.c], s = texture.albedo[at.d];
    vec a = (1.0f / 255.0f) * make(mix(p, q, r, s, at.x, at.y, 0), mix(p, q, r, s, at.x, at.y, 1), mix(p, q, r, s, at.x, at.y, 2));
    p = texture.surface[at.a], q = texture.surface[at.b], r = texture.surface[at.c], s = texture.surface[at.d];
    float bx = (mix(p, q, r, s, at.x, at.y, 0) - 128.0f) * (1.0f / 127.0f);
    float by = (mix(p, q, r, s, at.x, at.y, 1) - 128.0f) * (1.0f / 127.0f);
    float rough = mix(p, q, r, s, at.x, at.y, 2) * (1.0f / 255.0f), open = mix(p, q, r, s, at.x, at.y, 3) * (1.0f / 255.0f);
    vec g = unit(n);
    t = unit(t - dot(g, t) * g);
    vec bump = bx * t + by * (hand * cross(g, t)) + sqrtf(fmaxf(1.0f - bx * bx - by * by, 0.04f)) * g;
    bump = unit(bump);
    vec lit = light(materials[material], bump, g, t, v, linear(a), rough, open, sun / total, lights, lamps, k);
    float adds[SUMS] = {total * lit.x, total * lit.y, total * lit.z, total * a.x, total * a.y, total * a.z, depth,
                        total * bump.x, total * bump.y};
#pragma unroll
    for (int c = 0; c < SUMS; c++) sums[c * THREADS] = begin ? adds[c] : sums[c * THREADS] + adds[c];
    return later;
}

// Shades the tile of THREADS pixels, a thread its own. Pixels have one surface, mostly; those with more queue, so that warps stay
// full. numbers: whose `samples_of` gives a pixel's triangles. All threads of a block call it together.
template <typename Numbers>
__device__ __forceinline__ Pixel resolve(Shading& shading, const Numbers& numbers, int size, const quad_int* triangles,
                                         const Vertex* vertices, const Material* materials, Texture texture,
                                         const float* lights, int lamps, const Constants& k) {
    int pixel = threadIdx.x;
    Pixel out = {0u, 0u, 128u | 128u << 8};
    Samples f = numbers.samples_of(pixel, size);
    u32 pending = f.covered();
    float covered = (float)__popc(pending);
    if (threadIdx.x == 0) shading.queued[0] = 0;
    if (!__syncthreads_or((int)pending)) return out;
    for (int round = 0;; round++) {
        int queue = round & 1;
        if (pending) {
            Place at = place(pixel);
            u32 later = add_surface(&shading.sums[0][pixel], round == 0, f, pending, at.x, at.y, size, triangles, vertices, materials,
                                texture, lights, lamps, k);
            if (later) shading.queue[queue][atomicAdd(&shading.queued[queue], 1)] = (u16)(pixel | later << 8);
        }
        __syncthreads();
        int queued = shading.queued[queue];
        if (queued == 0) break;
        if (threadIdx.x == 0) shading.queued[queue ^ 1] = 0;
        pending = 0;
        if ((int)threadIdx.x < queued) {
            pixel = shading.queue[queue][threadIdx.x] & 255, pending = shading.queue[queue][threadIdx.x] >> 8;
            f = numbers.samples_of(pixel, size);
        }
        __syncthreads();
    }
    if (covered == 0.0f) return out;
    float sums[SUMS], share = covered * 0.25f;
#pragma unroll
    for (int c = 0; c < SUMS; c++) sums[c] = shading.sums[c][threadIdx.x];
    out.shaded = byte(srgb(sums[LIT] / covered) * share) | byte(srgb(sums[LIT + 1] / covered) * share) << 8 |
                 byte(srgb(sums[LIT + 2] / covered) * share) << 16 | byte(share) << 24;
    out.unlit = byte(sums[FLAT] * 0.25f) | byte(sums[FLAT + 1] * 0.25f) << 8 | byte(sums[FLAT + 2] * 0.25f) << 16 |
                byte(sums[DEPTH] * 0.25f) << 24;
    out.normal = (u32)(128.5f + (127.0f / 4.0f) * sums[NORMAL]) | (u32)(128.5f + (127.0f / 4.0f) * sums[NORMAL + 1]) << 8;
    return out;
}

// A pixel to where it is wanted; null pointers are left out.
//   folded [B, S/4, S/4, 160] FP16: as_input of the bytes, in the order of pixel_unshuffle by 4
//   shaded, unlit [B, S, S] four bytes; normal [B, S, S] two bytes
__device__ __forceinline__ void store(Pixel p, int frame, int x, int y, int size, u16* folded, u32* shaded, u32* unlit,
                                      u16* normal) {
    if (folded) {
        int side = size / 4;
        u16* to = folded + (((i64)frame * side + y / 4) * side + x / 4) * 160 + (y % 4) * 4 + x % 4;
#pragma unroll
        for (int c = 0; c < 4; c++) {
            to[16 * c] = to_half((float)((p.shaded >> (8 * c)) & 255u) * (1.0f / 255.0f));
            to[16 * (4 + c)] = to_half((float)((p.unlit >> (8 * c)) & 255u) * (1.0f / 255.0f));
        }
        to[16 * 8] = to_half(((float)(p.normal & 255u) - 128.0f) * (1.0f / 127.0f));
        to[16 * 9] = to_half(((float)(p.normal >> 8) - 128.0f) * (1.0f / 127.0f));
    }
    i64 at = ((i64)frame * size + y) * size + x;
    if (shaded) shaded[at] = p.shaded;
    if (unlit) unlit[at] = p.unlit;
    if (normal) normal[at] = (u16)p.normal;
}

#ifndef FIND_BLOCKS
#define FIND_BLOCKS 4  // at least so many on a processor at once, which bounds the registers of a thread
#endif
#ifndef SHADE_BLOCKS
#define SHADE_BLOCKS 3
#endif

struct __align__(8) Pair {
    u32 left, right;
};

// numbers [B, 2S, 2S], of each sample the nearest triangle's number + 1, or 0. Blocks of 256 threads look at 16x16 pixels: x, y:
// blocks; z: frames.
extern "C" __global__ void __launch_bounds__(256, FIND_BLOCKS)
    visibility(int size, int triangles_, int vertices_, int room, const quad_int* triangles, const Vertex* vertices,
               const Setup* setups, const u32* counts, const int* lists, const int* levels,
               const u32* albedo, u32* numbers) {
    __shared__ Tile tile;
    Clock clock;
    Texture texture = {albedo, albedo, levels};
    int frame = blockIdx.z, side = gridDim.x;
    i64 number = ((i64)frame * side + blockIdx.y) * side + blockIdx.x;
    int listed = (int)counts[number], count = listed > room ? triangles_ : listed;  // of lists that are full all are looked at
    i64 held[4] = {NOTHING, NOTHING, NOTHING, NOTHING};
    if (count)
        nearest(held, tile, blockIdx.x * TILE, blockIdx.y * TILE, count, listed > room ? nullptr : lists + number * room,
                setups + (i64)frame * triangles_, triangles, vertices + (i64)frame * vertices_, texture, clock);
    Place at = place(threadIdx.x);
    if (at.x < size && at.y < size) {
        u32* to = numbers + ((i64)frame * 2 * size + 2 * at.y) * 2 * size + 2 * at.x;
        Pair upper = {~(u32)held[0], ~(u32)held[1]}, lower = {~(u32)held[2], ~(u32)held[3]};
        *(Pair*)to = upper, *(Pair*)(to + 2 * size) = lower;
    }
    clock.tick(WRITTEN);
}

// Numbers as `visibility` writes them.
struct InMemory {
    const u32* numbers;
    int pitch;
    __device__ __forceinline__ Samples samples_of(int pixel, int size) const {
        Place at = place(pixel);
        Samples out = {-1, -1, -1, -1};
        if (at.x < size && at.y < size) {
            const u32* from = numbers + ((i64)blockIdx.z * 2 * size + 2 * at.y) * pitch + 2 * at.x;
            out.a = (int)from[0] - 1, out.b = (int)from[1] - 1, out.c = (int)from[pitch] - 1, out.d = (int)from[pitch + 1] - 1;
        }
        return out;
    }
};

// Draws numbers that `visibility` or another rasteriser wrote: row r of frame b begins at `numbers` + (2 S b + r) `pitch`. Grid
// as `visibility`.
extern "C" __global__ void __launch_bounds__(256, SHADE_BLOCKS)
    shade(int size, int vertices_, int pitch, const u32* numbers, const quad_int* triangles, const Vertex* vertices,
          const Material* materials, const int* levels, const u32* albedo, const u32* surface, const float* lights, int lamps,
          const Constants* constants, u16* folded, u32* shaded, u32* unlit, u16* normal) {
    __shared__ Shading shading;
    Texture texture = {albedo, surface, levels};
    InMemory from = {numbers, pitch};
    Pixel p = resolve(shading, from, size, triangles, vertices + (i64)blockIdx.z * vertices_, materials, texture, lights, lamps,
                      *constants);
    Place at = place(threadIdx.x);
    if (at.x < size && at.y < size) store(p, blockIdx.z, at.x, at.y, size, folded, shaded, unlit, normal);
}
