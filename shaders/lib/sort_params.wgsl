// needs: nothing
// The uniform of the passes of a radix sort.

struct SortParams {
    sequences: u32,
    // keys of a sequence
    len: u32,
    // bits below the digit of this pass
    shift: u32,
    reserved: u32,
}

@group(0) @binding(0) var<uniform> params: SortParams;
