// PyTorch's padding modes as a map of coordinates. PADDING_MODE comes from the prelude:
// 0 zeros, 1 reflect, 2 replicate, 3 circular.

const OUTSIDE: i32 = -1;

// Where coordinate `p` of an axis of `extent` elements reads, or OUTSIDE for a zero. Geometry keeps p within one
// reflection or one turn of the axis.
fn padded_coordinate(p: i32, extent: i32) -> i32 {
    // One way out and selects only: this is inlined many times, and some drivers pay for every branch of every copy.
    var outside = OUTSIDE;
    if PADDING_MODE == 1u {
        outside = select(2 * (extent - 1) - p, -p, p < 0);
    } else if PADDING_MODE == 2u {
        outside = select(extent - 1, 0, p < 0);
    } else if PADDING_MODE == 3u {
        outside = select(p - extent, p + extent, p < 0);
    }
    return select(outside, p, p >= 0 && p < extent);
}
