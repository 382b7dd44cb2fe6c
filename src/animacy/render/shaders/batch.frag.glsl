// Writes the triangle's number + 1. Comes after common.glsl; HOLES is defined for materials with holes, whose test would cost
// the others their early depth test.

flat in int frame;
layout(location = 0) out uint number;
uniform int first;  // triangle of the draw call
uniform int count;

void main() {
    int triangle = first + gl_PrimitiveID;
#ifdef HOLES
    ivec4 t = triangles[triangle] + ivec4(ivec3(frame * count), 0);
    Vertex p = vertices[t.x], q = vertices[t.y], r = vertices[t.z];
    float area;
    vec4 s = shares(p.screen_n.xyz, q.screen_n.xyz, r.screen_n.xyz, gl_FragCoord.xy, area);
    vec2 uv = s.x * p.t_hand_u_v.zw + s.y * q.t_hand_u_v.zw + s.z * r.t_hand_u_v.zw, share;
    ivec4 texels = texel(uv, levels[t.w], share);
    if (albedo_at(texels, share).a < 127.5) discard;
#endif
    number = uint(triangle + 1);
}
