// Places corner gl_VertexID % 3 of triangle gl_VertexID / 3. Rows run down in memory, so y needs no turning.

uniform float size;
uniform float nearest;

flat out int triangle;

void main() {
    triangle = gl_VertexID / 3;
    ivec3 corners = triangles[triangle].xyz + base;
    vec3 p[3] = vec3[3](vertices[corners.x].screen_n.xyz, vertices[corners.y].screen_n.xyz, vertices[corners.z].screen_n.xyz);
    if (p[0].z == 0.0 || p[1].z == 0.0 || p[2].z == 0.0) {
        gl_Position = vec4(2.0, 2.0, 2.0, 1.0);  // all three corners: the triangle is dropped
        return;
    }
    vec3 q = p[gl_VertexID % 3];
    // w = 1: positions are already divided, so that corners lie where the CPU snapped them; depth is linear in 1/w.
    gl_Position = vec4(q.xy / size - 1.0, 1.0 - 2.0 * nearest * q.z, 1.0);
}
