// Places the corners of a chunk's frames, each in a layer of its own. Comes after common.glsl.

uniform float samples;  // of half a frame's side: `size` of visibility.vert
uniform float nearest;
uniform int count;      // vertices of a frame
uniform int start;      // frame that the first layer is

#ifdef HOLES
noperspective out vec3 spot;  // u, v over the distance, and one over it: linear on the screen, as the distance's inverse is
#endif

void main() {
    int corner = gl_VertexID + (start + gl_InstanceID) * count;
    vec3 q = vertices[corner].screen_n.xyz;
    gl_Layer = gl_InstanceID;
    // No number where the corner drops its triangles: what has such a corner is not drawn. (Culling by distance would ask for
    // all three corners, clipping would leave a part.) Else as in visibility.vert.
    gl_Position = q.z == 0.0 ? vec4(uintBitsToFloat(0x7fc00000u)) : vec4(q.xy / samples - 1.0, 1.0 - 2.0 * nearest * q.z, 1.0);
#ifdef HOLES
    spot = vec3(vertices[corner].t_hand_u_v.zw, 1.0) * q.z;
#endif
}
