// Writes the triangle's number + 1. Comes after common.glsl; HOLES is defined for materials with holes, whose test would cost
// the others their early depth test.

#ifdef HOLES
noperspective in vec3 spot;
#endif
layout(location = 0) out uint number;
uniform int first;  // triangle of the draw call

void main() {
#ifdef HOLES
    vec2 share;
    ivec4 texels = texel(spot.xy / spot.z, levels[triangles[first + gl_PrimitiveID].w], share);
    if (albedo_at(texels, share).a < 127.5) discard;
#endif
    number = uint(first + gl_PrimitiveID + 1);
}
