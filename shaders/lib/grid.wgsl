// needs: nothing
// The host folds more than 65,535 workgroups of x into y and z; kernels count them in one line again.

fn linear_workgroup(workgroup: vec3<u32>, grid: vec3<u32>) -> u32 {
    return (workgroup.z * grid.y + workgroup.y) * grid.x + workgroup.x;
}

// Row-major position `ix` of a box [d, h, w], in integers.
fn unravel(ix: u32, size: vec3<u32>) -> vec3<u32> {
    let row = ix / size.z;
    return vec3<u32>(row / size.y, row % size.y, ix % size.z);
}
