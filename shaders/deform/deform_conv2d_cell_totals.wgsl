// needs: window_params grid cells
// totals[n,og,block] = sum of counts[n,og,cell] over the CELL_BLOCK cells of the block
//
// One workgroup adds up one block, by a tree.
// Dispatch: batch * offset_groups * ceil(n_cells / CELL_BLOCK) workgroups, folded.
// Prelude: WORKGROUP.

@group(0) @binding(1) var<storage, read> counts: array<u32>;
@group(0) @binding(2) var<storage, read_write> totals: array<u32>;

const_assert 0u == (WORKGROUP & (WORKGROUP - 1u));

var<workgroup> sh_total: array<u32, WORKGROUP>;

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) local_ix: u32,
) {
    let ix = linear_workgroup(workgroup, grid);
    let sequence = ix / n_cell_blocks();
    // Uniform per workgroup, so the barriers below are reached by all or none.
    if sequence >= params.batch * params.offset_groups {
        return;
    }
    let begin = ix % n_cell_blocks() * CELL_BLOCK;
    let end = min(begin + CELL_BLOCK, n_cells());
    var total = 0u;
    for (var cell = begin + local_ix; cell < end; cell += WORKGROUP) {
        total += counts[sequence * n_cells() + cell];
    }
    sh_total[local_ix] = total;
    workgroupBarrier();
    for (var half = WORKGROUP / 2u; half > 0u; half /= 2u) {
        if local_ix < half {
            sh_total[local_ix] += sh_total[local_ix + half];
        }
        workgroupBarrier();
    }
    if local_ix == 0u {
        totals[ix] = sh_total[0];
    }
}
