//! The operations by name, each with its tensors and attributes.

use super::document::did_you_mean;
use crate::tensor::TensorName;

/// What an operation does, apart from its number of spatial axes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Convolution.
    Conv,
    /// Transposed convolution.
    ConvTranspose,
    /// Deformable convolution.
    DeformConv,
    /// Locally connected layer.
    LocallyConnected,
    /// Spatially separable convolution.
    SpatialSeparable,
    /// Depthwise separable convolution.
    DepthwiseSeparable,
    /// Max pooling.
    MaxPool,
    /// Average pooling.
    AvgPool,
    /// Lp pooling.
    LpPool,
    /// Maximum of each channel.
    GlobalMaxPool,
    /// Mean of each channel.
    GlobalAvgPool,
    /// Lp norm of each channel.
    GlobalLpPool,
    /// Channels to pixels.
    DepthToSpace,
    /// Pixels to channels.
    SpaceToDepth,
    /// Windows to columns.
    Im2col,
    /// Columns to a sum of windows.
    Col2im,
}

/// An operation: a case file's `op`, a subcommand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Op {
    /// What it does.
    pub kind: Kind,
    /// Spatial axes.
    pub rank: usize,
}

/// Operations in one, two and three dimensions, and those in two only.
const RANKED: [Kind; 10] = [
    Kind::Conv,
    Kind::ConvTranspose,
    Kind::MaxPool,
    Kind::AvgPool,
    Kind::LpPool,
    Kind::GlobalMaxPool,
    Kind::GlobalAvgPool,
    Kind::GlobalLpPool,
    Kind::Im2col,
    Kind::Col2im,
];
const PLANAR: [Kind; 6] = [
    Kind::DeformConv,
    Kind::LocallyConnected,
    Kind::SpatialSeparable,
    Kind::DepthwiseSeparable,
    Kind::DepthToSpace,
    Kind::SpaceToDepth,
];

/// Other names under which people know an operation.
const SYNONYMS: [(&str, &str); 6] = [
    ("im2col", "im2col2d"),
    ("col2im", "col2im2d"),
    ("unfold", "im2col2d"),
    ("fold", "col2im2d"),
    ("pixel_shuffle", "depth_to_space"),
    ("pixel_unshuffle", "space_to_depth"),
];

impl Op {
    /// Every operation.
    pub fn all() -> impl Iterator<Item = Op> {
        let ranked = RANKED.into_iter().flat_map(|kind| (1..=3).map(move |rank| Op { kind, rank }));
        ranked.chain(PLANAR.into_iter().map(|kind| Op { kind, rank: 2 }))
    }

    /// By its name or a synonym, with underscores or hyphens.
    pub fn parse(text: &str) -> Option<Op> {
        let name = text.replace('-', "_");
        let name = SYNONYMS.iter().find(|(synonym, _)| *synonym == name).map_or(name.as_str(), |(_, name)| name);
        Op::all().find(|op| op.name() == name)
    }

    /// `; did you mean conv2d?` behind a name that no operation has, or nothing where none is near.
    pub fn hint(wrong: &str) -> String {
        let known: Vec<String> = Op::all().map(Op::name).collect();
        did_you_mean(wrong, known.iter().map(String::as_str))
    }

    /// As case files spell it.
    pub fn name(self) -> String {
        let rank = self.rank;
        match self.kind {
            Kind::Conv => format!("conv{rank}d"),
            Kind::ConvTranspose => format!("conv_transpose{rank}d"),
            Kind::DeformConv => "deform_conv2d".into(),
            Kind::LocallyConnected => "locally_connected2d".into(),
            Kind::SpatialSeparable => "spatial_separable_conv2d".into(),
            Kind::DepthwiseSeparable => "depthwise_separable_conv2d".into(),
            Kind::MaxPool => format!("max_pool{rank}d"),
            Kind::AvgPool => format!("avg_pool{rank}d"),
            Kind::LpPool => format!("lp_pool{rank}d"),
            Kind::GlobalMaxPool => format!("global_max_pool{rank}d"),
            Kind::GlobalAvgPool => format!("global_avg_pool{rank}d"),
            Kind::GlobalLpPool => format!("global_lp_pool{rank}d"),
            Kind::DepthToSpace => "depth_to_space".into(),
            Kind::SpaceToDepth => "space_to_depth".into(),
            Kind::Im2col => format!("im2col{rank}d"),
            Kind::Col2im => format!("col2im{rank}d"),
        }
    }

    /// As a subcommand.
    pub fn command(self) -> String {
        self.name().replace('_', "-")
    }

    /// Other spellings of the subcommand.
    pub fn command_aliases(self) -> Vec<String> {
        let name = self.name();
        let synonyms = SYNONYMS.iter().filter(|(_, of)| *of == name).map(|(synonym, _)| *synonym);
        let spellings = synonyms.flat_map(|synonym| [synonym.to_string(), synonym.replace('_', "-")]);
        let mut aliases: Vec<String> = spellings.chain([name.clone()]).collect();
        aliases.retain(|alias| *alias != self.command());
        aliases.dedup();
        aliases
    }

    /// One line for the help.
    pub fn about(self) -> &'static str {
        match self.kind {
            Kind::Conv => "Convolution: groups, depthwise, pointwise, dilated",
            Kind::ConvTranspose => "Transposed convolution",
            Kind::DeformConv => "Deformable convolution, version 1 or (with --mask) 2",
            Kind::LocallyConnected => "Locally connected: weights of their own at every output position",
            Kind::SpatialSeparable => "Spatially separable convolution: a column filter, then a row filter per channel",
            Kind::DepthwiseSeparable => "Depthwise separable convolution: depthwise, then pointwise",
            Kind::MaxPool => "Max pooling",
            Kind::AvgPool => "Average pooling",
            Kind::LpPool => "Lp pooling: (sum |x|^p)^(1/p)",
            Kind::GlobalMaxPool => "Maximum of each channel",
            Kind::GlobalAvgPool => "Mean of each channel",
            Kind::GlobalLpPool => "Lp norm of each channel",
            Kind::DepthToSpace => "Channels to pixels (pixel shuffle)",
            Kind::SpaceToDepth => "Pixels to channels (pixel unshuffle)",
            Kind::Im2col => "Windows to columns (unfold)",
            Kind::Col2im => "Columns to a sum of windows (fold)",
        }
    }

    /// The attributes that it has.
    pub fn attributes(self) -> &'static [&'static str] {
        match self.kind {
            Kind::Conv => &["stride", "padding", "dilation", "groups", "padding_mode", "flip_kernel", "activation"],
            Kind::ConvTranspose => {
                &["stride", "padding", "output_padding", "dilation", "groups", "flip_kernel", "activation"]
            }
            Kind::DeformConv => &["stride", "padding", "dilation", "groups", "offset_groups", "activation"],
            Kind::LocallyConnected => &["stride", "padding", "dilation", "groups", "activation"],
            // Their groups follow from the arrays; a value that is given must agree.
            Kind::SpatialSeparable | Kind::DepthwiseSeparable => {
                &["stride", "padding", "dilation", "groups", "padding_mode", "activation"]
            }
            Kind::MaxPool => &["kernel_size", "stride", "padding", "dilation", "ceil_mode", "pad_value"],
            Kind::AvgPool => {
                &["kernel_size", "stride", "padding", "dilation", "ceil_mode", "count_include_pad", "divisor_override"]
            }
            Kind::LpPool => &["kernel_size", "stride", "padding", "dilation", "ceil_mode", "p"],
            Kind::GlobalMaxPool | Kind::GlobalAvgPool => &[],
            Kind::GlobalLpPool => &["p"],
            Kind::DepthToSpace | Kind::SpaceToDepth => &["block_size", "mode"],
            Kind::Im2col => &["kernel_size", "stride", "padding", "dilation"],
            Kind::Col2im => &["output_size", "kernel_size", "stride", "padding", "dilation"],
        }
    }

    /// The tensors that it must have, the input first.
    pub fn required(self) -> &'static [TensorName] {
        use TensorName::{Input, Offset, Weight, WeightDw, WeightH, WeightPw, WeightV};
        match self.kind {
            Kind::Conv | Kind::ConvTranspose | Kind::LocallyConnected => &[Input, Weight],
            Kind::DeformConv => &[Input, Weight, Offset],
            Kind::SpatialSeparable => &[Input, WeightV, WeightH],
            Kind::DepthwiseSeparable => &[Input, WeightDw, WeightPw],
            _ => &[Input],
        }
    }

    /// The tensors that it may have.
    pub fn optional(self) -> &'static [TensorName] {
        use TensorName::{Bias, Mask, Residual};
        match self.kind {
            Kind::DeformConv => &[Mask, Bias, Residual],
            Kind::Conv
            | Kind::ConvTranspose
            | Kind::LocallyConnected
            | Kind::SpatialSeparable
            | Kind::DepthwiseSeparable => &[Bias, Residual],
            _ => &[],
        }
    }

    /// Every tensor that it reads.
    pub fn tensors(self) -> impl Iterator<Item = TensorName> {
        self.required().iter().chain(self.optional()).copied()
    }

    /// Whether it can yield the positions of its maxima.
    pub fn has_indices(self) -> bool {
        matches!(self.kind, Kind::MaxPool | Kind::GlobalMaxPool)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_back_to_their_operation() {
        for op in Op::all() {
            assert_eq!(Op::parse(&op.name()), Some(op));
            assert_eq!(Op::parse(&op.command()), Some(op));
            for alias in op.command_aliases() {
                assert_eq!(Op::parse(&alias), Some(op), "{alias}");
            }
        }
        assert_eq!(Op::parse("unfold"), Some(Op { kind: Kind::Im2col, rank: 2 }));
        assert_eq!(Op::parse("conv4d"), None);
    }

    #[test]
    fn every_attribute_is_in_the_table() {
        for op in Op::all() {
            for name in op.attributes() {
                assert!(crate::cases::attributes::ATTRIBUTES.iter().any(|a| a.name == *name), "{name}");
            }
        }
    }
}
