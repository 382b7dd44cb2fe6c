// Lights the frames of a strip. Comes after surface.glsl.

layout(binding = 0) uniform sampler2D numbers;

layout(location = 0) out vec4 shaded_out;
layout(location = 1) out vec4 unlit_out;
layout(location = 2) out vec2 normal_out;

void main() {
    ivec2 pixel = ivec2(gl_FragCoord.xy);
    int four[4];
    for (int s = 0; s < 4; s++) four[s] = int(texelFetch(numbers, 2 * pixel + ivec2(s & 1, s >> 1), 0).r + 0.5) - 1;
    resolve(ivec2(pixel.x, pixel.y % size), (pixel.y / size) * count, four, shaded_out, unlit_out, normal_out);
}
