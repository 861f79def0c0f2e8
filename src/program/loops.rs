//! How many loop iterations one invocation of a dispatch takes at most.
//!
//! Some drivers end every loop of an invocation once all its loops together took a fixed number of iterations, and
//! report nothing ([`Capabilities::max_loop_iterations`](crate::Capabilities::max_loop_iterations)): what would exceed
//! it must not be launched. The entry of each kernel bounds its loops from what is gathered here.

use super::{CopyParams, Dispatch, GemmParams, PackParams, Params, SortParams, SumParams, WindowParams};

/// More than all loops of fixed length in one invocation take: trees over a workgroup, tiles of outputs.
pub(crate) const FIXED: u64 = 256;
/// Multiplications of `shaders/lib/lp_norm.wgsl`.
const MAX_POWER: f32 = 64.0;

/// Iterations of nested loops, outermost first. Leaving a loop counts as an iteration.
pub(crate) fn nest(extents: &[u64]) -> u64 {
    let mut entered = 1_u64;
    let mut sum = 0_u64;
    for &extent in extents {
        sum = sum.saturating_add(entered.saturating_mul(extent.saturating_add(1)));
        entered = entered.saturating_mul(extent);
    }
    sum
}

/// The product of extents.
pub(crate) fn product(values: [u32; 3]) -> u64 {
    values.iter().fold(1, |product, &n| product.saturating_mul(n.into()))
}

/// An upper bound of the iterations that all loops of one invocation take together, leaving a loop included. Allocates nothing.
pub fn iterations(dispatch: &Dispatch) -> u64 {
    (dispatch.variant.kernel.loops)(dispatch).saturating_add(FIXED)
}

/// Extents of a dispatch of a windowed kernel.
pub(crate) struct Window<'a> {
    dispatch: &'a Dispatch,
    pub params: &'a WindowParams,
    pub batch: u64,
    /// Of a group.
    pub c_in: u64,
    /// Of a group.
    pub c_out: u64,
    /// Channels of an offset group.
    pub offset_channels: u64,
    pub kd: u64,
    pub kh: u64,
    pub kw: u64,
    pub taps: u64,
    pub od: u64,
    pub oh: u64,
    pub ow: u64,
    pub positions: u64,
}

impl<'a> Window<'a> {
    /// `None` for another uniform.
    pub fn of(dispatch: &'a Dispatch) -> Option<Self> {
        let Params::Window(params) = &dispatch.params else { return None };
        let groups = params.groups.max(1);
        let [kd, kh, kw] = params.kernel_size.map(u64::from);
        let [od, oh, ow] = params.output_size.map(u64::from);
        Some(Window {
            dispatch,
            params,
            batch: params.batch.into(),
            c_in: (params.c_in / groups).into(),
            c_out: (params.c_out / groups).into(),
            offset_channels: (params.c_in / params.offset_groups.max(1)).into(),
            kd,
            kh,
            kw,
            taps: product(params.kernel_size),
            od,
            oh,
            ow,
            positions: product(params.output_size),
        })
    }

    /// The kernel's.
    pub fn stem(&self) -> &'static str {
        self.dispatch.variant.kernel.stem
    }

    /// Value of a constant of the entry.
    pub fn constant(&self, name: &str) -> u64 {
        constant(self.dispatch, name)
    }

    /// Whether a constant of the entry is true.
    pub fn is(&self, name: &str) -> bool {
        self.constant(name) == 1
    }

    /// Invocations of a workgroup.
    pub fn lanes(&self) -> u64 {
        self.constant("WORKGROUP").max(1)
    }

    /// Windows that an element lies in, along each axis.
    pub fn windows(&self) -> [u64; 3] {
        [0, 1, 2].map(|axis| {
            let p = self.params;
            let reach = u64::from(p.kernel_size[axis].saturating_sub(1)) * u64::from(p.dilation[axis]);
            (reach / u64::from(p.stride[axis].max(1)) + 1).min(p.output_size[axis].into())
        })
    }

    /// Likewise along all of them.
    pub fn n_windows(&self) -> u64 {
        self.windows().iter().product()
    }

    /// Multiplications of a power of lp pooling.
    pub fn powers(&self) -> u64 {
        if self.params.exponent >= 1.0 { self.params.exponent.min(MAX_POWER) as u64 + 1 } else { 1 }
    }

    /// Of masking the taps of the four columns that an invocation stages, where a kernel does.
    pub fn masks(&self) -> u64 {
        if self.is("MASKED") { 4 * nest(&[self.kd, self.kh, self.kw]) } else { 0 }
    }
}

/// Extents of a dispatch of a matrix product.
pub(crate) struct Gemm<'a> {
    dispatch: &'a Dispatch,
    pub params: &'a GemmParams,
    /// Products of a sum.
    pub k: u64,
}

impl<'a> Gemm<'a> {
    /// `None` for another uniform.
    pub fn of(dispatch: &'a Dispatch) -> Option<Self> {
        let Params::Gemm(params) = &dispatch.params else { return None };
        Some(Gemm { dispatch, params, k: params.slice.min(params.k).into() })
    }

    /// Value of a constant of the entry.
    pub fn constant(&self, name: &str) -> u64 {
        constant(self.dispatch, name)
    }

    /// Runs that a slice of a sum touches.
    pub fn runs(&self) -> u64 {
        if self.constant("SPLIT_K") == 1 { self.k / u64::from(self.params.run.max(1)) + 2 } else { 1 }
    }
}

/// A dispatch of a kernel whose loops follow from its uniform and constants as they are.
pub(crate) struct Plain<'a, P> {
    dispatch: &'a Dispatch,
    pub params: &'a P,
}

impl<P> Plain<'_, P> {
    /// Value of a constant of the entry.
    pub fn constant(&self, name: &str) -> u64 {
        constant(self.dispatch, name)
    }
}

macro_rules! plain {
    ($($(#[$doc:meta])* $name:ident = $params:ident;)*) => {
        $(
            $(#[$doc])*
            pub(crate) type $name<'a> = Plain<'a, $params>;

            impl<'a> Plain<'a, $params> {
                /// `None` for another uniform.
                pub fn of(dispatch: &'a Dispatch) -> Option<Self> {
                    let Params::$name(params) = &dispatch.params else { return None };
                    Some(Plain { dispatch, params })
                }
            }
        )*
    };
}

plain! {
    /// Of a pass of a radix sort.
    Sort = SortParams;
    /// Of packing rows of weights.
    Pack = PackParams;
    /// Of a copy between a tensor and the workspace.
    Copy = CopyParams;
    /// Of a sum over slices.
    Sum = SumParams;
}

fn constant(dispatch: &Dispatch, name: &str) -> u64 {
    let value = dispatch.constant(name);
    debug_assert!(value.is_some(), "{} has no constant {name}", dispatch.variant.kernel.stem);
    value.unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leaving_a_loop_counts() {
        assert_eq!(nest(&[]), 0);
        assert_eq!(nest(&[5]), 6);
        assert_eq!(nest(&[2, 3]), 3 + 2 * 4);
        assert_eq!(nest(&[u64::MAX, u64::MAX]), u64::MAX);
    }
}
