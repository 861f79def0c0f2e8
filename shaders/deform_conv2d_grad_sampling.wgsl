// grad_mask[n,og,t,o] = sum_ci c * s, grad_offset[n,og,t,{y,x},o] = mask * sum_ci c * ds/d{y,x}, columns = mask * s
// with c = grad_columns[n, ci*T + t, o], s the sample of input[n,ci] at the point, ci over the offset group's channels;
// grad_mask and grad_offset accumulate with beta.
//
// One invocation takes one (image, offset group, tap, position): it computes the four corners once, walks the channels, four at
// a time so that their loads are under way together, and serves every gradient that needs the sample. At an integer coordinate the derivative is that of the cell
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

fn total(sums: vec4<f32>) -> f32 {
    return sums.x + sums.y + sums.z + sums.w;
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
    let end = (offset_group + 1u) * channels;
    let image = view_index(params.input, n, 0u, vec3<u32>(0u));
    let grad_start = n * params.grad_output.n + tap * params.grad_output.c + position * params.grad_output.w;
    let column_start = view_index(params.output, n, tap, vec3<u32>(0u, 0u, position));

    var sum_y = vec4<f32>();
    var sum_x = vec4<f32>();
    var sum_mask = vec4<f32>();
    for (var i = offset_group * channels; i < end; i += 4u) {
        // Behind the last one it is taken again, and not summed.
        let wanted = vec4<u32>(i) + vec4<u32>(0u, 1u, 2u, 3u);
        let ci = min(wanted, vec4<u32>(end - 1u));
        let planes = image + ci * params.input.c;
        let corners = transpose(mat4x4<f32>(
            corner_values(planes.x, taps), corner_values(planes.y, taps), corner_values(planes.z, taps), corner_values(planes.w, taps),
        ));
        let w = taps.weight;
        let weighted = w.x * corners[0] + w.y * corners[1] + w.z * corners[2] + w.w * corners[3];
        let sample = select(vec4<f32>(), weighted, counts);
        if GRAD_OFFSET || GRAD_MASK {
            let at = grad_start + ci * n_taps * params.grad_output.c;
            let loaded = vec4<f32>(grad_columns[at.x], grad_columns[at.y], grad_columns[at.z], grad_columns[at.w]);
            let grad = select(vec4<f32>(), loaded, wanted < vec4<u32>(end));
            sum_y += grad * ((1.0 - fx) * (corners[2] - corners[0]) + fx * (corners[3] - corners[1]));
            sum_x += grad * ((1.0 - fy) * (corners[1] - corners[0]) + fy * (corners[3] - corners[2]));
            sum_mask += grad * sample;
        }
        if COLUMNS {
            let values = select(vec4<f32>(), modulation * sample, counts);
            let at = column_start + ci * n_taps * params.output.c;
            columns[at.x] = values.x;
            columns[at.y] = values.y;
            columns[at.z] = values.z;
            columns[at.w] = values.w;
        }
    }
    if GRAD_OFFSET {
        let channel = 2u * (offset_group * n_taps + tap);
        write_grad_offset(n, channel, o, select(0.0, modulation * total(sum_y), inside));
        write_grad_offset(n, channel + 1u, o, select(0.0, modulation * total(sum_x), inside));
    }
    if GRAD_MASK {
        let mask_ix = view_index(params.grad_mask, n, offset_group * n_taps + tap, o);
        var sum = select(0.0, total(sum_mask), counts);
        if params.beta != 0.0 {
            sum += params.beta * load_grad_mask(mask_ix);
        }
        store_grad_mask(mask_ix, sum);
    }
}
