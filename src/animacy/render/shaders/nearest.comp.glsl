// Finds the nearest triangle of each sample of a tile, four samples an invocation: `nearest` of gpu/picture.cu. What is found does
// not depend on the order of triangles. x, y: tiles; z: frames of a chunk. Comes after triangle.glsl.

layout(local_size_x = 256) in;

layout(std430, binding = 10) writeonly buffer Found { uvec4 found[]; };  // [frames, S, S] of a pixel's samples, 0 1 above 2 3

const int BATCH = 128;           // triangles that are looked at at a time
const int WARP = 32, WARPS = 8;  // invocations that run together, mostly, see 8x4 pixels: they pass over what these do not meet

// A triangle as the tile's samples want it: its edges' values at the tile's first one, and what they grow by from one to the next.
shared ivec4 at_first[BATCH];  // and its number
shared ivec4 to_right[BATCH];  // and 1/w at corner 0
shared ivec4 to_below[BATCH];  // and its slope
shared ivec4 others[BATCH];    // corner 0 from the tile's first sample; 1 holes, 2 small; 1/w's slope down
shared uint meets[WARPS][BATCH / 32];

void ready(int mine, int t, int first, ivec2 corner) {
    Setup s;
    if (!set_up(t, first, s)) return;
    ivec4 box = ivec4(max(s.box.xy - corner, ivec2(0)), min(s.box.zw - corner, ivec2(TILE - 1)));
    if (any(greaterThan(box.xy, box.zw))) return;
    ivec2 p = corner * PART + PART / 2;
    ivec3 at = ivec3(0), right = ivec3(0), below = ivec3(0);
    if (s.small) {  // of large ones they are not used
        at = ivec3(edge(s.b, s.c, p), edge(s.c, s.a, p), edge(s.a, s.b, p));
        right = -PART * ivec3(s.c.y - s.b.y, s.a.y - s.c.y, s.b.y - s.a.y);
        below = PART * ivec3(s.c.x - s.b.x, s.a.x - s.c.x, s.b.x - s.a.x);
    }
    ivec3 far_right = 15 * max(right, ivec3(0)), far_below = 7 * max(below, ivec3(0));
    for (int w = 0; w < WARPS; w++) {
        ivec2 from = ivec2(16 * (w & 1), 8 * (w >> 1));
        ivec3 most = at + from.x * right + far_right + from.y * below + far_below;  // at the samples that are farthest in
        if (all(lessThanEqual(box.xy, from + ivec2(15, 7))) && all(greaterThanEqual(box.zw, from))
            && (most.x | most.y | most.z) >= 0)
            atomicOr(meets[w][mine >> 5], 1u << (mine & 31));
    }
    at_first[mine] = ivec4(at, t);
    to_right[mine] = ivec4(right, floatBitsToInt(s.plane.x));
    to_below[mine] = ivec4(below, floatBitsToInt(s.plane.y));
    others[mine] = ivec4(s.a - p, int(s.holes) + 2 * int(s.small), floatBitsToInt(s.plane.z));
}

// Which of a pixel's samples lie inside: a bit each.
int covered(ivec4 at, ivec3 right, ivec3 below, ivec2 pixel) {
    ivec3 a = at.xyz + pixel.x * right + pixel.y * below, b = a + right, c = a + below, d = b + below;
    return int((a.x | a.y | a.z) >= 0) | int((b.x | b.y | b.z) >= 0) << 1 | int((c.x | c.y | c.z) >= 0) << 2
        | int((d.x | d.y | d.z) >= 0) << 3;
}

int covered_by_large(int t, int first, ivec2 sample_) {
    Setup s;
    set_up(t, first, s);
    int found = 0;
    for (int i = 0; i < 4; i++) {
        ivec2 at = (sample_ + ivec2(i & 1, i >> 1)) * PART + PART / 2;
        found |= int(inside(s.b, s.c, at) && inside(s.c, s.a, at) && inside(s.a, s.b, at)) << i;
    }
    return found;
}

bool solid(int t, int first, vec2 at) {
    ivec4 f = triangles[t];
    Vertex p = vertices[first + f.x], q = vertices[first + f.y], r = vertices[first + f.z];
    float area;
    vec4 s = shares(p.screen_n.xyz, q.screen_n.xyz, r.screen_n.xyz, at, area);
    vec2 part;
    ivec4 texels = texel(s.x * p.t_hand_u_v.zw + s.y * q.t_hand_u_v.zw + s.z * r.t_hand_u_v.zw, levels[f.w], part);
    return albedo_at(texels, part).a >= 127.5;
}

void main() {
    int mine = int(gl_LocalInvocationIndex), warp = mine / WARP, lane = mine % WARP;
    int frame = int(gl_WorkGroupID.z), first = (start + frame) * count;
    int tile = (frame * int(gl_NumWorkGroups.y) + int(gl_WorkGroupID.y)) * int(gl_NumWorkGroups.x) + int(gl_WorkGroupID.x);
    ivec2 corner = TILE * ivec2(gl_WorkGroupID.xy), pixel = 2 * ivec2((warp & 1) * 8 + (lane & 7), (warp >> 1) * 4 + (lane >> 3));
    int without = int(counts[2 * tile]), with = int(counts[2 * tile + 1]), total = without + with;
    bool listed = total <= room;  // of lists that are full all triangles are looked at
    if (!listed) total = number;
    memoryBarrierBuffer();
    barrier();
    if (mine < 2) counts[2 * tile + mine] = 0u;  // for the next chunk, once all have read it

    vec4 nearest = vec4(0.0);
    ivec4 held = ivec4(-1);
    for (int from = 0; from < total; from += BATCH) {
        if (mine < WARPS * (BATCH / 32)) meets[mine / (BATCH / 32)][mine % (BATCH / 32)] = 0u;
        barrier();
        int k = from + mine;
        if (mine < BATCH && k < total)
            ready(mine, listed ? lists[tile * room + (k < without ? k : room - 1 - (k - without))] : k, first, corner);
        barrier();
        for (int word = 0; word < BATCH / 32; word++) {
            for (uint left = meets[warp][word]; left != 0u; left &= left - 1u) {
                int now = 32 * word + findLSB(left);
                ivec4 at = at_first[now], right = to_right[now], below = to_below[now], other = others[now];
                int inside_ = (other.z & 2) != 0 ? covered(at, right.xyz, below.xyz, pixel) : covered_by_large(at.w, first, corner + pixel);
                if (inside_ == 0) continue;
                vec2 slope = vec2(intBitsToFloat(below.w), intBitsToFloat(other.w)), o = vec2(pixel * PART - other.xy);
                float w = intBitsToFloat(right.w) + (o.x * slope.x + o.y * slope.y) * (1.0 / float(PART));
                vec4 offered = vec4(w, w + slope.x, w + slope.y, w + slope.x + slope.y);
                for (int i = 0; i < 4; i++) {
                    // Of equally near ones the first, in whatever order they come.
                    bool wins = (inside_ >> i & 1) != 0 && (offered[i] > nearest[i] || (offered[i] == nearest[i] && at.w < held[i]));
                    if (wins && (other.z & 1) != 0) wins = solid(at.w, first, vec2(corner + pixel + ivec2(i & 1, i >> 1)) + 0.5);
                    if (wins) {
                        nearest[i] = offered[i];
                        held[i] = at.w;
                    }
                }
            }
        }
        barrier();
    }
    ivec2 to = (corner + pixel) / 2;
    if (to.x < size && to.y < size) found[(frame * size + to.y) * size + to.x] = uvec4(held + 1);
}
