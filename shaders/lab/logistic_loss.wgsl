// Weighted logistic loss over all pixels and its gradient:
// loss = sum weight (log(1 + e^z) - target z), grad = weight (1 / (1 + e^-z) - target); sums[slot] = (loss, weight of the
// pixels on the right side of zero)
//
// One workgroup walks all pixels and adds up by a tree of fixed order.
// Dispatch: 1 workgroup.

struct LossParams {
    n: u32,
    slot: u32,
    reserved0: u32,
    reserved1: u32,
}

@group(0) @binding(0) var<uniform> params: LossParams;
@group(0) @binding(1) var<storage, read> logits: array<f32>;
// Target and weight.
@group(0) @binding(2) var<storage, read> labels: array<vec2<f32>>;
@group(0) @binding(3) var<storage, read_write> grad: array<f32>;
@group(0) @binding(4) var<storage, read_write> sums: array<vec2<f32>>;

const WORKGROUP: u32 = 64u;

var<workgroup> sh_sum: array<vec2<f32>, WORKGROUP>;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(local_invocation_index) local_ix: u32) {
    var sum = vec2<f32>();
    for (var i = local_ix; i < params.n; i += WORKGROUP) {
        let z = logits[i];
        let target_value = labels[i].x;
        let weight = labels[i].y;
        // log(1 + e^z) without overflow.
        let soft = max(z, 0.0) + log(1.0 + exp(-abs(z)));
        let right = (z > 0.0) == (target_value > 0.5);
        sum += weight * vec2<f32>(soft - target_value * z, select(0.0, 1.0, right));
        grad[i] = weight * (1.0 / (1.0 + exp(min(-z, 85.0))) - target_value);
    }
    sh_sum[local_ix] = sum;
    workgroupBarrier();
    for (var half = WORKGROUP / 2u; half > 0u; half /= 2u) {
        if local_ix < half {
            sh_sum[local_ix] += sh_sum[local_ix + half];
        }
        workgroupBarrier();
    }
    if local_ix == 0u {
        sums[params.slot] = sh_sum[0];
    }
}
