// output[n, c, p] = epilogue(sum_{t, l : o(l)*stride - pad + k(t)*dilation = p} column[n, c*T + t, l]), T = prod(kernel)
//
// The adjoint of im2col as a gather: one invocation computes one element of the image and reads the columns that reach
// it. `input_size` is the image, `output_size` the grid of windows, both as in the im2col that it undoes. Also stage two
// of the transposed convolution by GEMM, hence the epilogue.
// Dispatch: ceil(batch * c_in * image positions / WORKGROUP) workgroups, folded.
// Prelude: WORKGROUP, FLIP_KERNEL.

@group(0) @binding(1) var<storage, read> input: array<f32>;
@group(0) @binding(2) var<storage, read> bias: array<f32>;
@group(0) @binding(3) var<storage, read> residual: array<f32>;
@group(0) @binding(4) var<storage, read_write> output: array<f32>;

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
    let stride = vec3<i32>(params.stride);
    let windows = vec3<i32>(params.output_size);
    let anchor = vec3<i32>(p + params.pad_begin);

    var sum = 0.0;
    for (var kd = 0u; kd < kernel.x; kd++) {
        for (var kh = 0u; kh < kernel.y; kh++) {
            for (var kw = 0u; kw < kernel.z; kw++) {
                let reach = anchor - vec3<i32>(vec3<u32>(kd, kh, kw) * params.dilation);
                let o = reach / stride;
                if any(reach < vec3<i32>(0)) || any(o * stride != reach) || any(o >= windows) {
                    continue;
                }
                var tap = (kd * kernel.y + kh) * kernel.z + kw;
                if FLIP_KERNEL {
                    tap = n_taps - 1u - tap;
                }
                let l = (u32(o.x) * params.output_size.y + u32(o.y)) * params.output_size.z + u32(o.z);
                sum += input[view_index(params.input, n, c * n_taps + tap, vec3<u32>(0u, 0u, l))];
            }
        }
    }
    write_output(n, c, p, sum);
}
