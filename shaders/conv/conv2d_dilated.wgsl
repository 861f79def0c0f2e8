// needs: view window_params grid padding write_tile
// output[n,co,oy,ox] = epilogue(sum_{ci,ky,kx} input[n, g*CPG + ci, oy - pt + ky*dh, ox - pl + kx*dw] * weight[co,ci,ky,kx])
//
// With stride 1, outputs whose coordinates agree modulo the dilation form a lattice on which the kernel is dense. A
// workgroup takes TILE_H x TILE_W outputs of one lattice, so its halo is kernel - 1 lattice points however large the
// dilation: it stages (TILE_H + kh - 1) x (TILE_W + kw - 1) inputs of CHANNELS channels in workgroup memory and each
// invocation sums 8 output channels of one position in registers.
// Dispatch: batch * groups * ceil(c_out_per_group / 8) * dh * dw * ceil(ceil(h_out / dh) / TILE_H) *
//           ceil(ceil(w_out / dw) / TILE_W) workgroups of TILE_H * TILE_W, folded.
// Prelude: TILE_H, TILE_W, CHANNELS, KERNEL_H, KERNEL_W, PADDING_MODE, FLIP_KERNEL.

@group(0) @binding(1) var<storage, read> input: array<f32>;
@group(0) @binding(2) var<storage, read> weight: array<f32>;
@group(0) @binding(3) var<storage, read> bias: array<f32>;
@group(0) @binding(4) var<storage, read> residual: array<f32>;
@group(0) @binding(5) var<storage, read_write> output: array<f32>;

const TILE_CO: u32 = 8u;
const N_INVOCATIONS: u32 = TILE_H * TILE_W;
const PATCH_H: u32 = TILE_H + KERNEL_H - 1u;
const PATCH_W: u32 = TILE_W + KERNEL_W - 1u;
const PATCH: u32 = PATCH_H * PATCH_W;
const N_TAPS: u32 = KERNEL_H * KERNEL_W;
// The tile must fit the smallest workgroup memory that WebGPU guarantees.
const_assert CHANNELS * PATCH * 4u <= 16384u;

var<workgroup> sh_input: array<f32, CHANNELS * PATCH>;

@compute @workgroup_size(N_INVOCATIONS)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) local_ix: u32,
) {
    let dilation = params.dilation.yz;
    let out_size = params.output_size.yz;
    let lattice_size = (out_size + dilation - 1u) / dilation;
    let n_tiles = (lattice_size + vec2<u32>(TILE_H, TILE_W) - 1u) / vec2<u32>(TILE_H, TILE_W);
    let co_per_group = params.c_out / params.groups;
    let channels = params.c_in / params.groups;
    let n_co_tiles = (co_per_group + TILE_CO - 1u) / TILE_CO;

    // Everything up to here and the tile's coordinates are uniform per workgroup, so the barriers below are too.
    var ix = linear_workgroup(workgroup, grid);
    let tile_x = ix % n_tiles.y;
    ix /= n_tiles.y;
    let tile_y = ix % n_tiles.x;
    ix /= n_tiles.x;
    let phase_x = ix % dilation.y;
    ix /= dilation.y;
    let phase_y = ix % dilation.x;
    ix /= dilation.x;
    let co_tile = ix % n_co_tiles;
    ix /= n_co_tiles;
    let group = ix % params.groups;
    let n = ix / params.groups;
    if n >= params.batch {
        return;
    }
    let co = group * co_per_group + co_tile * TILE_CO;
    let n_co = min(co_per_group - co_tile * TILE_CO, TILE_CO);
    let last = n_co - 1u;
    let row = channels * N_TAPS;
    let rows_low = (co + min(vec4<u32>(0u, 1u, 2u, 3u), vec4<u32>(last))) * row;
    let rows_high = (co + min(vec4<u32>(4u, 5u, 6u, 7u), vec4<u32>(last))) * row;

    let local = vec2<u32>(local_ix / TILE_W, local_ix % TILE_W);
    // Lattice point (a, b) of the patch is input ((tile * TILE + a) * dilation + phase - pad).
    let patch_origin =
        vec2<i32>(vec2<u32>(tile_y * TILE_H, tile_x * TILE_W) * dilation + vec2<u32>(phase_y, phase_x))
        - vec2<i32>(params.pad_begin.yz);
    let extent = vec2<i32>(params.input_size.yz);

    var low = vec4<f32>();
    var high = vec4<f32>();
    for (var ci = 0u; ci < channels; ci += CHANNELS) {
        for (var i = local_ix; i < CHANNELS * PATCH; i += N_INVOCATIONS) {
            let channel = ci + i / PATCH;
            let p = patch_origin + vec2<i32>(vec2<u32>(i % PATCH / PATCH_W, i % PATCH_W) * dilation);
            let y = padded_coordinate(p.x, extent.x);
            let x = padded_coordinate(p.y, extent.y);
            // Patch rows that no stored output reads may lie beyond even a wrapped axis.
            let inside = channel < channels && y >= 0 && x >= 0 && y < extent.x && x < extent.y;
            var value = 0.0;
            if inside {
                value = load_input(view_index(params.input, n, group * channels + channel, vec3<u32>(0u, u32(y), u32(x))));
            }
            sh_input[i] = value;
        }
        workgroupBarrier();
        let n_staged = min(channels - ci, CHANNELS);
        for (var c = 0u; c < n_staged; c++) {
            for (var kh = 0u; kh < KERNEL_H; kh++) {
                for (var kw = 0u; kw < KERNEL_W; kw++) {
                    let value = sh_input[c * PATCH + (local.x + kh) * PATCH_W + local.y + kw];
                    var tap = kh * KERNEL_W + kw;
                    if FLIP_KERNEL {
                        tap = N_TAPS - 1u - tap;
                    }
                    let a = rows_low + (ci + c) * N_TAPS + tap;
                    let b = rows_high + (ci + c) * N_TAPS + tap;
                    low += value * vec4<f32>(load_weight(a.x), load_weight(a.y), load_weight(a.z), load_weight(a.w));
                    high += value * vec4<f32>(load_weight(b.x), load_weight(b.y), load_weight(b.z), load_weight(b.w));
                }
            }
        }
        workgroupBarrier();
    }

    let point = vec2<u32>(tile_y * TILE_H, tile_x * TILE_W) + local;
    let o = point * dilation + vec2<u32>(phase_y, phase_x);
    // Beyond the lattice the product may not fit 32 bits.
    if any(point >= lattice_size) || any(o >= out_size) {
        return;
    }
    let p = vec3<u32>(0u, o);
    write_tile(n, co, n_co, p, low, high);
}
