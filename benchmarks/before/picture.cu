// From triangles in tiles to the ten channels of Conditions: _rasterise, _resolve and _light of render/cpu.py.
// A warp draws 8x4 pixels, a lane one pixel with its four samples in registers; so no image of depths is kept anywhere.

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

__device__ bool solid(quad_int f, const Vertex* vertices, float x, float y, Texture texture) {
    const Vertex &i = vertices[f.x], &j = vertices[f.y], &k = vertices[f.z];
    Shares s = shares(i.screen_n, j.screen_n, k.screen_n, x, y);
    float u = s.a * i.t_hand_uv.z + s.b * j.t_hand_uv.z + s.c * k.t_hand_uv.z;
    float v = s.a * i.t_hand_uv.w + s.b * j.t_hand_uv.w + s.c * k.t_hand_uv.w;
    Texels t = texels(u, v, texture.levels + 2 * f.w);
    const u32* a = texture.albedo;
    return mix(a[t.a], a[t.b], a[t.c], a[t.d], t.x, t.y, 3) >= 127.5f;
}

// The four samples of a pixel: the nearest triangle of each, and its 1/w. Samples: 0 1 above 2 3.
struct Samples {
    int id[4];
    float w[4];
};

// Offers triangle `t` to the four samples of the pixel whose first sample is (x, y). Of equally near ones the first drawn stays.
template <typename number>
__device__ __forceinline__ void offer(Samples& held, const Setup& s, int t, int x, int y, const quad_int* triangles,
                                      const Vertex* vertices, Texture texture) {
    int px = x * SUBPIXEL + SUBPIXEL / 2, py = y * SUBPIXEL + SUBPIXEL / 2;
    int ax = s.x2 - s.x1, ay = s.y2 - s.y1, bx = s.x0 - s.x2, by = s.y0 - s.y2, cx = s.x1 - s.x0, cy = s.y1 - s.y0;
    number ea = edge<number>(ax, ay, s.x1, s.y1, px, py), eb = edge<number>(bx, by, s.x2, s.y2, px, py);
    number ec = edge<number>(cx, cy, s.x0, s.y0, px, py);
    float at = s.w0 + ((float)(px - s.x0) * s.gx + (float)(py - s.y0) * s.gy) * (1.0f / SUBPIXEL);
#pragma unroll
    for (int i = 0; i < 4; i++) {
        int right = i & 1, down = i >> 1;
        number fa = ea + (number)(down * ax - right * ay) * SUBPIXEL, fb = eb + (number)(down * bx - right * by) * SUBPIXEL;
        number fc = ec + (number)(down * cx - right * cy) * SUBPIXEL;
        if ((fa | fb | fc) < 0) continue;
        float w = at + (float)right * s.gx + (float)down * s.gy;
        if (w < held.w[i] || (w == held.w[i] && t > held.id[i])) continue;
        if ((s.flags & 1) &&
            !solid(triangles[t], vertices, (float)(x + right) + 0.5f, (float)(y + down) + 0.5f, texture)) continue;
        held.w[i] = w;
        held.id[i] = t;
    }
}

// Which pixel a lane of block (x, y) draws: warps of 8x4 pixels, lanes in two groups of 4x4, which are the network's folds.
struct Place {
    int x, y;                      // the lane's pixel
    int left, top, right, bottom;  // the warp's samples
};

__device__ __forceinline__ Place place() {
    int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
    Place p;
    int x = blockIdx.x * (TILE / 2) + (warp & 1) * 8, y = blockIdx.y * (TILE / 2) + (warp >> 1) * 4;
    p.x = x + (lane >> 4) * 4 + (lane & 3);
    p.y = y + ((lane >> 2) & 3);
    p.left = 2 * x, p.top = 2 * y, p.right = 2 * x + 15, p.bottom = 2 * y + 7;
    return p;
}

// The nearest triangles of the lane's four samples. All lanes of a warp call it together.
__device__ __forceinline__ Samples nearest(Place at, int size, int triangles_, int vertices_, int room,
                                           const quad_int* triangles, const Vertex* vertices, const Setup* setups,
                                           const u32* counts, const int* starts, const int* lists, Texture texture) {
    Samples held = {{-1, -1, -1, -1}, {0.0f, 0.0f, 0.0f, 0.0f}};
    int frame = blockIdx.z, side = gridDim.x;
    i64 tile = ((i64)frame * side + blockIdx.y) * side + blockIdx.x;
    setups += (i64)frame * triangles_;
    vertices += (i64)frame * vertices_;
    int start = starts[tile], count = start < 0 ? triangles_ : (int)counts[tile];
    const int* list = lists + (i64)frame * room + start;
    for (int first = 0; first < count; first += WARP) {
        int mine = first + (int)(threadIdx.x % WARP), t = 0;
        bool near = false;
        if (mine < count) {  // each lane looks at one triangle ...
            t = start < 0 ? mine : list[mine];
            const Setup* s = setups + t;
            near = s->left <= s->right && touches(*s, at.left, at.top, at.right, at.bottom);
        }
        for (u32 left = ballot(near); left; left &= left - 1) {  // ... and all draw those that touch the warp
            int now = from_lane(t, __ffs(left) - 1);
            Setup s = setups[now];
            if (s.flags & 2) offer<int>(held, s, now, 2 * at.x, 2 * at.y, triangles, vertices, texture);
            else offer<i64>(held, s, now, 2 * at.x, 2 * at.y, triangles, vertices, texture);
        }
    }
    return held;
}

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

__device__ Pixel resolve(int f0, int f1, int f2, int f3, int x, int y, int size, const quad_int* triangles,
                         const Vertex* vertices, const Material* materials, Texture texture, const float* lights, int lamps,
                         const Constants& k) {
    Pixel out = {0u, 0u, 128u | 128u << 8};
    u32 pending = (f0 >= 0) | (f1 >= 0) << 1 | (f2 >= 0) << 2 | (f3 >= 0) << 3;
    if (!pending) return out;
    // The eye's ray; the same for all samples of a pixel.
    vec v = unit(make((float)size - (float)(2 * x + 1), (float)(2 * y + 1) - (float)size, k.focal));
    vec lit = make(0, 0, 0), flat = make(0, 0, 0);
    float depth = 0, nx = 0, ny = 0, covered = (float)__popc(pending);
    while (pending) {  // one surface of the pixel each time: the first triangle left, and those that merge with it
        vec n = make(0, 0, 0), t = make(0, 0, 0);
        float su = 0, sv = 0, sun = 0, total = 0, hand = 0;
        int material = 0;
        u32 later = 0;
        while (pending) {
            int s = __ffs(pending) - 1, f = s == 0 ? f0 : s == 1 ? f1 : s == 2 ? f2 : f3;
            u32 same = ((f0 == f) | (f1 == f) << 1 | (f2 == f) << 2 | (f3 == f) << 3) & pending;
            pending &= ~same;
            float samples = (float)__popc(same), part = 1.0f / samples;
            float px = (float)(2 * x) + 0.5f + part * (float)__popc(same & 10u);
            float py = (float)(2 * y) + 0.5f + part * (float)__popc(same & 12u);
            quad_int corners = triangles[f];
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
        pending = later;
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
        lit = lit + total * light(materials[material], bump, g, t, v, linear(a), rough, open, sun / total, lights, lamps, k);
        flat = flat + total * a;
        nx += total * bump.x;
        ny += total * bump.y;
    }
    float share = covered * 0.25f;
    out.shaded = byte(srgb(lit.x / covered) * share) | byte(srgb(lit.y / covered) * share) << 8 |
                 byte(srgb(lit.z / covered) * share) << 16 | byte(share) << 24;
    out.unlit = byte(flat.x * 0.25f) | byte(flat.y * 0.25f) << 8 | byte(flat.z * 0.25f) << 16 | byte(depth * 0.25f) << 24;
    out.normal = (u32)(128.5f + (127.0f / 4.0f) * nx) | (u32)(128.5f + (127.0f / 4.0f) * ny) << 8;
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

// The whole picture in one pass. Blocks of 256 threads draw 16x16 pixels: x, y: blocks; z: frames.
extern "C" __global__ void __launch_bounds__(256)
    draw(int size, int triangles_, int vertices_, int room, const quad_int* triangles, const Vertex* vertices,
         const Setup* setups, const u32* counts, const int* starts, const int* lists, const Material* materials,
         const int* levels, const u32* albedo, const u32* surface, const float* lights, int lamps,
         const Constants* constants, u16* folded, u32* shaded, u32* unlit, u16* normal) {
    Place at = place();
    Texture texture = {albedo, surface, levels};
    Samples held = nearest(at, size, triangles_, vertices_, room, triangles, vertices, setups, counts, starts, lists, texture);
    if (at.x >= size || at.y >= size) return;
    Pixel p = resolve(held.id[0], held.id[1], held.id[2], held.id[3], at.x, at.y, size, triangles,
                      vertices + (i64)blockIdx.z * vertices_, materials, texture, lights, lamps, *constants);
    store(p, blockIdx.z, at.x, at.y, size, folded, shaded, unlit, normal);
}

// Its first half: numbers [B, 2S, 2S], of each sample the nearest triangle's number + 1, or 0. Grid as `draw`.
extern "C" __global__ void __launch_bounds__(256)
    visibility(int size, int triangles_, int vertices_, int room, const quad_int* triangles, const Vertex* vertices,
               const Setup* setups, const u32* counts, const int* starts, const int* lists, const int* levels,
               const u32* albedo, u32* numbers) {
    Place at = place();
    Texture texture = {albedo, albedo, levels};
    Samples held = nearest(at, size, triangles_, vertices_, room, triangles, vertices, setups, counts, starts, lists, texture);
    if (at.x >= size || at.y >= size) return;
    u32* to = numbers + ((i64)blockIdx.z * 2 * size + 2 * at.y) * 2 * size + 2 * at.x;
    to[0] = (u32)(held.id[0] + 1);
    to[1] = (u32)(held.id[1] + 1);
    to[2 * size] = (u32)(held.id[2] + 1);
    to[2 * size + 1] = (u32)(held.id[3] + 1);
}

// Its second half, for numbers that `visibility` or another rasteriser wrote: row r of frame b begins at `numbers` +
// (2 S b + r) `pitch`. Grid as `draw`.
extern "C" __global__ void __launch_bounds__(256)
    shade(int size, int vertices_, int pitch, const u32* numbers, const quad_int* triangles, const Vertex* vertices,
          const Material* materials, const int* levels, const u32* albedo, const u32* surface, const float* lights, int lamps,
          const Constants* constants, u16* folded, u32* shaded, u32* unlit, u16* normal) {
    Place at = place();
    if (at.x >= size || at.y >= size) return;
    Texture texture = {albedo, surface, levels};
    const u32* from = numbers + ((i64)blockIdx.z * 2 * size + 2 * at.y) * pitch + 2 * at.x;
    Pixel p = resolve((int)from[0] - 1, (int)from[1] - 1, (int)from[pitch] - 1, (int)from[pitch + 1] - 1, at.x, at.y, size,
                      triangles, vertices + (i64)blockIdx.z * vertices_, materials, texture, lights, lamps, *constants);
    store(p, blockIdx.z, at.x, at.y, size, folded, shaded, unlit, normal);
}
