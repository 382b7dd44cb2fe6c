// From weights and poses to triangles sorted into tiles. Each kernel follows the function of the same purpose in
// render/geometry.py and render/cpu.py; all arithmetic of a frame is independent of the others in the batch.

#define GROUP 8  // frames that share one reading of the shapes
#define SHAPES 52
#define GUARD 8.0f  // frame widths from the centre beyond which a corner drops its triangle

// _blend and _turn: positions [B, V, 4] (w unused) in world space. Also empties the tiles' lists of the batch before.
// x: vertices; y: groups of frames.
//   rest [3, V], follow [V]; deltas [52, 3, V]; weights [groups, 52, 8]; poses [B, 8]: axis, angle, shift, 0
extern "C" __global__ void deform(int frames, int vertices, const float* rest, const float* follow, const float* deltas,
                                  const float* weights, const float* poses, const Constants* constants, quad* positions,
                                  int tiles, u32* counts) {
    int v = blockIdx.x * blockDim.x + threadIdx.x, group = blockIdx.y;
    for (i64 i = (i64)group * gridDim.x * blockDim.x + v; i < (i64)frames * tiles; i += (i64)gridDim.y * gridDim.x * blockDim.x)
        counts[i] = 0;
    if (v >= vertices) return;
    float x[GROUP], y[GROUP], z[GROUP];
    for (int b = 0; b < GROUP; b++) x[b] = rest[v], y[b] = rest[vertices + v], z[b] = rest[2 * vertices + v];
    const quad* shares = (const quad*)(weights + (i64)group * SHAPES * GROUP);
    for (int s = 0; s < SHAPES; s++) {
        quad p = shares[2 * s], q = shares[2 * s + 1];
        float w[GROUP] = {p.x, p.y, p.z, p.w, q.x, q.y, q.z, q.w};
        float most = 0.0f;
        for (int b = 0; b < GROUP; b++) most = fmaxf(most, w[b]);
        if (most == 0.0f) continue;  // of 52 weights a talking face moves ten to twenty
        const float* d = deltas + (i64)3 * s * vertices + v;
        float dx = d[0], dy = d[vertices], dz = d[2 * (i64)vertices];
        for (int b = 0; b < GROUP; b++) x[b] += w[b] * dx, y[b] += w[b] * dy, z[b] += w[b] * dz;
    }
    float share = follow[v];
    vec pivot = make(constants->pivot[0], constants->pivot[1], constants->pivot[2]);
    for (int b = 0; b < GROUP; b++) {
        int frame = group * GROUP + b;
        if (frame >= frames) return;
        vec p = make(x[b], y[b], z[b]);
        if (share != 0.0f) {
            const float* pose = poses + 8 * frame;
            vec a = make(pose[0], pose[1], pose[2]), r = p - pivot;
            float angle = share * pose[3], c = cosf(angle), s = sinf(angle);
            float k = dot(a, r) * (1.0f - c);  // Rodrigues: c p + s (a x p) + (1 - c)(a . p) a
            p = c * r + s * cross(a, r) + k * a + pivot + share * make(pose[4], pose[5], pose[6]);
        }
        quad out = {p.x, p.y, p.z, 0.0f};
        positions[(i64)frame * vertices + v] = out;
    }
}

__device__ __forceinline__ vec point(quad p) { return make(p.x, p.y, p.z); }

// _normals and _project: vertices [B, V] as the pictures want them. x: vertices; y: frames.
//   around [V, 2]: where each vertex's triangles lie in `fans`, and where they end (of welded ones the root's);
//   triangles: in the bundle's order, as the sums' roundings depend on it; tangents [3, V] at rest;
//   static_ [V]: handedness, u, v, sun
extern "C" __global__ void project(int vertices, int size, const quad* positions, const int* around, const int* fans,
                                   const quad_int* triangles, const float* tangents, const float* follow, const float* poses,
                                   const quad* static_, const Constants* constants, Vertex* out) {
    int v = blockIdx.x * blockDim.x + threadIdx.x, frame = blockIdx.y;
    if (v >= vertices) return;
    const quad* p = positions + (i64)frame * vertices;
    vec n = make(0.0f, 0.0f, 0.0f);
    for (int i = around[2 * v]; i < around[2 * v + 1]; i++) {
        quad_int f = triangles[fans[i]];
        vec a = point(p[f.x]);
        n = n + cross(point(p[f.y]) - a, point(p[f.z]) - a);
    }
    float length = sqrtf(dot(n, n));
    n = length > 1e-20f ? make(n.x / length, n.y / length, n.z / length) : make(0.0f, 0.0f, 1.0f);

    vec t = make(tangents[v], tangents[vertices + v], tangents[2 * vertices + v]);
    float share = follow[v];
    if (share != 0.0f) {
        const float* pose = poses + 8 * frame;
        vec a = make(pose[0], pose[1], pose[2]);
        float angle = share * pose[3], c = cosf(angle), s = sinf(angle);
        t = c * t + s * cross(a, t) + (dot(a, t) * (1.0f - c)) * a;
    }
    t = t - dot(n, t) * n;
    length = sqrtf(dot(t, t));
    if (!(length > 1e-6f)) {  // along the normal: any perpendicular will do; n x z, or n x x where n is close to z
        t = fabsf(n.z) < 0.9f ? make(n.y, -n.x, 0.0f) : make(0.0f, n.z, -n.y);
        length = sqrtf(dot(t, t));
    }
    t = make(t.x / length, t.y / length, t.z / length);

    const float* m = constants->view;
    vec right = make(m[0], m[1], m[2]), up = make(m[4], m[5], m[6]), back = make(m[8], m[9], m[10]), at = point(p[v]);
    float w = -(dot(back, at) + m[11]), inverse = 0.0f, sx = 0.0f, sy = 0.0f;  // 0 marks a corner that drops its triangles
    if (w >= constants->nearest) {
        float limit = GUARD * 2.0f * (float)size;
        inverse = 1.0f / w;
        sx = constants->focal * (dot(right, at) + m[3]) * inverse;
        sy = -constants->focal * (dot(up, at) + m[7]) * inverse;
        if (fabsf(sx) > limit || fabsf(sy) > limit) inverse = sx = sy = 0.0f;
    }
    float x = rintf((sx + (float)size) * SUBPIXEL) / SUBPIXEL, y = rintf((sy + (float)size) * SUBPIXEL) / SUBPIXEL;
    quad s = static_[v];
    Vertex vertex = {
        {x, y, inverse, dot(right, n)},
        {dot(up, n), dot(back, n), dot(right, t), dot(up, t)},
        {dot(back, t), s.x, s.y, s.z},
        {s.w, 0.0f, 0.0f, 0.0f},
    };
    out[(i64)frame * vertices + v] = vertex;
}

// _cull and the first lines of _rasterise: setups [B, F], how many triangles lie in each tile (counts [B, side, side]), and which,
// in any order (lists [B, side, side, room]; of what finds no room only the number is kept). x: triangles; y: frames. What is not
// drawn gets an empty box.
//   triangles [F]: corners, material; flags [M]: 1 cutout, 2 two-sided
extern "C" __global__ void setup(int triangles_, int vertices_, int size, const quad_int* triangles, const int* flags,
                                 const Vertex* vertices, Setup* setups, int room, u32* counts, int* lists) {
    int t = blockIdx.x * blockDim.x + threadIdx.x, frame = blockIdx.y;
    if (t >= triangles_) return;
    quad_int f = triangles[t];
    const Vertex* of_frame = vertices + (i64)frame * vertices_;
    quad p = of_frame[f.x].screen_n, q = of_frame[f.y].screen_n, r = of_frame[f.z].screen_n;
    Setup out;
    out.left = 1, out.right = 0, out.top = 0, out.bottom = 0;
    Setup* to = setups + (i64)frame * triangles_ + t;
    int x0 = (int)(p.x * SUBPIXEL), y0 = (int)(p.y * SUBPIXEL);
    int x1 = (int)(q.x * SUBPIXEL), y1 = (int)(q.y * SUBPIXEL);
    int x2 = (int)(r.x * SUBPIXEL), y2 = (int)(r.y * SUBPIXEL);
    i64 area = (i64)(x1 - x0) * (y2 - y0) - (i64)(x2 - x0) * (y1 - y0);  // y runs down: negative seen from the front
    int last = 2 * size - 1, half = SUBPIXEL / 2;
    // Sample i has its centre at i * SUBPIXEL + half. Shifts divide and round down, also below 0.
    int left = max((min(x0, min(x1, x2)) + half - 1) >> 8, 0), right = min((max(x0, max(x1, x2)) - half) >> 8, last);
    int top = max((min(y0, min(y1, y2)) + half - 1) >> 8, 0), bottom = min((max(y0, max(y1, y2)) - half) >> 8, last);
    bool whole = p.z != 0.0f && q.z != 0.0f && r.z != 0.0f;
    if (!whole || area == 0 || (area > 0 && !(flags[f.w] & 2)) || left > right || top > bottom) {
        to->box_only(out);
        return;
    }
    if (area < 0) {  // clockwise on the screen from here on
        int i = x1;
        x1 = x2, x2 = i;
        i = y1, y1 = y2, y2 = i;
        quad c = q;
        q = r, r = c;
        area = -area;
    }
    float scale = (float)SUBPIXEL / (float)area;  // 1/w as a plane over the screen
    float ux = (float)(x1 - x0), uy = (float)(y1 - y0), vx = (float)(x2 - x0), vy = (float)(y2 - y0);
    out.left = left, out.top = top, out.right = right, out.bottom = bottom;
    out.x0 = x0, out.y0 = y0, out.x1 = x1, out.y1 = y1, out.x2 = x2, out.y2 = y2;
    out.w0 = p.z;
    out.gx = ((q.z - p.z) * vy - (r.z - p.z) * uy) * scale;
    out.gy = ((r.z - p.z) * ux - (q.z - p.z) * vx) * scale;
    int reach = max(max(x0, max(x1, x2)) - min(x0, min(x1, x2)), max(y0, max(y1, y2)) - min(y0, min(y1, y2)));
    out.flags = (flags[f.w] & 1) | (reach <= SMALL ? 2 : 0) | (f.w << 8);
    *to = out;

    int side = (2 * size + TILE - 1) / TILE;
    left /= TILE, right /= TILE, top /= TILE, bottom /= TILE;
    bool one = left == right && top == bottom;
    for (int y = top; y <= bottom; y++)
        for (int x = left; x <= right; x++)
            if (one || touches(out, x * TILE, y * TILE)) {
                i64 tile = ((i64)frame * side + y) * side + x;
                u32 k = atomicAdd(counts + tile, 1u);
                if (k < (u32)room) lists[tile * room + k] = t;
            }
}
