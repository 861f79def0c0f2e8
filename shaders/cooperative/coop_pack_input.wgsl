// needs: view window_params grid halves padding
// output[n,g,b,e,c] = f16(input[n, g*CPG + 32*b + c, e*stride - pad] * 2^exponents[n]),   c < 32
//
// The input in the order in which cooperative matrices read it: blocks of 32 channels, filled up with zeros, that lie together for each
// pixel, pixels with their padding, whatever its mode. `output_size` is the padded image's. SCALED says that an image is scaled by its
// peak, the largest of PARTS peaks of its parts; else the data are f16 and stay as they are.
// A workgroup turns 64 pixels of a block: neighbours load neighbouring pixels, and store neighbouring channels.
// Dispatch: batch * groups * blocks * ceil(pixels / 64) workgroups, folded.
// Prelude: PARTS, SCALED, PADDING_MODE.

@group(0) @binding(1) var<storage, read> input: array<f32>;
@group(0) @binding(2) var<storage, read> peaks: array<f32>;
@group(0) @binding(3) var<storage, read_write> output: array<vec4<f16>>;
@group(0) @binding(4) var<storage, read_write> exponents: array<f32>;

const PIXELS: u32 = 64u;
// Vec4s of a block, and their pitch, which spreads pixels over banks.
const QUADS: u32 = 8u;
const PITCH: u32 = QUADS + 1u;
const N_INVOCATIONS: u32 = 256u;
const_assert PARTS <= N_INVOCATIONS;

var<workgroup> sh_pixels: array<vec4<f16>, PIXELS * PITCH>;
var<workgroup> sh_peak: atomic<u32>;

// Four channels of one pixel, scaled; zeros beyond the last channel. `start` is that of the group's channel 0.
fn quad_at(start: u32, exists: bool, channel: u32, factor: f32) -> vec4<f16> {
    let n_channels = select(0u, params.c_in / params.groups, exists);
    let channels = vec4<u32>(channel) + vec4<u32>(0u, 1u, 2u, 3u);
    let inside = channels < vec4<u32>(n_channels);
    let ix = select(vec4<u32>(params.input.base), start + channels * params.input.c, inside);
    let loaded = vec4<f32>(load_input(ix.x), load_input(ix.y), load_input(ix.z), load_input(ix.w));
    let quad = select(vec4<f32>(), loaded, inside);
    if SCALED {
        return vec4<f16>(high_part(quad * factor));
    }
    return vec4<f16>(quad);
}

@compute @workgroup_size(N_INVOCATIONS)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) local_ix: u32,
) {
    let n_channels = params.c_in / params.groups;
    let n_blocks = (n_channels + 4u * QUADS - 1u) / (4u * QUADS);
    let n_pixels = params.output_size.x * params.output_size.y * params.output_size.z;
    let n_tiles = (n_pixels + PIXELS - 1u) / PIXELS;
    let tile = linear_workgroup(workgroup, grid);
    let first = tile % n_tiles * PIXELS;
    let block = tile / n_tiles % n_blocks;
    let group = tile / n_tiles / n_blocks % params.groups;
    let n = tile / n_tiles / n_blocks / params.groups;
    // Uniform per workgroup, so the barriers below are reached by all or none.
    if n >= params.batch {
        return;
    }
    var factor = 1.0;
    if SCALED {
        if local_ix == 0u {
            atomicStore(&sh_peak, 0u);
        }
        workgroupBarrier();
        if local_ix < PARTS {
            atomicMax(&sh_peak, bitcast<u32>(peaks[n * PARTS + local_ix]));
        }
        workgroupBarrier();
        let exponent = scale_of(atomicLoad(&sh_peak));
        factor = power_of_two(exponent);
        if local_ix == 0u && tile % (n_tiles * n_blocks * params.groups) == 0u {
            exponents[n] = f32(exponent);
        }
    }

    let pixel = local_ix % PIXELS;
    let quad = local_ix / PIXELS;
    let e = unravel(min(first + pixel, n_pixels - 1u), params.output_size);
    let p = vec3<i32>(e * params.stride) - vec3<i32>(params.pad_begin);
    let d = padded_coordinate(p.x, i32(params.input_size.x));
    let h = padded_coordinate(p.y, i32(params.input_size.y));
    let w = padded_coordinate(p.z, i32(params.input_size.z));
    let exists = d != OUTSIDE && h != OUTSIDE && w != OUTSIDE;
    let start = view_index(params.input, n, group * n_channels, vec3<u32>(u32(d), u32(h), u32(w)));
    let channel = 4u * (block * QUADS + quad);
    sh_pixels[pixel * PITCH + quad] = quad_at(start, exists, channel, factor);
    sh_pixels[pixel * PITCH + quad + QUADS / 2u] = quad_at(start, exists, channel + 2u * QUADS, factor);
    workgroupBarrier();
    for (var i = local_ix; i < PIXELS * QUADS; i += N_INVOCATIONS) {
        if first + i / QUADS < n_pixels {
            let to = ((n * params.groups + group) * n_blocks + block) * n_pixels + first;
            output[to * QUADS + i] = sh_pixels[i / QUADS * PITCH + i % QUADS];
        }
    }
}
