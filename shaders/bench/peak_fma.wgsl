// Multiply-add peak: every invocation keeps n_chains independent chains  c <- c * factor + term  of Value, STEPS steps
// unrolled. Nothing is read but the uniform, nothing is written unless a chain leaves its bounds, which none does: with
// factor = 1/2 and term = 1 every chain tends to 2.
//
// Dispatch: [workgroups, 1, 1]; 2 * lanes(Value) * n_chains * STEPS * iterations operations an invocation.
//
// The host writes  `alias Value`, `const WORKGROUP_SIZE`  before this text and the chains in place of the three marks.

struct Params {
    factor: f32,
    term: f32,
    iterations: u32,
    reserved0: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> output: array<f32>;

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let factor = Value(Element(params.factor));
    let term = Value(Element(params.term));
    let start = Element(f32(id.x & 63u) / 64.0);
    //DECLARE
    for (var i = 0u; i < params.iterations; i += 1u) {
        //STEP
    }
    let sum = f32(SUM);
    if sum > 1e4 {
        output[id.x & 63u] = sum;
    }
}
