// Reading bandwidth: invocation t sums the elements t, t + n_invocations, t + 2 n_invocations, ... of input, so that
// neighbouring invocations read neighbouring elements at every step. Nothing is written unless the sum is huge.
//
// Dispatch: [n_invocations / WORKGROUP_SIZE, 1, 1]
//
// The host writes  `alias Value`, `const WORKGROUP_SIZE`, `const ITEMS`  before this text and the sum of the
// components of  `sum`  in place of TOTAL.

@group(0) @binding(0) var<storage, read> input: array<Value>;
@group(0) @binding(1) var<storage, read_write> output: array<f32>;

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let n_invocations = groups.x * WORKGROUP_SIZE;
    var sum = Value();
    for (var i = 0u; i < ITEMS; i += 1u) {
        sum += input[id.x + i * n_invocations];
    }
    if TOTAL > 1e30 {
        output[id.x & 63u] = 1.0;
    }
}
