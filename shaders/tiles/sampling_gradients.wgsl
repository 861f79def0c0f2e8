// needs: view grid bilinear sampling_index sampling_point
// Gradients of offset and mask, and the columns, of one sampling point. An invocation takes one (image, offset group, tap,
// position): it finds the corners once, walks the channels, four at a time so that their loads are under way together, and serves
// every gradient that needs the sample. At an integer coordinate the derivative is that of the cell floor..floor+1; a point
// without a cell has none. PARTIAL: the channels of an offset group are no multiple of four.
//
// Needs `Corners`, `corners_at` and `corners_of` of one of the parts scalar_corners and packed_corners, and the bindings offset, mask,
// grad_columns, grad_offset, grad_mask and columns.

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
    let s = sampling_index(linear_workgroup(workgroup, grid) * WORKGROUP + local_ix, 1u);
    if s.n >= params.batch {
        return;
    }
    let at = sampling_point(s.n, s.offset_group, s.tap, s.o);
    let inside = has_cell(at.x, at.y, params.input_size.y, params.input_size.z);
    // On the line y = -1 or x = -1 a sample is zero, whatever lies beside it.
    let counts = inside && at.x > -1.0 && at.y > -1.0;
    let corners = corners_at(s.n, s.offset_group, at, inside);
    let modulation = modulation_at(s.n, s.offset_group, s.tap, s.o);
    let fraction = select(vec2<f32>(), at - floor(at), inside);
    let fy = fraction.x;
    let fx = fraction.y;
    let weight = corner_weights(fy, fx);
    let channels = params.c_in / params.offset_groups;
    let n_taps = params.kernel_size.y * params.kernel_size.z;
    let begin = s.offset_group * channels;
    let grad_step = n_taps * params.grad_columns.c;
    let column_step = n_taps * params.columns.c;
    var grad_ix = s.n * params.grad_columns.n + s.tap * params.grad_columns.c + s.position * params.grad_columns.w + begin * grad_step;
    var column_ix = view_index(params.columns, s.n, s.tap, vec3<u32>(0u, 0u, s.position)) + begin * column_step;

    var sum_y = vec4<f32>();
    var sum_x = vec4<f32>();
    var sum_mask = vec4<f32>();
    for (var i = 0u; i < channels; i += 4u) {
        var four = vec4<u32>(0u, 1u, 2u, 3u);
        var wanted = vec4<bool>(true);
        if PARTIAL {
            // Behind the last one it is taken again, and not summed.
            let last = vec4<u32>(channels - 1u - i);
            wanted = four <= last;
            four = min(four, last);
        }
        let v = corners_of(corners, i / 4u, begin + i + four);
        let weighted = weight.x * v[0] + weight.y * v[1] + weight.z * v[2] + weight.w * v[3];
        let sample = select(vec4<f32>(), weighted, counts);
        if GRAD_OFFSET || GRAD_MASK {
            let at = grad_ix + four * grad_step;
            let loaded = vec4<f32>(grad_columns[at.x], grad_columns[at.y], grad_columns[at.z], grad_columns[at.w]);
            let grad = select(vec4<f32>(), loaded, wanted);
            sum_y += grad * ((1.0 - fx) * (v[2] - v[0]) + fx * (v[3] - v[1]));
            sum_x += grad * ((1.0 - fy) * (v[1] - v[0]) + fy * (v[3] - v[2]));
            sum_mask += grad * sample;
        }
        if COLUMNS {
            let values = select(vec4<f32>(), modulation * sample, counts);
            let at = column_ix + four * column_step;
            columns[at.x] = values.x;
            columns[at.y] = values.y;
            columns[at.z] = values.z;
            columns[at.w] = values.w;
        }
        grad_ix += 4u * grad_step;
        column_ix += 4u * column_step;
    }
    if GRAD_OFFSET {
        let channel = 2u * (s.offset_group * n_taps + s.tap);
        write_grad_offset(s.n, channel, s.o, select(0.0, modulation * total(sum_y), inside));
        write_grad_offset(s.n, channel + 1u, s.o, select(0.0, modulation * total(sum_x), inside));
    }
    if GRAD_MASK {
        let mask_ix = view_index(params.grad_mask, s.n, s.offset_group * n_taps + s.tap, s.o);
        var sum = select(0.0, total(sum_mask), counts);
        if params.beta != 0.0 {
            sum += params.beta * load_grad_mask(mask_ix);
        }
        store_grad_mask(mask_ix, sum);
    }
}
