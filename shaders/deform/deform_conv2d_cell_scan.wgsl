// needs: window_params grid cells
// starts[n,og,cell] = sum_{c < cell} counts[n,og,c], for cell = n_cells, too: where the points of a cell start in a list sorted by
// cell, and how many points have a sample
//
// One workgroup scans one block of CELL_BLOCK cells: every invocation adds up a stretch of neighbours, and its share of the totals of
// the blocks before this one; both are scanned over workgroup memory, and each stretch is written from there on. A sequence of many
// cells has many blocks, so few sequences fill a device as well as many do.
// Dispatch: batch * offset_groups * ceil(n_cells / CELL_BLOCK) workgroups, folded.
// Prelude: WORKGROUP.

@group(0) @binding(1) var<storage, read> counts: array<u32>;
@group(0) @binding(2) var<storage, read> totals: array<u32>;
@group(0) @binding(3) var<storage, read_write> starts: array<u32>;

const STRETCH: u32 = CELL_BLOCK / WORKGROUP;
const_assert STRETCH * WORKGROUP == CELL_BLOCK;
const_assert 0u == (WORKGROUP & (WORKGROUP - 1u));

// Of the stretches up to this one, and of the blocks before.
var<workgroup> sh_sum: array<vec2<u32>, WORKGROUP>;

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
    let block = ix % n_cell_blocks();
    let begin = min(block * CELL_BLOCK + local_ix * STRETCH, n_cells());
    let end = min(begin + STRETCH, n_cells());
    let of_sequence = sequence * n_cells();
    var own = 0u;
    for (var cell = begin; cell < end; cell++) {
        own += counts[of_sequence + cell];
    }
    var before = 0u;
    for (var b = local_ix; b < block; b += WORKGROUP) {
        before += totals[sequence * n_cell_blocks() + b];
    }
    sh_sum[local_ix] = vec2<u32>(own, before);
    workgroupBarrier();
    for (var distance = 1u; distance < WORKGROUP; distance *= 2u) {
        var sum = vec2<u32>();
        if local_ix >= distance {
            sum = sh_sum[local_ix - distance];
        }
        workgroupBarrier();
        sh_sum[local_ix] += sum;
        workgroupBarrier();
    }
    var place = sh_sum[WORKGROUP - 1u].y + sh_sum[local_ix].x - own;
    // A sequence has one start more than cells.
    let to = of_sequence + sequence;
    for (var cell = begin; cell < end; cell++) {
        starts[to + cell] = place;
        place += counts[of_sequence + cell];
    }
    if begin < end && end == n_cells() {
        starts[to + end] = place;
    }
}
