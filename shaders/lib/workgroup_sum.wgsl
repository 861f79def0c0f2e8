// needs: nothing
// The sum over a workgroup by a tree of fixed order. WORKGROUP, a power of two, comes from the prelude. All invocations
// must call it; the first one has the result.

const_assert 0u == (WORKGROUP & (WORKGROUP - 1u));

var<workgroup> sh_sum: array<f32, WORKGROUP>;

fn workgroup_sum(mine: f32, local_ix: u32) -> f32 {
    sh_sum[local_ix] = mine;
    workgroupBarrier();
    for (var half = WORKGROUP / 2u; half > 0u; half /= 2u) {
        if local_ix < half {
            sh_sum[local_ix] += sh_sum[local_ix + half];
        }
        workgroupBarrier();
    }
    return sh_sum[0];
}
