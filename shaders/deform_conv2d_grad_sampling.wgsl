// grad_mask[n,og,t,o] = sum_ci c * s, grad_offset[n,og,t,{y,x},o] = mask * sum_ci c * ds/d{y,x}, columns = mask * s
// with c = grad_columns[n, ci*T + t, o], s the sample of input[n,ci] at the point, ci over the offset group's channels;
// grad_mask and grad_offset accumulate with beta.
//
// One invocation takes one (image, offset group, tap, position): it computes the four corners once, walks the channels
// and serves every gradient that needs the sample. At an integer coordinate the derivative is that of the cell
// floor..floor+1; a point without a cell has none.
// Dispatch: ceil(batch * offset_groups * T * positions / WORKGROUP) workgroups, folded.
// Prelude: WORKGROUP, HAS_MASK, GRAD_OFFSET, GRAD_MASK, COLUMNS.

@group(0) @binding(1) var<storage, read> input: array<f32>;
@group(0) @binding(2) var<storage, read> offset: array<f32>;
@group(0) @binding(3) var<storage, read> mask: array<f32>;
@group(0) @binding(4) var<storage, read> grad_columns: array<f32>;
@group(0) @binding(5) var<storage, read_write> grad_offset: array<f32>;
@group(0) @binding(6) var<storage, read_write> grad_mask: array<f32>;
@group(0) @binding(7) var<storage, read_write> columns: array<f32>;

fn write_grad_offset(n: u32, channel: u32, o: vec3<u32>, value: f32) {
    let ix = view_index(params.grad_offset, n, channel, o);
    var sum = value;
    if params.beta != 0.0 {
        sum += params.beta * load_grad_offset(ix);
    }
    store_grad_offset(ix, sum);
}

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) local_ix: u32,
) {
    let n_positions = params.output_size.y * params.output_size.z;
    let n_taps = params.kernel_size.y * params.kernel_size.z;
    var ix = linear_workgroup(workgroup, grid) * WORKGROUP + local_ix;
    let position = ix % n_positions;
    ix /= n_positions;
    let tap = ix % n_taps;
    ix /= n_taps;
    let offset_group = ix % params.offset_groups;
    let n = ix / params.offset_groups;
    if n >= params.batch {
        return;
    }
    let o = unravel(position, params.output_size);
    let at = sampling_point(n, offset_group, tap, o);
    let inside = has_cell(at.x, at.y, params.input_size.y, params.input_size.z);
    // A point without a cell reads the one of the first pixel, and drops what it finds.
    let point = select(vec2<f32>(), at, inside);
    let taps = bilinear_cell(point.x, point.y, params.input_size.y, params.input_size.z);
    let counts = inside && taps.inside;
    var modulation = 1.0;
    if HAS_MASK {
        modulation = load_mask(view_index(params.mask, n, offset_group * n_taps + tap, o));
    }
    let fy = taps.fraction.x;
    let fx = taps.fraction.y;
    let channels = params.c_in / params.offset_groups;
    var row = offset_group * channels * n_taps + tap;
    var plane = view_index(params.input, n, offset_group * channels, vec3<u32>(0u));
    var grad_ix = n * params.grad_output.n + row * params.grad_output.c + position * params.grad_output.w;

    var sum_y = 0.0;
    var sum_x = 0.0;
    var sum_mask = 0.0;
    for (var i = 0u; i < channels; i++) {
        let corner = corner_values(plane, taps);
        let weighted = taps.weight * corner;
        let sample = select(0.0, weighted.x + weighted.y + weighted.z + weighted.w, counts);
        if GRAD_OFFSET || GRAD_MASK {
            let grad = grad_columns[grad_ix];
            sum_y += grad * ((1.0 - fx) * (corner.z - corner.x) + fx * (corner.w - corner.y));
            sum_x += grad * ((1.0 - fy) * (corner.y - corner.x) + fy * (corner.w - corner.z));
            sum_mask += grad * sample;
        }
        if COLUMNS {
            columns[view_index(params.output, n, row, vec3<u32>(0u, 0u, position))] = select(0.0, modulation * sample, counts);
        }
        plane += params.input.c;
        row += n_taps;
        grad_ix += n_taps * params.grad_output.c;
    }
    if GRAD_OFFSET {
        let channel = 2u * (offset_group * n_taps + tap);
        write_grad_offset(n, channel, o, select(0.0, modulation * sum_y, inside));
        write_grad_offset(n, channel + 1u, o, select(0.0, modulation * sum_x, inside));
    }
    if GRAD_MASK {
        let mask_ix = view_index(params.grad_mask, n, offset_group * n_taps + tap, o);
        var sum = select(0.0, sum_mask, counts);
        if params.beta != 0.0 {
            sum += params.beta * load_grad_mask(mask_ix);
        }
        store_grad_mask(mask_ix, sum);
    }
}
