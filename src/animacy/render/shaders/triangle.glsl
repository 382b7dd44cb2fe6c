// A triangle on the screen and the tiles that it lies in: `setup` of gpu/geometry.cu. Comes after common.glsl.

layout(std430, binding = 8) coherent buffer Counts { uint counts[]; };  // [frames of a chunk, tiles, 2] triangles without and with holes
layout(std430, binding = 9) buffer Lists { int lists[]; };     // [frames, tiles, room] which: those with holes from the end on
uniform int size;    // pixels of a frame
uniform int count;   // vertices of a frame
uniform int number;  // of triangles
uniform int start;   // frame that a chunk's first is
uniform int room;

const int PART = 256;     // parts of a sample to which corners are snapped
const int TILE = 32;      // samples a side of a tile: what one group of invocations looks at
const int SMALL = 24000;  // parts of a sample a triangle may reach for 32 bits to hold its edges' values a tile about its box

struct Setup {
    ivec2 a, b, c;  // corners in parts of a sample, clockwise
    ivec4 box;      // first and last sample that it may cover
    vec3 plane;     // 1/w at `a`, and its slopes, a sample
    bool holes, small;
};

// Whether triangle t of the frame whose vertices begin at `first` is drawn at all.
bool set_up(int t, int first, out Setup s) {
    ivec4 f = triangles[t];
    vec3 p = vertices[first + f.x].screen_n.xyz, q = vertices[first + f.y].screen_n.xyz, r = vertices[first + f.z].screen_n.xyz;
    s.a = ivec2(p.xy * float(PART));
    s.b = ivec2(q.xy * float(PART));
    s.c = ivec2(r.xy * float(PART));
    ivec2 low = min(s.a, min(s.b, s.c)), high = max(s.a, max(s.b, s.c)), extent = high - low;
    // Sample i has its centre at i * PART + PART / 2. Shifts divide and round down, also below 0.
    s.box = ivec4(max((low + PART / 2 - 1) >> 8, ivec2(0)), min((high - PART / 2) >> 8, ivec2(2 * size - 1)));
    if (p.z == 0.0 || q.z == 0.0 || r.z == 0.0 || any(greaterThan(s.box.xy, s.box.zw))) return false;
    s.small = max(extent.x, extent.y) <= SMALL;
    ivec2 u = s.b - s.a, v = s.c - s.a;
    float area = s.small ? float(u.x * v.y - v.x * u.y) : float(double(u.x) * double(v.y) - double(v.x) * double(u.y));
    if (area == 0.0 || (area > 0.0 && materials[8 * f.w + TWO_SIDED] == 0.0)) return false;  // y runs down: < 0 from the front
    if (area < 0.0) {
        ivec2 other = s.b;
        s.b = s.c, s.c = other;
        other = u;
        u = v, v = other;
        float z = q.z;
        q.z = r.z, r.z = z;
        area = -area;
    }
    vec2 fu = vec2(u), fv = vec2(v);
    s.plane = vec3(p.z, vec2((q.z - p.z) * fv.y - (r.z - p.z) * fu.y, (r.z - p.z) * fu.x - (q.z - p.z) * fv.x) * (float(PART) / area));
    s.holes = materials[8 * f.w + CUTOUT] != 0.0;
    return true;
}

// An edge from `from` to `to`, at a point: >= 0 inside. One that runs up is a left one, one that runs right a top one: their
// points belong to the triangle. In 64 bits as floating numbers, which are whole ones up to 2^53.
int bias(ivec2 d) { return d.y < 0 || (d.y == 0 && d.x > 0) ? 0 : 1; }
int edge(ivec2 from, ivec2 to, ivec2 at) {
    ivec2 d = to - from, o = at - from;
    return d.x * o.y - d.y * o.x - bias(d);
}
bool inside(ivec2 from, ivec2 to, ivec2 at) {
    ivec2 d = to - from, o = at - from;
    return double(d.x) * double(o.y) - double(d.y) * double(o.x) >= double(bias(d));
}

// Whether an edge has any of the sample centres between `low` and `high` inside: the one farthest in decides.
bool reaches(ivec2 from, ivec2 to, ivec2 low, ivec2 high, bool small) {
    ivec2 d = to - from, at = ivec2(d.y < 0 ? high.x : low.x, d.x > 0 ? high.y : low.y);
    return small ? edge(from, to, at) >= 0 : inside(from, to, at);
}

// Whether a triangle whose box meets them may cover any of the samples between two (false is certain).
bool touches(Setup s, ivec2 first, ivec2 last) {
    ivec2 low = first * PART + PART / 2, high = last * PART + PART / 2;
    return reaches(s.b, s.c, low, high, s.small) && reaches(s.c, s.a, low, high, s.small) && reaches(s.a, s.b, low, high, s.small);
}
