// needs: view window_params grid first_tap write_output
// output[n, c, p] = epilogue(sum_{t, l : o(l)*stride - pad + k(t)*dilation = p} columns[n, c*T + t, l]), T = prod(kernel)
//
// The adjoint of im2col as a gather: one invocation computes one element of the image and reads the columns that reach
// it. `input_size` is the image, `output_size` the grid of windows, both as in the im2col that it undoes. Also stage two
// of the transposed convolution by GEMM, hence the epilogue.
//
// An element sees every tap_step-th tap of an axis from a first one on, tap_step = stride / gcd(stride, dilation), or none;
// each of them reads the same number of windows before the one before it. With UNIT_STRIDE it sees all.
// Dispatch: ceil(batch * c_in * image positions / WORKGROUP) workgroups, folded.
// Prelude: WORKGROUP, FLIP_KERNEL, UNIT_STRIDE.

@group(0) @binding(1) var<storage, read> columns: array<f32>;
@group(0) @binding(2) var<storage, read> bias: array<f32>;
@group(0) @binding(3) var<storage, read> residual: array<f32>;
@group(0) @binding(4) var<storage, read_write> output: array<f32>;

// Taps of one axis that an element sees.
struct Seen {
    // Smallest one; the kernel's extent or more where there is none.
    first: u32,
    // Window that it reads, which may not exist.
    window: i32,
    // Windows between one tap and the next.
    step: i32,
}

fn seen(anchor: i32, stride: u32, dilation: u32, tap_step: u32, kernel: u32) -> Seen {
    if UNIT_STRIDE {
        return Seen(0u, anchor, i32(dilation));
    }
    let first = first_tap(u32(anchor), dilation, stride, tap_step, kernel);
    let window = (anchor - i32(min(first, kernel - 1u) * dilation)) / i32(stride);
    return Seen(first, window, i32(dilation / (stride / tap_step)));
}

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) local_ix: u32,
) {
    let n_pixels = params.input_size.x * params.input_size.y * params.input_size.z;
    var ix = linear_workgroup(workgroup, grid) * WORKGROUP + local_ix;
    let p = unravel(ix % n_pixels, params.input_size);
    ix /= n_pixels;
    let c = ix % params.c_in;
    let n = ix / params.c_in;
    if n >= params.batch {
        return;
    }
    let kernel = params.kernel_size;
    let n_taps = kernel.x * kernel.y * kernel.z;
    let windows = vec3<i32>(params.output_size);
    let anchor = vec3<i32>(p + params.pad_begin);
    let seen_d = seen(anchor.x, params.stride.x, params.dilation.x, params.tap_step_d, kernel.x);
    let seen_h = seen(anchor.y, params.stride.y, params.dilation.y, params.tap_step_h, kernel.y);
    let seen_w = seen(anchor.z, params.stride.z, params.dilation.z, params.tap_step_w, kernel.z);
    let first = view_index(params.columns, n, c * n_taps, vec3<u32>(0u));

    var sum = 0.0;
    var od = seen_d.window;
    for (var kd = seen_d.first; kd < kernel.x; kd += params.tap_step_d) {
        let inside_d = od >= 0 && od < windows.x;
        var oh = seen_h.window;
        for (var kh = seen_h.first; kh < kernel.y; kh += params.tap_step_h) {
            let inside_h = inside_d && oh >= 0 && oh < windows.y;
            let row = (od * windows.y + oh) * windows.z;
            var ow = seen_w.window;
            for (var kw = seen_w.first; kw < kernel.z; kw += params.tap_step_w) {
                var tap = (kd * kernel.y + kh) * kernel.z + kw;
                if FLIP_KERNEL {
                    tap = n_taps - 1u - tap;
                }
                let inside = inside_h && ow >= 0 && ow < windows.z;
                // A window that does not exist reads the first one and drops it.
                let column = first + tap * params.columns.c + u32(select(0, row + ow, inside)) * params.columns.w;
                sum += select(0.0, load_columns(column), inside);
                ow -= seen_w.step;
            }
            oh -= seen_h.step;
        }
        od -= seen_d.step;
    }
    write_output(n, c, p, sum);
}
