//! What the kernels of Winograd's algorithm share.

use crate::capabilities::KernelClass;
use crate::geometry::Window;

/// Tiles of all images.
pub(crate) fn tiles(w: &Window, tile: u32) -> usize {
    let [depth, height, width] = w.output;
    w.batch * depth * height.div_ceil(tile as usize) * width.div_ceil(tile as usize)
}

/// Channels that an invocation of a transform takes. Dividing a tile's index costs a software rasteriser as much as a
/// dozen loads; a GPU wants the invocations.
pub(crate) fn channels_at_once(class: KernelClass) -> u32 {
    match class {
        KernelClass::Gpu => 1,
        KernelClass::Cpu => 8,
    }
}

/// What keeps Winograd's algorithm from a window.
pub(crate) fn applies(w: &Window) -> Result<(), String> {
    if w.kernel != [1, 3, 3] || w.stride != [1; 3] || [w.dilation[1], w.dilation[2]] != [1; 2] {
        return Err("it needs a 3x3 kernel with stride 1 and dilation 1".into());
    }
    Ok(())
}
