//! Problems for the test suites and for the playground's check in a browser.

use wgconv::{
    Activation, Col2im, Conv, ConvTranspose, DeformConv2d, DepthToSpace, DepthwiseSeparable2d, Im2col,
    LocallyConnected2d, PaddingMode, Pool, PoolMode, Problem, ShuffleOrder, SpaceToDepth, SpatialSeparable2d,
};

/// Awkward problems of every operation, by name.
pub fn zoo() -> Vec<(&'static str, Problem)> {
    let mut zoo: Vec<(&'static str, Problem)> = Vec::new();
    let mut add = |name, problem: Problem| zoo.push((name, problem));

    add("conv1d text", Conv::new(2, 5, [41], 9, [5]).padding(2).bias(true).into());
    add("conv1d causal dilated", Conv::new(1, 4, [47], 6, [3]).padding([[8, 0]]).dilation(4).into());
    add("conv1d grouped strided", Conv::new(2, 6, [33], 9, [4]).stride(3).groups(3).into());
    add("conv2d 3x3", Conv::new(1, 3, [8, 9], 4, [3, 3]).padding(1).bias(true).into());
    add("conv2d c_in 25", Conv::new(2, 25, [13, 11], 17, [3, 3]).padding(1).into());
    // Lanes that load weights for each other: a rest of channels, of rows, and mirrored taps.
    add("conv2d flipped c_in 11", Conv::new(1, 11, [7, 6], 27, [2, 3]).flip_kernel(true).padding(1).bias(true).into());
    add(
        "conv2d reflect c_in 16",
        Conv::new(1, 16, [9, 5], 12, [3, 3]).padding(2).padding_mode(PaddingMode::Reflect).groups(2).into(),
    );
    let long_sums = Conv::new(2, 80, [5, 6], 18, [3, 3]).groups(2).padding(1);
    add("conv2d long sums", long_sums.bias(true).residual(true).into());
    add("conv2d tile edges", Conv::new(1, 16, [41, 47], 64, [3, 3]).padding(1).bias(true).into());
    add("conv2d beyond a tile", Conv::new(1, 20, [9, 15], 70, [3, 3]).padding(1).into());
    add("conv2d 133x141", Conv::new(1, 2, [133, 141], 3, [5, 3]).stride([2, 3]).padding([[2, 1], [0, 3]]).into());
    add("conv2d window wider than the input", Conv::new(1, 2, [3, 2], 3, [5, 7]).padding([2, 3]).into());
    add("conv2d asymmetric", Conv::new(2, 3, [7, 10], 5, [4, 2]).padding([[3, 0], [0, 2]]).stride([1, 2]).into());
    add("conv2d groups", Conv::new(2, 12, [9, 8], 20, [3, 3]).groups(4).padding(1).bias(true).into());
    add("conv2d dilated", Conv::new(1, 6, [19, 23], 10, [3, 3]).dilation([2, 3]).padding([2, 3]).into());
    add(
        "conv2d dilated asymmetric",
        Conv::new(2, 5, [17, 9], 3, [2, 5]).dilation([5, 2]).padding([[4, 1], [3, 5]]).into(),
    );
    add("conv2d dilated groups", Conv::new(1, 6, [20, 20], 27, [3, 3]).groups(3).dilation(6).padding(6).into());
    add(
        "conv2d stride and dilation",
        Conv::new(1, 4, [21, 22], 5, [3, 3]).dilation(2).stride([3, 2]).padding(2).into(),
    );
    add("conv2d pointwise", Conv::new(2, 19, [7, 6], 11, [1, 1]).bias(true).into());
    add("conv2d pointwise groups", Conv::new(1, 12, [7, 5], 18, [1, 1]).groups(6).into());
    add("conv2d pointwise strided", Conv::new(1, 8, [7, 6], 12, [1, 1]).stride(2).into());
    add("conv2d dilated flipped", Conv::new(1, 2, [9, 8], 3, [2, 3]).dilation(2).flip_kernel(true).into());
    add("conv2d flipped", Conv::new(1, 3, [8, 7], 9, [3, 2]).flip_kernel(true).padding(1).into());
    for (name, mode) in [
        ("conv2d reflect", PaddingMode::Reflect),
        ("conv2d replicate", PaddingMode::Replicate),
        ("conv2d circular", PaddingMode::Circular),
    ] {
        let padded = Conv::new(2, 3, [6, 5], 10, [4, 3]).padding([[3, 2], [1, 4]]).padding_mode(mode);
        add(name, padded.into());
    }
    add(
        "conv2d dilated circular",
        Conv::new(1, 3, [9, 8], 4, [3, 3]).dilation(3).padding(3).padding_mode(PaddingMode::Circular).into(),
    );
    add("conv2d depthwise", Conv::new(2, 7, [14, 15], 7, [3, 3]).groups(7).padding(1).bias(true).into());
    add("conv2d depthwise 5x5 stride 2", Conv::new(1, 6, [17, 14], 6, [5, 5]).groups(6).padding(2).stride(2).into());
    add("conv2d depthwise multiplier", Conv::new(1, 4, [9, 11], 12, [3, 3]).groups(4).padding(1).into());
    add("conv2d depthwise dilated", Conv::new(1, 5, [16, 13], 5, [3, 3]).groups(5).padding(4).dilation(4).into());
    add(
        "conv2d depthwise slides at stride 2",
        Conv::new(1, 3, [16, 13], 3, [3, 3]).groups(3).padding(2).dilation(2).stride(2).flip_kernel(true).into(),
    );
    add(
        "conv2d depthwise reflect",
        Conv::new(1, 3, [9, 7], 6, [5, 3]).groups(3).padding([4, 2]).padding_mode(PaddingMode::Reflect).into(),
    );
    add(
        "conv2d depthwise circular",
        Conv::new(1, 3, [5, 7], 3, [6, 3]).groups(3).padding([5, 7]).padding_mode(PaddingMode::Circular).into(),
    );
    add("conv3d", Conv::new(1, 3, [5, 6, 7], 4, [3, 2, 3]).padding([1, 0, 1]).stride([1, 2, 1]).bias(true).into());
    // Eight tap rows; slices of a channel.
    add("conv2d depthwise 8x3", Conv::new(1, 2, [19, 17], 4, [8, 3]).groups(2).padding([5, 1]).stride([1, 2]).into());
    add("conv2d depthwise wide", Conv::new(2, 2, [33, 120], 2, [3, 3]).groups(2).padding(1).into());
    add("conv2d depthwise 9x9", Conv::new(1, 2, [12, 12], 2, [9, 9]).groups(2).padding(4).into());
    // Rows of whole vec4s: the filter and the sums of several output rows stay in registers.
    let vec4s = Conv::new(2, 4, [13, 16], 8, [3, 3]).groups(4).padding(1);
    add("conv2d depthwise vec4s", vec4s.bias(true).residual(true).into());
    add("conv2d depthwise vec4s stride 2", Conv::new(1, 3, [21, 24], 3, [5, 5]).groups(3).padding(2).stride(2).into());
    add(
        "conv2d depthwise vec4s 7x7",
        Conv::new(1, 2, [70, 8], 2, [7, 7]).groups(2).padding(3).flip_kernel(true).into(),
    );
    add("conv2d depthwise vec4s dilated", Conv::new(1, 2, [19, 12], 2, [3, 3]).groups(2).padding(2).dilation(2).into());
    add("conv1d depthwise vec4s", Conv::new(2, 6, [52], 6, [4]).groups(6).padding([[3, 0]]).bias(true).into());
    add("conv1d depthwise", Conv::new(2, 6, [50], 6, [4]).groups(6).padding([[3, 0]]).into());
    add("conv3d depthwise", Conv::new(1, 3, [5, 6, 4], 3, [3, 3, 3]).groups(3).padding(1).into());
    add("conv2d many channels", Conv::new(1, 70, [12, 11], 130, [1, 1]).into());

    add("conv_transpose1d", ConvTranspose::new(2, 3, [11], 5, [4]).stride(2).padding(1).bias(true).into());
    add("conv_transpose2d k4 s2", ConvTranspose::new(1, 6, [7, 9], 10, [4, 4]).stride(2).padding(1).into());
    // No two taps of one residue; residues without a tap; rows that slide at stride 2; several input channels.
    add(
        "conv_transpose2d depthwise",
        ConvTranspose::new(2, 3, [6, 7], 3, [3, 3]).groups(3).stride(3).bias(true).into(),
    );
    add(
        "conv_transpose2d depthwise dilated",
        ConvTranspose::new(1, 4, [7, 6], 2, [3, 4]).groups(2).stride([4, 2]).dilation([2, 3]).padding([1, 2]).into(),
    );
    add(
        "conv_transpose2d depthwise does not slide",
        ConvTranspose::new(1, 3, [6, 5], 3, [3, 2]).groups(3).stride(2).dilation(3).padding(1).into(),
    );
    add(
        "conv_transpose2d one output channel",
        ConvTranspose::new(1, 5, [9, 8], 1, [4, 5]).stride(2).padding(1).flip_kernel(true).into(),
    );
    add(
        "conv_transpose2d k3 s2",
        ConvTranspose::new(2, 4, [6, 5], 6, [3, 3]).stride(2).padding(1).output_padding(1).groups(2).bias(true).into(),
    );
    add(
        "conv_transpose2d asymmetric dilated",
        ConvTranspose::new(1, 3, [5, 6], 9, [3, 2])
            .stride([3, 4])
            .dilation([2, 3])
            .padding([[0, 2], [1, 0]])
            .output_padding([2, 3])
            .into(),
    );
    add(
        "conv_transpose2d stride beyond kernel",
        ConvTranspose::new(1, 3, [4, 5], 2, [2, 1]).stride([3, 2]).bias(true).into(),
    );
    add(
        "conv_transpose2d common factor",
        ConvTranspose::new(1, 2, [6, 5], 3, [4, 3]).stride([4, 6]).dilation([2, 4]).into(),
    );
    add("conv_transpose2d flipped", ConvTranspose::new(1, 2, [5, 4], 3, [3, 2]).stride(2).flip_kernel(true).into());
    add(
        "conv_transpose2d stride beyond output",
        ConvTranspose::new(1, 2, [1, 2], 3, [3, 3]).stride(7).padding(1).into(),
    );
    add("conv_transpose3d", ConvTranspose::new(1, 3, [3, 4, 2], 4, [2, 3, 3]).stride([2, 1, 3]).into());

    add("deform_conv2d v1", DeformConv2d::new(2, 6, [9, 8], 9, [3, 3]).padding(1).bias(true).into());
    add("deform_conv2d v2", DeformConv2d::new(1, 8, [7, 10], 5, [3, 3]).padding(1).mask(true).offset_groups(2).into());
    add(
        "deform_conv2d groups",
        DeformConv2d::new(2, 12, [8, 7], 10, [2, 3])
            .groups(2)
            .offset_groups(3)
            .mask(true)
            .stride([2, 1])
            .dilation([1, 2])
            .padding([[0, 2], [1, 0]])
            .into(),
    );
    add(
        "deform_conv2d offset groups within weight groups",
        DeformConv2d::new(1, 8, [5, 6], 6, [3, 1]).groups(2).offset_groups(8).padding([1, 0]).into(),
    );

    let wide = |c_out| DeformConv2d::new(2, 44, [4, 5], c_out, [2, 2]).padding(1).offset_groups(2).mask(true);
    add("deform_conv2d all rows of a tile", wide(16).into());
    add("deform_conv2d part of a tile", wide(30).bias(true).into());
    add("deform_conv2d groups across offset groups", wide(94).groups(2).offset_groups(4).mask(false).into());
    add("deform_conv2d widest tile", wide(101).into());
    // Channels of an offset group beside the multiples of four, and more than one invocation of a GPU takes.
    let odd = |c_in| DeformConv2d::new(2, c_in, [4, 5], 3, [2, 2]).padding(1);
    add("deform_conv2d five channels to an offset group", odd(25).offset_groups(5).mask(true).into());
    add("deform_conv2d 39 channels", odd(39).into());

    add("locally_connected2d", LocallyConnected2d::new(2, 6, [6, 7], 9, [3, 2]).groups(3).padding(1).bias(true).into());
    add(
        "locally_connected2d strided",
        LocallyConnected2d::new(1, 3, [9, 8], 4, [3, 3]).stride([2, 1]).dilation([1, 2]).into(),
    );

    add("spatial_separable", SpatialSeparable2d::new(2, 3, [9, 11], [5, 3]).padding([2, 1]).bias(true).into());
    add(
        "spatial_separable replicate",
        SpatialSeparable2d::new(1, 2, [9, 8], [3, 7])
            .padding([[2, 1], [3, 4]])
            .padding_mode(PaddingMode::Replicate)
            .stride([2, 3])
            .dilation([2, 1])
            .into(),
    );
    add(
        "depthwise_separable",
        DepthwiseSeparable2d::new(2, 5, [9, 8], 12, [3, 3]).multiplier(2).padding(1).stride([2, 1]).bias(true).into(),
    );

    let max = |pad_value, indices| PoolMode::Max { pad_value, indices };
    add("max_pool1d", Pool::max(2, 3, [17], [3]).stride(2).padding(1).into());
    add("max_pool2d indices", Pool::max(2, 3, [9, 10], [3, 2]).padding(1).stride([2, 1]).mode(max(None, true)).into());
    add("max_pool2d ceil dilated", Pool::max(1, 2, [11, 10], [2, 3]).dilation([3, 2]).stride(2).ceil_mode(true).into());
    add("max_pool2d pad value", Pool::max(1, 2, [5, 6], [3, 3]).padding(2).mode(max(Some(1.0), true)).into());
    add("max_pool3d", Pool::max(1, 2, [5, 6, 7], [2, 3, 2]).stride([2, 1, 3]).mode(max(None, true)).into());
    add("global max", Pool::global(2, 3, [13, 17], max(None, true)).into());
    let average = |count_include_pad, divisor_override| PoolMode::Average { count_include_pad, divisor_override };
    add("avg_pool2d", Pool::average(2, 3, [9, 10], [4, 2]).padding([1, 0]).stride(2).ceil_mode(true).into());
    add(
        "avg_pool2d exclude",
        Pool::average(1, 3, [9, 7], [2, 4]).padding([1, 2]).stride([3, 2]).mode(average(false, None)).into(),
    );
    add("avg_pool3d divisor", Pool::average(1, 2, [4, 5, 6], [2, 2, 2]).mode(average(true, Some(4))).into());
    add("avg_pool2d dilated", Pool::average(1, 2, [9, 11], [3, 2]).dilation([2, 3]).padding(1).stride([1, 2]).into());
    add(
        "avg_pool3d dilated exclude",
        Pool::average(1, 2, [6, 7, 8], [2, 3, 2]).dilation([3, 2, 1]).padding(1).mode(average(false, None)).into(),
    );
    add("global average", Pool::global(2, 5, [16, 16], average(false, None)).into());
    add("global average 1d", Pool::global(1, 3, [300], average(true, None)).into());
    add("lp_pool2d p 2", Pool::lp(1, 3, [9, 8], [3, 2], 2.0).stride([1, 2]).into());
    add("lp_pool1d p 3", Pool::lp(2, 3, [17], [4], 3.0).padding(1).into());
    add("lp_pool2d p 1.5", Pool::lp(1, 2, [7, 6], [2, 2], 1.5).into());
    // One window that reaches far beyond the input: less than a stride, whatever the kernel.
    let wide = [70_000, 5];
    add("max_pool2d wide", Pool::max(1, 2, [3, 4], wide).mode(max(None, true)).ceil_mode(true).into());
    add("max_pool1d one window", Pool::max(2, 3, [5], [9]).stride(5).mode(max(None, true)).ceil_mode(true).into());
    add(
        "max_pool3d wide padded",
        Pool::max(1, 2, [2, 3, 2], [9, 4, 3])
            .padding(2)
            .stride([6, 3, 1])
            .mode(max(Some(0.5), true))
            .ceil_mode(true)
            .into(),
    );
    add("avg_pool2d wide", Pool::average(2, 3, [2, 3], wide).padding([1, 0]).ceil_mode(true).into());
    add(
        "avg_pool2d wide exclude",
        Pool::average(1, 2, [4, 2], [9, 5])
            .stride(4)
            .padding([[2, 1], [1, 1]])
            .mode(average(false, None))
            .ceil_mode(true)
            .into(),
    );
    add(
        "avg_pool2d wide dilated",
        Pool::average(1, 2, [5, 4], [4, 3])
            .dilation([3, 2])
            .stride(7)
            .mode(average(true, Some(3)))
            .ceil_mode(true)
            .into(),
    );
    add("lp_pool2d wide", Pool::lp(1, 2, [3, 2], wide, 3.0).ceil_mode(true).into());
    add("global lp", Pool::global(1, 3, [11, 12], PoolMode::Lp { p: 2.0 }).into());

    for order in [ShuffleOrder::Crd, ShuffleOrder::Dcr] {
        add("depth_to_space", DepthToSpace::new(2, 18, [4, 5], 3).order(order).into());
        add("space_to_depth", SpaceToDepth::new(2, 5, [6, 8], 2).order(order).into());
    }
    add("im2col1d", Im2col::new(2, 3, [11], [4]).stride(2).padding(1).into());
    add("im2col2d", Im2col::new(1, 3, [7, 8], [3, 2]).padding([[1, 2], [0, 1]]).dilation([2, 1]).into());
    add("im2col3d", Im2col::new(1, 2, [4, 5, 3], [2, 2, 3]).stride([1, 2, 1]).into());
    add("col2im2d", Col2im::new(2, 3, [7, 8], [3, 2]).padding([[1, 2], [0, 1]]).dilation([2, 1]).into());
    add("col2im3d", Col2im::new(1, 2, [4, 5, 3], [2, 2, 3]).stride([1, 2, 1]).into());
    zoo
}

/// Every activation with a residual, on the convolutions that have different epilogue code.
pub fn epilogues() -> Vec<Problem> {
    let activations = [
        Activation::Identity,
        Activation::Relu,
        Activation::Relu6,
        Activation::LeakyRelu { slope: 0.1 },
        Activation::Silu,
        Activation::HardSwish,
        Activation::Gelu,
        Activation::GeluTanh,
    ];
    let mut problems: Vec<Problem> = Vec::new();
    for activation in activations {
        problems.push(
            Conv::new(1, 9, [6, 7], 10, [3, 3]).padding(1).bias(true).residual(true).activation(activation).into(),
        );
    }
    let activation = Activation::HardSwish;
    problems.extend([
        Conv::new(1, 9, [6, 7], 10, [1, 1]).residual(true).activation(activation).into(),
        Conv::new(1, 4, [6, 7], 4, [3, 3]).groups(4).bias(true).residual(true).activation(activation).into(),
        Conv::new(1, 4, [6, 8], 4, [3, 3]).groups(4).padding(1).bias(true).residual(true).activation(activation).into(),
        Conv::new(1, 4, [9, 7], 4, [2, 2]).dilation(2).residual(true).activation(activation).into(),
        ConvTranspose::new(1, 4, [5, 4], 3, [3, 3]).stride(2).bias(true).residual(true).activation(activation).into(),
        DeformConv2d::new(1, 4, [5, 4], 3, [3, 3]).bias(true).residual(true).activation(activation).into(),
        LocallyConnected2d::new(1, 4, [5, 4], 3, [3, 3]).bias(true).residual(true).activation(activation).into(),
        SpatialSeparable2d::new(1, 4, [5, 4], [3, 3]).bias(true).residual(true).activation(activation).into(),
        DepthwiseSeparable2d::new(1, 4, [5, 4], 3, [3, 3]).bias(true).residual(true).activation(activation).into(),
    ]);
    problems
}
