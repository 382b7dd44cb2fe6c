// Pictures to tensors and tensors to video. twins.py has each of these in NumPy.

// Where an element of a batch of FP16 pictures lies: frame, row, column and channel steps, in elements; folded by `fold`,
// a pixel is a block of fold x fold ones, whose channels lie in the order of pixel_unshuffle.
struct Layout {
    i64 frame, row, column, channel, fold;
};

// Where a pixel's first channel lies; the others follow at `next`.
__device__ __forceinline__ i64 at(const Layout& l, int b, int y, int x) {
    int fold = (int)l.fold;
    if (fold == 1) return b * l.frame + y * l.row + x * l.column;
    if (fold == 4)  // as the networks have it: without divisions
        return b * l.frame + (y >> 2) * l.row + (x >> 2) * l.column + ((y & 3) * 4 + (x & 3)) * l.channel;
    return b * l.frame + (y / fold) * l.row + (x / fold) * l.column + (y % fold * fold + x % fold) * l.channel;
}

__device__ __forceinline__ i64 next(const Layout& l) { return l.fold * l.fold * l.channel; }

// The source pixels that one of `to` output pixels covers of `from`, by area: first..last, and the share of each times `from`.
struct Cover {
    int first, last, begin, end, to;
    __device__ __forceinline__ float share(int i) const { return (float)(min((i + 1) * to, end) - max(i * to, begin)); }
};

__device__ __forceinline__ Cover cover(int i, int from, int to) {
    Cover c = {i * from / to, ((i + 1) * from - 1) / to, i * from, (i + 1) * from, to};
    return c;
}

// Between which two source pixels an output pixel lies, and the share of the second: pixel centres at one half, edges repeat.
struct Between {
    int first, second;
    float share;
};

__device__ __forceinline__ Between between(int i, int from, int to) {
    float x = ((float)i + 0.5f) * ((float)from / (float)to) - 0.5f;
    x = fminf(fmaxf(x, 0.0f), (float)(from - 1));
    int first = (int)x;
    Between b = {first, min(first + 1, from - 1), x - (float)first};
    return b;
}

// RGBA8, RGB8 or fewer channels -> crop, resize, normalise, FP16 in any layout. Grid: x, y: output pixels; z: frames.
//   source: row 0 of frame b begins at b * frame_step, a row every row_step, a pixel every pixel_step bytes
//   crops [B, 4]: left, top, width, height, within the source; scale_bias [2, channels]: y = x scale + bias of x in 0..255
//   method: 0 area, 1 bilinear
extern "C" __global__ void tensor(const u8* source, i64 frame_step, i64 row_step, int pixel_step, int channels,
                                  const int* crops, int width, int height, int method, const float* scale_bias,
                                  const Layout* layout, u16* out) {
    int x = blockIdx.x * blockDim.x + threadIdx.x, y = blockIdx.y * blockDim.y + threadIdx.y, b = blockIdx.z;
    if (x >= width || y >= height) return;
    const int* crop = crops + 4 * b;
    const u8* from = source + b * frame_step + crop[1] * row_step + (i64)crop[0] * pixel_step;
    int w = crop[2], h = crop[3];
    float sum[4] = {0.0f, 0.0f, 0.0f, 0.0f};
    if (method == 0) {
        Cover across = cover(x, w, width), down = cover(y, h, height);
        for (int j = down.first; j <= down.last; j++)
            for (int i = across.first; i <= across.last; i++) {
                float share = across.share(i) * down.share(j);
                const u8* p = from + j * row_step + (i64)i * pixel_step;
#pragma unroll
                for (int c = 0; c < 4; c++)
                    if (c < channels) sum[c] += share * (float)p[c];
            }
#pragma unroll
        for (int c = 0; c < 4; c++) sum[c] /= (float)w * (float)h;
    } else {
        Between across = between(x, w, width), down = between(y, h, height);
        const u8 *upper = from + down.first * row_step, *lower = from + down.second * row_step;
        i64 left = (i64)across.first * pixel_step, right = (i64)across.second * pixel_step;
#pragma unroll
        for (int c = 0; c < 4; c++) {
            if (c >= channels) break;
            float a = upper[left + c], d = lower[left + c];
            a += ((float)upper[right + c] - a) * across.share;
            d += ((float)lower[right + c] - d) * across.share;
            sum[c] = a + (d - a) * down.share;
        }
    }
    Layout l = *layout;
    u16* to = out + at(l, b, y, x);
    i64 step = next(l);
#pragma unroll
    for (int c = 0; c < 4; c++)
        if (c < channels) to[c * step] = to_half(sum[c] * scale_bias[c] + scale_bias[channels + c]);
}

// What a network painted, as bytes: clamped, colours never above alpha. What is no number counts as 0. With `base`, what it is
// a correction to is added first: the network's own input.
struct Painted {
    const u16* picture;
    Layout layout;
    const u16* base;
    Layout base_layout;
};

struct Bytes {
    int r, g, b, a;
};

__device__ __forceinline__ Bytes painted(const Painted& p, int b, int y, int x) {
    float v[4];
    const u16 *picture = p.picture + at(p.layout, b, y, x), *base = p.base;
    i64 step = next(p.layout), base_step = 0;
    if (base) base += at(p.base_layout, b, y, x), base_step = next(p.base_layout);
    for (int c = 0; c < 4; c++) {
        v[c] = from_half(picture[c * step]);
        if (base) v[c] += from_half(base[c * base_step]);
        v[c] = v[c] > 0.0f ? v[c] : 0.0f;
    }
    float a = fminf(v[3], 1.0f);
    Bytes out = {(int)(fminf(v[0], a) * 255.0f + 0.5f), (int)(fminf(v[1], a) * 255.0f + 0.5f),
                 (int)(fminf(v[2], a) * 255.0f + 0.5f), (int)(a * 255.0f + 0.5f)};
    return out;
}

// FP16 as a network paints it -> faces [B, H, W] RGBA8, premultiplied. Grid: x, y: pixels; z: frames.
extern "C" __global__ void paint(const u16* picture, const Layout* layout, const u16* base, const Layout* base_layout,
                                 int width, int height, u32* out) {
    int x = blockIdx.x * blockDim.x + threadIdx.x, y = blockIdx.y * blockDim.y + threadIdx.y, b = blockIdx.z;
    if (x >= width || y >= height) return;
    Painted p = {picture, *layout, base, *base_layout};
    Bytes v = painted(p, b, y, x);
    out[((i64)b * height + y) * width + x] = (u32)v.r | (u32)v.g << 8 | (u32)v.b << 16 | (u32)v.a << 24;
}

// Over the background, as send/yuv.py does it.
__device__ __forceinline__ vec composed(const Painted& p, const u8* background, int width, int b, int y, int x) {
    Bytes v = painted(p, b, y, x);
    const u8* behind = background + 3 * ((i64)y * width + x);
    int rest = 255 - v.a;
    return make((float)min(255, v.r + (behind[0] * rest + 127) / 255), (float)min(255, v.g + (behind[1] * rest + 127) / 255),
                (float)min(255, v.b + (behind[2] * rest + 127) / 255));
}

// FP16 as a network paints it -> over a background, resize, NV12 or I420. Grid: x, y: blocks of 2x2 output pixels; z: frames.
//   background [height, width, 3], of the picture's size; out_width, out_height: of the video, odd ones too
//   out: row r of frame b's luma begins at b * frame_step + r * luma_step; chroma, likewise by chroma_step, cb or cr bytes
//   farther on, a pixel every `apart` bytes (NV12: 2, with cr = cb + 1; I420: 1); matrix [12]: as `matrix` in convert.py
//   method: 0 area, 1 bilinear
extern "C" __global__ void video(const u16* picture, const Layout* layout, const u16* base, const Layout* base_layout,
                                 int width, int height, const u8* background, int out_width, int out_height, int method,
                                 const int* matrix, u8* out, i64 frame_step, i64 luma_step, i64 chroma_step, i64 cb, i64 cr,
                                 int apart) {
    int column = blockIdx.x * blockDim.x + threadIdx.x, row = blockIdx.y * blockDim.y + threadIdx.y, b = blockIdx.z;
    if (2 * column >= out_width || 2 * row >= out_height) return;
    Painted p = {picture, *layout, base, *base_layout};
    int m[12];  // a copy, as what is written below might be the matrix for all that the compiler knows
    for (int i = 0; i < 12; i++) m[i] = matrix[i];
    int sum_r = 0, sum_g = 0, sum_b = 0, count = 0;
    for (int k = 0; k < 4; k++) {
        int x = 2 * column + (k & 1), y = 2 * row + (k >> 1);
        if (x >= out_width || y >= out_height) continue;  // an odd side: the chroma of what is there
        vec v = make(0.0f, 0.0f, 0.0f);
        if (out_width == width && out_height == height) {
            v = composed(p, background, width, b, y, x);
        } else if (method == 0) {
            Cover across = cover(x, width, out_width), down = cover(y, height, out_height);
            for (int j = down.first; j <= down.last; j++)
                for (int i = across.first; i <= across.last; i++)
                    v = v + (across.share(i) * down.share(j)) * composed(p, background, width, b, j, i);
            v = (1.0f / ((float)width * (float)height)) * v;
        } else {
            Between across = between(x, width, out_width), down = between(y, height, out_height);
            vec upper = composed(p, background, width, b, down.first, across.first);
            vec lower = composed(p, background, width, b, down.second, across.first);
            upper = upper + across.share * (composed(p, background, width, b, down.first, across.second) - upper);
            lower = lower + across.share * (composed(p, background, width, b, down.second, across.second) - lower);
            v = upper + down.share * (lower - upper);
        }
        int red = (int)(v.x + 0.5f), green = (int)(v.y + 0.5f), blue = (int)(v.z + 0.5f);
        int value = m[0] + ((m[1] * red + m[2] * green + m[3] * blue + (1 << 15)) >> 16);
        out[b * frame_step + y * luma_step + x] = (u8)min(max(value, 0), 255);
        sum_r += red, sum_g += green, sum_b += blue, count++;
    }
    int bits = count == 4 ? 18 : count == 2 ? 17 : 16, half = 1 << (bits - 1);
    int u = m[4] + ((m[5] * sum_r + m[6] * sum_g + m[7] * sum_b + half) >> bits);
    int v = m[8] + ((m[9] * sum_r + m[10] * sum_g + m[11] * sum_b + half) >> bits);
    i64 to = b * frame_step + row * chroma_step + (i64)column * apart;
    out[cb + to] = (u8)min(max(u, 0), 255);
    out[cr + to] = (u8)min(max(v, 0), 255);
}
