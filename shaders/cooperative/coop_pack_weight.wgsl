// needs: window_params grid halves
// output[g,b,k,row,c] = f16(weight[g*ROWS + row, 32*b + c, k] * 2^exponents[g*ROWS + row]),   c < 32
//
// Weights in the order in which cooperative matrices read them: blocks of 32 channels, filled up with zeros, that lie together for each
// tap and row. SCALED says that a row is scaled by its peak; else the data are f16 and stay as they are.
// A workgroup takes a row, one output channel.
// Dispatch: c_out workgroups, folded.
// Prelude: WORKGROUP, SCALED, FLIP_KERNEL.

@group(0) @binding(1) var<storage, read> weight: array<f32>;
@group(0) @binding(2) var<storage, read_write> output: array<vec4<f16>>;
@group(0) @binding(3) var<storage, read_write> exponents: array<f32>;

// Vec4s of a block.
const QUADS: u32 = 8u;

var<workgroup> sh_peak: atomic<u32>;

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) local_ix: u32,
) {
    let row = linear_workgroup(workgroup, grid);
    // Uniform per workgroup, so the barriers below are reached by all or none.
    if row >= params.c_out {
        return;
    }
    let n_channels = params.c_in / params.groups;
    let n_taps = params.kernel_size.x * params.kernel_size.y * params.kernel_size.z;
    let n_rows = params.c_out / params.groups;
    let length = n_channels * n_taps;
    let start = row * length;
    var factor = 1.0;
    if SCALED {
        if local_ix == 0u {
            atomicStore(&sh_peak, 0u);
        }
        workgroupBarrier();
        var largest = 0u;
        for (var i = local_ix; i < length; i += WORKGROUP) {
            largest = max(largest, peak(vec4<f32>(load_weight(start + i))));
        }
        atomicMax(&sh_peak, largest);
        workgroupBarrier();
        let exponent = scale_of(atomicLoad(&sh_peak));
        factor = power_of_two(exponent);
        if local_ix == 0u {
            exponents[row] = f32(exponent);
        }
    }
    let n_blocks = (n_channels + 4u * QUADS - 1u) / (4u * QUADS);
    let first_panel = row / n_rows * n_blocks * n_taps;
    for (var i = local_ix; i < n_blocks * n_taps * QUADS; i += WORKGROUP) {
        let panel = i / QUADS;
        let tap = panel % n_taps;
        let from_tap = select(tap, n_taps - 1u - tap, FLIP_KERNEL);
        let channels = vec4<u32>(4u * (panel / n_taps * QUADS + i % QUADS)) + vec4<u32>(0u, 1u, 2u, 3u);
        let inside = channels < vec4<u32>(n_channels);
        let ix = select(vec4<u32>(start), start + channels * n_taps + from_tap, inside);
        let loaded = vec4<f32>(load_weight(ix.x), load_weight(ix.y), load_weight(ix.z), load_weight(ix.w));
        var quad = select(vec4<f32>(), loaded, inside);
        if SCALED {
            quad = high_part(quad * factor);
        }
        output[((first_panel + panel) * n_rows + row % n_rows) * QUADS + i % QUADS] = vec4<f16>(quad);
    }
}
