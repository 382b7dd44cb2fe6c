#version 430 core
// What both passes read, laid out as shading.py's Scene; functions follow those of the same names in cpu.py.

struct Vertex {        // shading.py's columns, four at a time
    vec4 screen_n;     // x, y in samples, 1/w (0: drops its triangles), normal.x
    vec4 n_t;          // normal.yz, tangent.xy
    vec4 t_hand_u_v;   // tangent.z, handedness, u, v
    vec4 sun;          // share of the key light, three spare
};

layout(std430, binding = 0) readonly buffer Vertices { Vertex vertices[]; };
layout(std430, binding = 1) readonly buffer Triangles { ivec4 triangles[]; };  // three corners, material
layout(std430, binding = 2) readonly buffer Materials { float materials[]; };  // 8 each
layout(std430, binding = 3) readonly buffer Levels { ivec2 levels[]; };        // first texel and side, by material
layout(std430, binding = 4) readonly buffer Albedo { uint albedo[]; };         // RGBA, red in the lowest byte
layout(std430, binding = 5) readonly buffer Surface { uint surface[]; };

uniform int base;  // first vertex of the frame

const int KIND = 0, SPECULAR = 1, WRAP = 2, TWO_SIDED = 5, CUTOUT = 6, NEARBY = 7;

vec3 normal_of(Vertex p) { return vec3(p.screen_n.w, p.n_t.xy); }
vec3 tangent_of(Vertex p) { return vec3(p.n_t.zw, p.t_hand_u_v.x); }

// Perspective-correct shares of the corners at a point, and 1/w there; `area` is negative seen from the front.
vec4 shares(vec3 p, vec3 q, vec3 r, vec2 at, out float area) {
    vec2 u = q.xy - p.xy, v = r.xy - p.xy, d = at - p.xy;
    area = u.x * v.y - v.x * u.y;
    float b = (d.x * v.y - v.x * d.y) / area, c = (u.x * d.y - d.x * u.y) / area;
    vec3 s = vec3(1.0 - b - c, b, c) * vec3(p.z, q.z, r.z);
    float w = s.x + s.y + s.z;
    return vec4(s * (1.0 / w), w);
}

// The four texels about `uv` as indices, and the shares of the right and lower ones.
ivec4 texel(vec2 uv, ivec2 level, out vec2 share) {
    vec2 at = uv * float(level.y) - 0.5, corner = floor(at);
    share = at - corner;
    ivec2 a = ivec2(corner), b = min(a + 1, level.y - 1);
    a = clamp(a, ivec2(0), ivec2(level.y - 1));
    return level.x + ivec4(a.y * level.y + a.x, a.y * level.y + b.x, b.y * level.y + a.x, b.y * level.y + b.x);
}

vec4 bytes(uint x) { return vec4(x & 255u, (x >> 8) & 255u, (x >> 16) & 255u, x >> 24); }

vec4 blend(uint a, uint b, uint c, uint d, vec2 share) {
    vec4 upper = bytes(a) + (bytes(b) - bytes(a)) * share.x;
    vec4 lower = bytes(c) + (bytes(d) - bytes(c)) * share.x;
    return upper + (lower - upper) * share.y;
}

vec4 albedo_at(ivec4 t, vec2 share) { return blend(albedo[t.x], albedo[t.y], albedo[t.z], albedo[t.w], share); }
vec4 surface_at(ivec4 t, vec2 share) { return blend(surface[t.x], surface[t.y], surface[t.z], surface[t.w], share); }
