// Lights the frames of a chunk and writes them as the network takes them: FP16, folded. Comes after surface.glsl.
// Two pixels of a row at a time, as FP16 goes in pairs.

layout(local_size_x = 8, local_size_y = 8) in;

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

void main() {
    ivec3 at = ivec3(gl_GlobalInvocationID) * ivec3(2, 1, 1);
    if (at.x >= size || at.y >= size) return;
    int frame = start + at.z;
    float values[20];
    for (int k = 0; k < 2; k++) {
        ivec2 pixel = at.xy + ivec2(k, 0);
        int four[4];
#ifdef SORTED
        uvec4 held = found[(at.z * size + pixel.y) * size + pixel.x];
        for (int s = 0; s < 4; s++) four[s] = int(held[s]) - 1;
#else
        for (int s = 0; s < 4; s++) {
            ivec3 place = ivec3(2 * pixel + ivec2(s & 1, s >> 1), at.z);
            four[s] = texelFetch(depths, place, 0).r < drawn ? int(texelFetch(numbers, place, 0).r) - 1 : -1;
        }
#endif
        vec4 shaded, unlit;
        vec2 normal;
        resolve(pixel, frame * count, four, shaded, unlit, normal);
        shaded = rounded(shaded);
        unlit = rounded(unlit);
        normal = rounded(vec4(normal, 0.0, 0.0)).xy;
        for (int c = 0; c < 4; c++) values[2 * c + k] = shaded[c] / 255.0;
        for (int c = 0; c < 4; c++) values[8 + 2 * c + k] = unlit[c] / 255.0;
        for (int c = 0; c < 2; c++) values[16 + 2 * c + k] = (normal[c] - 128.0) / 127.0;
    }
    int side = size / fold, square = fold * fold;
    int to = ((frame * side + at.y / fold) * side + at.x / fold) * 10 * square + (at.y % fold) * fold + at.x % fold;
    for (int c = 0; c < 10; c++) folded[(to + c * square) >> 1] = packHalf2x16(vec2(values[2 * c], values[2 * c + 1]));
}
