// Lights the surfaces of a pixel: _resolve and _light of cpu.py.

layout(std430, binding = 6) readonly buffer Lights { float lights[]; };  // 12 each: direction, colour, softbox sides
uniform int size;      // pixels of a frame
uniform int count;     // vertices of a frame
uniform int lamps;
uniform mat3 ambient;  // columns: up, sky, ground
uniform vec3 lens;     // focal length in samples, near, far

const float SKIN = 0.0, EYE = 1.0, HAIR = 3.0, CLOTH = 4.0;

vec3 unit(vec3 v) { return v * (1.0 / sqrt(max(dot(v, v), 1e-20))); }
float fifth(float x) { return x * x * x * x * x; }
vec3 linear(vec3 x) { return x * (0.01252184 + x * (0.68217412 + x * 0.30530405)); }

float srgb(float x) {
    if (x < 0.0031308) return 12.92 * max(x, 0.0);
    float p = sqrt(x), q = sqrt(p);
    return 0.64305355 * p + 0.71175588 * q - 0.33683294 * sqrt(q) - 0.01797649 * x;
}

vec3 film(vec3 c) {
    float peak = max(max(c.r, c.g), c.b);
    if (peak > 0.6) {
        float top = 1.0 - 0.16 / (peak - 0.2);
        c *= top / peak;
        c += (top - c) * (1.0 - 1.0 / (1.0 + 0.25 * (peak - top)));
    }
    return c;
}

vec3 bounced(float o, vec3 a) {
    vec3 p = 2.0404 * a - 0.3324, q = -4.7951 * a + 0.6417, r = 2.7552 * a + 0.6903;
    return max(vec3(o), ((o * p + q) * o + r) * o);
}

float lobe(float nh2, float lh2, float rough) {
    float a2 = max(rough * rough, 0.02);
    a2 *= a2;
    float d = nh2 * (a2 - 1.0) + 1.0;
    return a2 / (d * d * 4.0 * max(lh2, 0.1) * (rough + 0.5));
}

float highlight(float tlv, float lh2, int power) {
    float base = max(1.0 - tlv * tlv / (4.0 * lh2), 0.0), value = 1.0;
    while (power > 0) {
        if ((power & 1) == 1) value *= base;
        base *= base;
        power >>= 1;
    }
    return value;
}

float edge(float inside) {
    float x = clamp(inside * 12.5 + 0.5, 0.0, 1.0);
    return x * x * (3.0 - 2.0 * x);
}

vec3 light(int m, vec3 n, vec3 g, vec3 t, vec3 v, vec3 a, float rough, float open, float sun) {
    float kind = materials[8 * m + KIND], f0 = materials[8 * m + SPECULAR];
    vec3 w = vec3(materials[8 * m + WRAP], materials[8 * m + WRAP + 1], materials[8 * m + WRAP + 2]);
    vec3 up = ambient[0], sky = ambient[1], ground = ambient[2];
    float nv = clamp(dot(n, v), 0.0, 1.0);
    vec3 diffuse = (ground + (sky - ground) * (0.5 + 0.5 * dot(n, up))) * bounced(open, a);

    vec3 gn = kind != EYE ? n : g;
    float gv = clamp(dot(gn, v), 0.0, 1.0);
    vec3 m_dir = 2.0 * gv * gn - v;
    float smooth_ = kind != EYE ? 1.0 - rough : 1.0;
    float mirror = (f0 + (max(smooth_, f0) - f0) * fifth(1.0 - gv)) * open;
    if (kind == HAIR || kind == CLOTH) mirror *= 0.3;
    vec3 specular = mirror * (ground + (sky - ground) * (0.5 + 0.5 * dot(m_dir, up)));

    vec3 lean1 = unit(t - 0.12 * g), lean2 = unit(t + 0.16 * g);
    float root = sqrt(sun);
    vec3 energy = 1.0 / ((1.0 + w) * (1.0 + w));
    for (int q = 0; q < lamps; q++) {
        int at = 12 * q;
        vec3 l = vec3(lights[at], lights[at + 1], lights[at + 2]), c = vec3(lights[at + 3], lights[at + 4], lights[at + 5]);
        float shadow = q == 0 ? sun : open, soft = q == 0 ? root - sun : 0.0;
        float nl = dot(n, l), gl = dot(g, l);
        vec3 e = max(nl + (gl - nl) * min(1.5 * w, vec3(1.0)) + w, vec3(0.0)) * energy;
        if (kind == HAIR) {
            float tl = dot(t, l);
            e = 0.6 * sqrt(max(1.0 - tl * tl, 0.0)) * max(nl + 0.5, 0.0) * (1.0 / 1.5) + 0.4 * e;
        }
        diffuse += c * (shadow + soft * w) * e;
        float lh2 = max(0.5 + 0.5 * dot(l, v), 1e-4);
        if (kind == HAIR) {
            float face = f0 * shadow * max(gl + 0.35, 0.0) * (1.0 / 1.35);
            float first = face * 3.5 * highlight(dot(lean1, l) + dot(lean1, v), lh2, 60);
            float second = face * 7.0 * highlight(dot(lean2, l) + dot(lean2, v), lh2, 10);
            specular += c * (first + second * sqrt(a));
        } else if (kind == EYE) {
            float ahead = dot(m_dir, l);
            if (ahead > 0.3) {
                float size = q == 0 ? 1.0 : 0.5;
                float across = abs(dot(m_dir, vec3(lights[at + 6], lights[at + 7], lights[at + 8]))) / ahead;
                float along = abs(dot(m_dir, vec3(lights[at + 9], lights[at + 10], lights[at + 11]))) / ahead;
                float box = edge(0.20 * size - across) * edge(0.34 * size - along);
                specular += c * (22.0 * box * max(shadow, 0.3) * (f0 + (1.0 - f0) * fifth(1.0 - gv)));
            }
        } else if (kind != CLOTH && nl > 0.0) {
            float nh2 = (nl + nv) * (nl + nv) / (4.0 * lh2);
            float d = kind == SKIN ? 0.8 * lobe(nh2, lh2, rough) + 0.2 * lobe(nh2, lh2, 0.6 * rough) : lobe(nh2, lh2, rough);
            specular += c * ((q == 0 ? sun : open * open * root) * nl * d * (f0 + (1.0 - f0) * fifth(1.0 - sqrt(lh2))));
        }
    }
    if (kind == CLOTH) {
        float sheen = 1.0 - nv;
        specular += 0.35 * sheen * sheen * sheen * sqrt(a) * diffuse;
    }
    return film(a * diffuse + specular);
}

struct Patch {
    vec3 n, t;
    vec2 uv;
    float sun, depth, samples, hand;
    int material;
};

// Adds to an empty patch the first of the samples `left` (a bit each) and all that are of its surface; the others stay.
Patch surface_of(inout int left, ivec2 at, int first, int four[4]) {
    Patch patch_ = Patch(vec3(0.0), vec3(0.0), vec2(0.0), 0.0, 0.0, 0.0, 0.0, -1);
    int later = 0;
    while (left != 0) {
        int s = findLSB(left), f = s < 2 ? (s == 0 ? four[0] : four[1]) : (s == 2 ? four[2] : four[3]), same = 0;
        for (int t = 0; t < 4; t++) same |= int(four[t] == f) << t;
        left &= ~same;
        float n = float(bitCount(same));
        vec2 p = 2.0 * vec2(at) + 0.5 + vec2(bitCount(same & 10), bitCount(same & 12)) / n;
        ivec4 corners = triangles[f];
        Vertex i = vertices[first + corners.x], j = vertices[first + corners.y], k = vertices[first + corners.z];
        float area, total = patch_.samples;
        vec4 share = shares(i.screen_n.xyz, j.screen_n.xyz, k.screen_n.xyz, p, area);
        vec2 uv = share.x * i.t_hand_u_v.zw + share.y * j.t_hand_u_v.zw + share.z * k.t_hand_u_v.zw;
        if (total == 0.0) {
            patch_.material = corners.w;
            patch_.hand = i.t_hand_u_v.y;
        } else {
            float nearby = materials[8 * corners.w + NEARBY] * total;
            if (patch_.material != corners.w || !all(lessThan(abs(patch_.uv - uv * total), vec2(nearby)))) {
                later |= same;
                continue;
            }
        }
        patch_.n += (area < 0.0 ? n : -n) * (share.x * normal_of(i) + share.y * normal_of(j) + share.z * normal_of(k));
        patch_.t += n * (share.x * tangent_of(i) + share.y * tangent_of(j) + share.z * tangent_of(k));
        patch_.uv += n * uv;
        patch_.sun += n * (share.x * i.sun.x + share.y * j.sun.x + share.z * k.sun.x);
        patch_.depth += n * clamp((lens.z - 1.0 / share.w) / (lens.z - lens.y), 0.0, 1.0);
        patch_.samples += n;
    }
    left = later;
    return patch_;
}

// The pixel `at` of a frame whose vertices begin at `first`; `four`: its samples' triangles, -1 where there is none.
void resolve(ivec2 at, int first, int four[4], out vec4 shaded, out vec4 unlit, out vec2 normal) {
    shaded = unlit = vec4(0.0);
    normal = vec2(128.0 / 255.0);
    int left = 0;
    for (int s = 0; s < 4; s++) left |= int(four[s] >= 0) << s;
    if (left == 0) return;

    vec3 v = unit(vec3(float(size - 2 * at.x - 1), float(2 * at.y + 1 - size), lens.x));
    vec3 lit = vec3(0.0), flat_ = vec3(0.0);
    vec2 sideways = vec2(0.0);
    float depth = 0.0, covered = float(bitCount(left));
    while (left != 0) {
        Patch p = surface_of(left, at, first, four);
        vec2 part;
        ivec4 texels = texel(p.uv / p.samples, levels[p.material], part);
        vec3 a = albedo_at(texels, part).rgb * (1.0 / 255.0);
        vec4 detail = surface_at(texels, part);
        vec2 bump = (detail.xy - 128.0) * (1.0 / 127.0);
        vec3 smooth_n = unit(p.n);
        vec3 t = unit(p.t - dot(smooth_n, p.t) * smooth_n);
        vec3 b = p.hand * cross(smooth_n, t);
        vec3 n = unit(bump.x * t + bump.y * b + sqrt(max(1.0 - dot(bump, bump), 0.04)) * smooth_n);
        lit += p.samples
            * light(p.material, n, smooth_n, t, v, linear(a), detail.z * (1.0 / 255.0), detail.w * (1.0 / 255.0), p.sun / p.samples);
        flat_ += p.samples * a;
        sideways += p.samples * n.xy;
        depth += p.depth;
    }
    float share = covered * 0.25;
    lit /= covered;
    shaded = vec4(vec3(srgb(lit.r), srgb(lit.g), srgb(lit.b)) * share, share);
    unlit = vec4(flat_, depth) * 0.25;
    normal = (128.0 + 127.0 / 4.0 * sideways) / 255.0;
}
