//! One launcher a shader: what the shader wants, and geometry -> dispatch.
//!
//! Everything that is true of a kernel stands in the `kernel!` entry of its launcher, `<family>/<stem>.rs`. The build script
//! lists launchers and shaders, so that a new file is a new kernel. Modules of this folder itself are what launchers share.

pub(crate) mod deform;
pub(crate) mod implicit_tile;
pub(crate) mod lane_tile;
pub(crate) mod panel_tile;
pub(crate) mod task;
pub(crate) mod winograd;

use crate::program::{Kernel, ShaderPart};

/// Entries of the shaders that a file launches: `KERNEL`, and twins that differ in their text alone.
///
/// `loops` bounds the iterations that one invocation takes, all of its loops together, leaving a loop included. Loops of fixed
/// length may be left out.
macro_rules! kernel {
    (
        $stem:ident, $uniform:ident,
        read: [$($read:literal),*],
        write: [$($write:literal),*],
        constants: [$($constant:literal),* $(,)?],
        precondition: $precondition:literal,
        loops: |$loops:tt| $bound:expr
        $(, twins: [$($name:ident = $twin:ident: $twin_precondition:literal),* $(,)?])? $(,)?
    ) => {
        /// What a shader of this entry binds.
        const BINDINGS: &[$crate::program::BindingSpec] = &[
            $($crate::program::BindingSpec { name: $read, access: $crate::tensor::Access::Read },)*
            $($crate::program::BindingSpec { name: $write, access: $crate::tensor::Access::Write },)*
        ];
        /// Names of its constants.
        const CONSTANTS: &[&str] = &[$($constant),*];

        fn loop_bound(dispatch: &$crate::program::Dispatch) -> u64 {
            <$crate::program::loops::$uniform>::of(dispatch).map_or(0, |$loops| $bound)
        }

        kernel!(@entry KERNEL, $stem, $uniform, $precondition);
        $($(kernel!(@entry $name, $twin, $uniform, $twin_precondition);)*)?

        pub(crate) const KERNELS: &[&$crate::program::Kernel] = &[&KERNEL, $($(&$name),*)?];
    };
    (@entry $name:ident, $stem:ident, $uniform:ident, $precondition:literal) => {
        /// The entry.
        pub(crate) static $name: $crate::program::Kernel = $crate::program::Kernel {
            stem: stringify!($stem),
            shader: &$crate::kernels::shaders::$stem,
            uniform: $crate::program::Uniform::$uniform,
            bindings: BINDINGS,
            constants: CONSTANTS,
            precondition: $precondition,
            loops: loop_bound,
        };
    };
}
/// The texts.
#[expect(non_upper_case_globals, reason = "a shader's static bears the shader's name")]
pub(crate) mod shaders {
    use crate::program::{Shader, ShaderPart};

    include!(concat!(env!("OUT_DIR"), "/shaders.rs"));
}

include!(concat!(env!("OUT_DIR"), "/launchers.rs"));

/// Every kernel, in the order of the stems of their launchers.
pub fn kernels() -> Vec<&'static Kernel> {
    LAUNCHED.iter().copied().flatten().copied().collect()
}

/// Every part, in the order of their stems.
pub fn parts() -> &'static [&'static ShaderPart] {
    shaders::PARTS
}

/// By its stem.
#[cfg(feature = "serde")]
impl<'de> serde::Deserialize<'de> for &'static Kernel {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let stem = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        let found = LAUNCHED.iter().copied().flatten().copied().find(|kernel| kernel.stem == stem);
        found.ok_or_else(|| serde::de::Error::custom(format!("kernel = {stem}: this library has no such kernel")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::program::MOST_BINDINGS;

    #[test]
    fn no_kernel_binds_more_than_most() {
        assert!(kernels().iter().all(|kernel| kernel.bindings.len() as u64 <= MOST_BINDINGS));
    }
}
