// Lights the frames of a chunk and writes them as the network takes them: FP16, folded. Comes after surface.glsl.
// A group sees 16x8 pixels. FP16 goes in pairs: an invocation lights two pixels of a row, or, with ALONE, one, and then writes half
// of the channels of two that the group has kept.

#ifdef ALONE
layout(local_size_x = 128) in;
shared float kept[10][128];
#else
layout(local_size_x = 8, local_size_y = 8) in;
#endif

layout(std430, binding = 7) writeonly buffer Folded { uint folded[]; };  // [B, S/F, S/F, 10, F, F] halves
#ifdef SORTED
layout(std430, binding = 10) readonly buffer Found { uvec4 found[]; };  // as nearest.comp writes it
#else
layout(binding = 0) uniform usampler2DArray numbers;
layout(binding = 1) uniform sampler2DArray depths;
uniform float drawn;  // what this chunk drew is nearer than that; the numbers elsewhere are of chunks before
#endif
uniform int start;    // frame that the first layer is
uniform int fold;

vec4 rounded(vec4 x) { return floor(clamp(x, 0.0, 1.0) * 255.0 + 0.5); }  // as an image of 8 bits would hold it

int[4] numbers_at(ivec2 pixel, int layer) {
    int four[4];
#ifdef SORTED
    uvec4 held = found[(layer * size + pixel.y) * size + pixel.x];
    for (int s = 0; s < 4; s++) four[s] = int(held[s]) - 1;
#else
    for (int s = 0; s < 4; s++) {
        ivec3 place = ivec3(2 * pixel + ivec2(s & 1, s >> 1), layer);
        four[s] = texelFetch(depths, place, 0).r < drawn ? int(texelFetch(numbers, place, 0).r) - 1 : -1;
    }
#endif
    return four;
}

// The ten channels of a pixel.
float[10] channels(ivec2 pixel, int layer) {
    vec4 shaded, unlit;
    vec2 normal;
    resolve(pixel, (start + layer) * count, numbers_at(pixel, layer), shaded, unlit, normal);
    shaded = rounded(shaded) / 255.0;
    unlit = rounded(unlit) / 255.0;
    normal = (rounded(vec4(normal, 0.0, 0.0)).xy - 128.0) / 127.0;
    return float[10](shaded.r, shaded.g, shaded.b, shaded.a, unlit.r, unlit.g, unlit.b, unlit.a, normal.x, normal.y);
}

// Where channel 0 of a pixel goes, in halves.
int place_of(ivec2 at, int layer) {
    int side = size / fold;
    return (((start + layer) * side + at.y / fold) * side + at.x / fold) * 10 * fold * fold + (at.y % fold) * fold + at.x % fold;
}

void main() {
    int layer = int(gl_WorkGroupID.z), square = fold * fold;
    ivec2 corner = ivec2(16, 8) * ivec2(gl_WorkGroupID.xy);
#ifdef ALONE
    int mine = int(gl_LocalInvocationIndex);
    ivec2 at = ivec2((mine >> 5 & 1) * 8 + (mine & 7), (mine >> 6) * 4 + (mine >> 3 & 3));  // 32 that run together see 8x4
    if (all(lessThan(corner + at, ivec2(size)))) {
        float[10] lit = channels(corner + at, layer);
        for (int c = 0; c < 10; c++) kept[c][16 * at.y + at.x] = lit[c];
    }
    barrier();
    ivec2 two = ivec2(2 * (mine & 7), mine >> 3 & 7);
    if (any(greaterThanEqual(corner + two, ivec2(size)))) return;
    int to = place_of(corner + two, layer), from = 16 * two.y + two.x, half_ = 5 * (mine >> 6);
    for (int c = half_; c < half_ + 5; c++) folded[(to + c * square) >> 1] = packHalf2x16(vec2(kept[c][from], kept[c][from + 1]));
#else
    ivec2 at = corner + ivec2(2, 1) * ivec2(gl_LocalInvocationID.xy);
    if (any(greaterThanEqual(at, ivec2(size)))) return;
    float[10] left = channels(at, layer), right = channels(at + ivec2(1, 0), layer);
    int to = place_of(at, layer);
    for (int c = 0; c < 10; c++) folded[(to + c * square) >> 1] = packHalf2x16(vec2(left[c], right[c]));
#endif
}
