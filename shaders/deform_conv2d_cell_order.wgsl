// order[n,og] = listed[n,og] with the points of each cell ascending: the one order that a stable sort by cell has, whatever order
// the atomics of deform_conv2d_cells left them in, so sums over it have the same bits in every run
//
// One workgroup takes a run of LIST_RUN places of a list. A point of a cell of fewer points counts those before it: about as many
// loads as a cell has points, nine for a 3x3 kernel. A cell of LIST_RUN or more, which would take a time that grows with its square,
// contains a place where a run starts, and belongs to the first such run. That workgroup marks the cell's points in a map of
// bits, WINDOW points at a time, and writes the marked ones in ascending order: time grows with the points of the cell, and with all
// points of the sequence by a 32nd of an operation each.
// Dispatch: batch * offset_groups * ceil(kh * kw * positions / LIST_RUN) workgroups, folded.
// Prelude: WORKGROUP.

@group(0) @binding(1) var<storage, read> keys: array<u32>;
@group(0) @binding(2) var<storage, read> starts: array<u32>;
@group(0) @binding(3) var<storage, read> listed: array<u32>;
@group(0) @binding(4) var<storage, read_write> order: array<u32>;

const WORDS: u32 = 2048u;
const WINDOW: u32 = 32u * WORDS;
const STRETCH: u32 = WORDS / WORKGROUP;
const_assert STRETCH * WORKGROUP == WORDS;
const_assert 0u == LIST_RUN % WORKGROUP;

// Begin and end of the cell that belongs to this run; empty where none does.
var<workgroup> sh_cell: vec2<u32>;
var<workgroup> sh_marks: array<atomic<u32>, WORDS>;
var<workgroup> sh_total: array<u32, WORKGROUP>;

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) local_ix: u32,
) {
    let ix = linear_workgroup(workgroup, grid);
    let n_runs = (n_points() + LIST_RUN - 1u) / LIST_RUN;
    let sequence = ix / n_runs;
    // Uniform per workgroup, so the barriers below are reached by all or none.
    if sequence >= params.batch * params.offset_groups {
        return;
    }
    let list = sequence * n_points();
    let cell_list = sequence * (n_cells() + 1u);
    let first = ix % n_runs * LIST_RUN;
    let end = min(first + LIST_RUN, starts[cell_list + n_cells()]);
    if local_ix == 0u {
        sh_cell = vec2<u32>();
    }
    for (var place = first + local_ix; place < end; place += WORKGROUP) {
        let point = listed[list + place];
        let cell = cell_list + keys[list + point];
        let cell_begin = starts[cell];
        let cell_end = starts[cell + 1u];
        if cell_end - cell_begin < LIST_RUN {
            var rank = 0u;
            for (var i = cell_begin; i < cell_end; i++) {
                rank += select(0u, 1u, listed[list + i] < point);
            }
            order[list + cell_begin + rank] = point;
        } else if place == first && place - cell_begin < LIST_RUN {
            sh_cell = vec2<u32>(cell_begin, cell_end);
        }
    }

    let crowded = workgroupUniformLoad(&sh_cell);
    if crowded.y == 0u {
        return;
    }
    var written = crowded.x;
    for (var window = 0u; window < n_points(); window += WINDOW) {
        for (var word = local_ix; word < WORDS; word += WORKGROUP) {
            atomicStore(&sh_marks[word], 0u);
        }
        workgroupBarrier();
        for (var i = crowded.x + local_ix; i < crowded.y; i += WORKGROUP) {
            // Of a point before the window it is huge.
            let bit = listed[list + i] - window;
            if bit < WINDOW {
                atomicOr(&sh_marks[bit / 32u], 1u << (bit % 32u));
            }
        }
        workgroupBarrier();
        var marked = 0u;
        for (var word = local_ix * STRETCH; word < (local_ix + 1u) * STRETCH; word++) {
            marked += countOneBits(atomicLoad(&sh_marks[word]));
        }
        sh_total[local_ix] = marked;
        workgroupBarrier();
        for (var distance = 1u; distance < WORKGROUP; distance *= 2u) {
            var before = 0u;
            if local_ix >= distance {
                before = sh_total[local_ix - distance];
            }
            workgroupBarrier();
            sh_total[local_ix] += before;
            workgroupBarrier();
        }
        var place = list + written + sh_total[local_ix] - marked;
        for (var word = local_ix * STRETCH; word < (local_ix + 1u) * STRETCH; word++) {
            // Cannot loop more than 32 times: each turn takes the lowest bit away.
            for (var marks = atomicLoad(&sh_marks[word]); marks != 0u; marks &= marks - 1u) {
                order[place] = window + 32u * word + firstTrailingBit(marks);
                place++;
            }
        }
        written += sh_total[WORKGROUP - 1u];
        // Before the marks and totals are overwritten.
        workgroupBarrier();
    }
}
