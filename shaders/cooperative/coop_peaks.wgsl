// needs: view window_params grid halves
// output[n,part] = max |input[n,c,p]| over the finite elements of a part of image n
//
// What scales an image for f16. A part is `slice` elements in the order of channels and pixels, or, where DENSE says that an image has
// no gaps, in the order in which they lie. A workgroup takes one part, neighbours neighbouring elements.
// Dispatch: batch * PARTS workgroups, folded.
// Prelude: WORKGROUP, PARTS, DENSE.

@group(0) @binding(1) var<storage, read> input: array<f32>;
@group(0) @binding(2) var<storage, read_write> output: array<f32>;

var<workgroup> sh_peak: atomic<u32>;

fn element(n: u32, ix: u32) -> f32 {
    if DENSE {
        return load_input(params.input.base + n * params.input.n + ix);
    }
    let n_pixels = params.input_size.x * params.input_size.y * params.input_size.z;
    return load_input(view_index(params.input, n, ix / n_pixels, unravel(ix % n_pixels, params.input_size)));
}

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) local_ix: u32,
) {
    let place = linear_workgroup(workgroup, grid);
    let n = place / PARTS;
    // Uniform per workgroup, so the barriers below are reached by all or none.
    if n >= params.batch {
        return;
    }
    let length = params.c_in * params.input_size.x * params.input_size.y * params.input_size.z;
    let begin = place % PARTS * params.slice;
    let end = min(begin + params.slice, length);
    if local_ix == 0u {
        atomicStore(&sh_peak, 0u);
    }
    workgroupBarrier();
    var largest = 0u;
    for (var i = begin + local_ix; i < end; i += 4u * WORKGROUP) {
        // Behind the last element it is taken again.
        let quad = vec4<f32>(
            element(n, i),
            element(n, min(i + WORKGROUP, end - 1u)),
            element(n, min(i + 2u * WORKGROUP, end - 1u)),
            element(n, min(i + 3u * WORKGROUP, end - 1u)),
        );
        largest = max(largest, peak(quad));
    }
    atomicMax(&sh_peak, largest);
    workgroupBarrier();
    if local_ix == 0u {
        store_output(place, bitcast<f32>(atomicLoad(&sh_peak)));
    }
}
