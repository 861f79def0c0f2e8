//! Random problems of every operation.

use proptest::prelude::*;
use wgconv::{
    Activation, Axes, Col2im, Conv, ConvTranspose, DeformConv2d, DepthToSpace, DepthwiseSeparable2d, Epilogue, Im2col,
    LocallyConnected2d, PaddingMode, Pool, PoolMode, Problem, SpaceToDepth, SpatialSeparable2d,
};

const BIG: usize = 1 << 31;
/// Sizes near the limits of the types that hold them.
pub const ABSURD: [usize; 8] = [65_536, 1 << 20, BIG - 1, BIG, 1 << 32, 1 << 62, usize::MAX - 1, usize::MAX];
pub const FLOATS: [f32; 10] = [0.5, 1.0, 2.0, 3.0, 0.01, 1e30, -1.0, 0.0, f32::NAN, f32::INFINITY];
pub const OPERATIONS: usize = 11;

/// What a problem of any operation is made from.
pub struct Draw {
    pub op: usize,
    pub input: Axes<usize>,
    pub kernel: Axes<usize>,
    pub stride: Axes<usize>,
    pub dilation: Axes<usize>,
    pub padding: Axes<[usize; 2]>,
    pub output_padding: Axes<usize>,
    /// Images, channels in and out, and whatever else the operation counts.
    pub counts: [usize; 4],
    pub groups: usize,
    pub flags: [bool; 5],
    pub value: f32,
    pub choice: usize,
}

/// The rank that the operation of that number must have, where there is one.
pub fn rank_of(op: usize) -> Option<usize> {
    matches!(op, 2..=5 | 7 | 8).then_some(2)
}

fn number() -> impl Strategy<Value = usize> {
    prop_oneof![
        90 => 1_usize..7,
        2 => Just(0),
        2 => 7_usize..70_000,
        3 => prop::sample::select(&ABSURD),
    ]
}

fn padding() -> impl Strategy<Value = usize> {
    prop_oneof![60 => 0_usize..4, 1 => number()]
}

fn axes_of<T: Copy + std::fmt::Debug>(value: impl Strategy<Value = T>, rank: usize) -> impl Strategy<Value = Axes<T>> {
    // Now and then the rank of something else.
    (prop::collection::vec(value, 3), prop_oneof![60 => Just(rank), 1 => 1_usize..4])
        .prop_map(|(values, rank)| Axes::from_slice("axes", &values[..rank]).expect("one to three values"))
}

fn float() -> impl Strategy<Value = f32> {
    prop::sample::select(&FLOATS)
}

fn op_and_rank() -> impl Strategy<Value = (usize, usize)> {
    (0..OPERATIONS, 1_usize..4).prop_map(|(op, rank)| (op, rank_of(op).unwrap_or(rank)))
}

prop_compose! {
    /// Any operation with small and, now and then, absurd values.
    pub fn problem()((op, rank) in op_and_rank())(
        op in Just(op),
        input in axes_of(number().prop_map(|n| n.saturating_mul(2)), rank),
        kernel in axes_of(number(), rank),
        stride in axes_of(number(), rank),
        dilation in axes_of(number().prop_map(|n| n.div_ceil(2)), rank),
        pads in axes_of([padding(), padding()], rank),
        output_padding in axes_of(0_usize..2, rank),
        counts in [number(), number(), number(), number()],
        groups in prop_oneof![4 => Just(1), 2 => 1_usize..4, 1 => number()],
        flags in any::<[bool; 5]>(),
        value in float(),
        choice in 0_usize..4,
    ) -> Problem {
        Draw {
            op, input, kernel, stride, dilation, padding: pads, output_padding, counts, groups, flags, value, choice,
        }
        .problem()
    }
}

impl Draw {
    pub fn problem(self) -> Problem {
        let Self { op, input, kernel, stride, dilation, padding: pads, output_padding, groups, flags, value, .. } =
            self;
        let [batch, c_in, c_out, more] = self.counts;
        let (c_in, c_out) = (c_in.saturating_mul(if flags[4] { groups } else { 1 }), c_out.saturating_mul(groups));
        let padding_mode =
            [PaddingMode::Zeros, PaddingMode::Reflect, PaddingMode::Replicate, PaddingMode::Circular][self.choice];
        let activation = if flags[3] { Activation::LeakyRelu { slope: value } } else { Activation::Gelu };
        let epilogue = Epilogue { bias: flags[0], residual: flags[1], activation };
        let plain = Conv {
            batch,
            c_in,
            input,
            c_out,
            kernel,
            stride,
            padding: pads,
            dilation,
            groups,
            padding_mode,
            flip_kernel: flags[2],
            epilogue,
        };
        match op {
            0 => plain.into(),
            1 => ConvTranspose {
                batch,
                c_in,
                input,
                c_out,
                kernel,
                stride,
                padding: pads,
                output_padding,
                dilation,
                groups,
                flip_kernel: flags[2],
                epilogue,
            }
            .into(),
            2 => DeformConv2d {
                batch,
                c_in,
                input,
                c_out,
                kernel,
                stride,
                padding: pads,
                dilation,
                groups,
                offset_groups: if flags[2] { groups } else { more },
                mask: flags[3],
                epilogue,
            }
            .into(),
            3 => LocallyConnected2d {
                batch,
                c_in,
                input,
                c_out,
                kernel,
                stride,
                padding: pads,
                dilation,
                groups,
                epilogue,
            }
            .into(),
            4 => SpatialSeparable2d {
                batch,
                channels: c_in,
                input,
                kernel,
                stride,
                padding: pads,
                dilation,
                padding_mode,
                epilogue,
            }
            .into(),
            5 => DepthwiseSeparable2d {
                batch,
                c_in,
                input,
                multiplier: more,
                c_out,
                kernel,
                stride,
                padding: pads,
                dilation,
                padding_mode,
                epilogue,
            }
            .into(),
            6 => Pool {
                batch,
                channels: c_in,
                input,
                kernel,
                stride,
                padding: pads,
                dilation,
                ceil_mode: flags[0],
                mode: match self.choice {
                    0 => PoolMode::Max { pad_value: flags[1].then_some(value), indices: flags[2] },
                    1 => PoolMode::Lp { p: value },
                    _ => PoolMode::Average { count_include_pad: flags[1], divisor_override: flags[2].then_some(more) },
                },
            }
            .into(),
            7 => DepthToSpace::new(batch, c_in.saturating_mul(more).saturating_mul(more), [4, 6], more).into(),
            8 => {
                SpaceToDepth { input, ..SpaceToDepth::new(batch, c_in, [1, 1], if flags[0] { 2 } else { more }) }.into()
            }
            9 => Im2col { batch, channels: c_in, input, kernel, stride, padding: pads, dilation }.into(),
            _ => Col2im { batch, channels: c_in, output: input, kernel, stride, padding: pads, dilation }.into(),
        }
    }
}
