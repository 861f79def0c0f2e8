// PyTorch's padding modes as a map of coordinates. PADDING_MODE comes from the prelude:
// 0 zeros, 1 reflect, 2 replicate, 3 circular.

const OUTSIDE: i32 = -1;

// Where coordinate `p` of an axis of `extent` elements reads, or OUTSIDE for a zero. Geometry keeps p within one
// reflection or one turn of the axis.
fn padded_coordinate(p: i32, extent: i32) -> i32 {
    if p >= 0 && p < extent {
        return p;
    }
    switch PADDING_MODE {
        case 1u: {
            return select(2 * (extent - 1) - p, -p, p < 0);
        }
        case 2u: {
            return select(extent - 1, 0, p < 0);
        }
        case 3u: {
            return select(p - extent, p + extent, p < 0);
        }
        default: {
            return OUTSIDE;
        }
    }
}
