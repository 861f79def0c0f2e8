// Adam (D. P. Kingma and J. Ba, 2014, arXiv:1412.6980), one step of one parameter tensor:
// m = b1 m + (1 - b1) g, v = b2 v + (1 - b2) g², value -= rate (m / c1) / (sqrt(v / c2) + epsilon)
// with the bias corrections c1 = 1 - b1^t, c2 = 1 - b2^t from the host.
//
// One invocation updates one parameter.
// Dispatch: ceil(n / 64) workgroups.

struct AdamParams {
    n: u32,
    rate: f32,
    b1: f32,
    b2: f32,
    c1: f32,
    c2: f32,
    epsilon: f32,
    reserved: u32,
}

@group(0) @binding(0) var<uniform> params: AdamParams;
@group(0) @binding(1) var<storage, read> gradient: array<f32>;
@group(0) @binding(2) var<storage, read_write> value: array<f32>;
// First moment, then second.
@group(0) @binding(3) var<storage, read_write> moments: array<vec2<f32>>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    if id.x >= params.n {
        return;
    }
    let g = gradient[id.x];
    let old = moments[id.x];
    let moment = vec2<f32>(params.b1 * old.x + (1.0 - params.b1) * g, params.b2 * old.y + (1.0 - params.b2) * g * g);
    moments[id.x] = moment;
    value[id.x] -= params.rate * (moment.x / params.c1) / (sqrt(moment.y / params.c2) + params.epsilon);
}
