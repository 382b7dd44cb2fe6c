// Sorts the triangles of a chunk's frames into tiles, in any order. x: triangles; y: frames. Comes after triangle.glsl.

layout(local_size_x = 128) in;

void main() {
    int t = int(gl_GlobalInvocationID.x), frame = int(gl_GlobalInvocationID.y);
    Setup s;
    if (t >= number || !set_up(t, (start + frame) * count, s)) return;
    int side = (2 * size + TILE - 1) / TILE;
    ivec4 tiles = s.box / TILE;
    bool one = tiles.xy == tiles.zw;
    for (int y = tiles.y; y <= tiles.w; y++) {
        for (int x = tiles.x; x <= tiles.z; x++) {
            ivec2 at = TILE * ivec2(x, y);
            if (!one && !touches(s, at, at + TILE - 1)) continue;
            int tile = (frame * side + y) * side + x, k = int(atomicAdd(counts[2 * tile + int(s.holes)], 1u));
            if (k < room) lists[tile * room + (s.holes ? room - 1 - k : k)] = t;  // of more only the number is kept
        }
    }
}
