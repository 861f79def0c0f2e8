// needs: view window_params grid
// grad_input[n,c,i] = sum_{p : padded position p reads i} grad_output[n,c,p + pad] + beta * grad_input[n,c,i]
//
// The adjoint of padding: every position of the padded image, whose extents are `output_size`, hands its gradient to the
// element that it reads. One invocation computes one element and visits the few positions that read it.
// Dispatch: ceil(batch * c_in * input positions / WORKGROUP) workgroups, folded.
// Prelude: WORKGROUP, PADDING_MODE.

@group(0) @binding(1) var<storage, read> grad_output: array<f32>;
@group(0) @binding(2) var<storage, read_write> grad_input: array<f32>;

// Along one axis the readers of element i are i itself and up to two more runs of positions.
struct Readers {
    before_first: i32,
    n_before: i32,
    after_first: i32,
    n_after: i32,
}

fn readers(i: i32, extent: i32, pad_begin: i32, pad_end: i32) -> Readers {
    var before = 0;
    var n_before = 0;
    var after = 0;
    var n_after = 0;
    if PADDING_MODE == 1u { // reflect
        before = -i;
        n_before = select(0, 1, i > 0 && i <= pad_begin);
        after = 2 * (extent - 1) - i;
        n_after = select(0, 1, i < extent - 1 && after < extent + pad_end);
    } else if PADDING_MODE == 2u { // replicate
        before = -pad_begin;
        n_before = select(0, pad_begin, i == 0);
        after = extent;
        n_after = select(0, pad_end, i == extent - 1);
    } else if PADDING_MODE == 3u { // circular
        before = i - extent;
        n_before = select(0, 1, before >= -pad_begin);
        after = i + extent;
        n_after = select(0, 1, after < extent + pad_end);
    }
    return Readers(before, n_before, after, n_after);
}

// Reader number j of element i: the element itself, then the run before, then the run after.
fn reader(axis: Readers, i: i32, j: i32) -> i32 {
    return select(select(axis.after_first + j - 1 - axis.n_before, axis.before_first + j - 1, j <= axis.n_before), i, j == 0);
}

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) local_ix: u32,
) {
    let ix = linear_workgroup(workgroup, grid) * WORKGROUP + local_ix;
    let n_pixels = params.input_size.x * params.input_size.y * params.input_size.z;
    if ix >= params.batch * params.c_in * n_pixels {
        return;
    }
    let pixel = unravel(ix % n_pixels, params.input_size);
    let i = vec3<i32>(pixel);
    let c = ix / n_pixels % params.c_in;
    let n = ix / n_pixels / params.c_in;
    let extent = vec3<i32>(params.input_size);
    let pad_begin = vec3<i32>(params.pad_begin);
    let pad_end = vec3<i32>(params.pad_end);
    let axis_d = readers(i.x, extent.x, pad_begin.x, pad_end.x);
    let axis_h = readers(i.y, extent.y, pad_begin.y, pad_end.y);
    let axis_w = readers(i.z, extent.z, pad_begin.z, pad_end.z);

    var sum = 0.0;
    for (var jd = 0; jd <= axis_d.n_before + axis_d.n_after; jd++) {
        for (var jh = 0; jh <= axis_h.n_before + axis_h.n_after; jh++) {
            for (var jw = 0; jw <= axis_w.n_before + axis_w.n_after; jw++) {
                let p = vec3<i32>(reader(axis_d, i.x, jd), reader(axis_h, i.y, jh), reader(axis_w, i.z, jw)) + pad_begin;
                sum += load_grad_output(view_index(params.grad_output, n, c, vec3<u32>(p)));
            }
        }
    }
    let grad_ix = view_index(params.grad_input, n, c, pixel);
    if params.beta != 0.0 {
        sum += params.beta * load_grad_input(grad_ix);
    }
    store_grad_input(grad_ix, sum);
}
