// Writes the triangle's number + 1; 0 stays where nothing is drawn. A float holds every number up to 2^24.

flat in int triangle;
layout(location = 0) out float number;
uniform bool cutout;
uniform float top;  // first row of the frame in the strip of frames

void main() {
    if (cutout) {
        ivec4 t = triangles[triangle];
        Vertex p = vertices[t.x + base], q = vertices[t.y + base], r = vertices[t.z + base];
        float area;
        vec4 s = shares(p.screen_n.xyz, q.screen_n.xyz, r.screen_n.xyz, gl_FragCoord.xy - vec2(0.0, top), area);
        vec2 uv = s.x * p.t_hand_u_v.zw + s.y * q.t_hand_u_v.zw + s.z * r.t_hand_u_v.zw, share;
        ivec4 texels = texel(uv, levels[t.w], share);
        if (albedo_at(texels, share).a < 127.5) discard;
    }
    number = float(triangle + 1);
}
