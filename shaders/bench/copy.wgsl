// Copying bandwidth: output[i] = input[i] for ITEMS elements an invocation, neighbours side by side at every step.
//
// Dispatch: [n_invocations / WORKGROUP_SIZE, 1, 1]
//
// The host writes  `alias Value`, `const WORKGROUP_SIZE`, `const ITEMS`  before this text.

@group(0) @binding(0) var<storage, read> input: array<Value>;
@group(0) @binding(1) var<storage, read_write> output: array<Value>;

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let n_invocations = groups.x * WORKGROUP_SIZE;
    for (var i = 0u; i < ITEMS; i += 1u) {
        output[id.x + i * n_invocations] = input[id.x + i * n_invocations];
    }
}
