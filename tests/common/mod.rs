//! What the test suites share: a zoo of problems, data, and an execution that watches every buffer's surroundings.
#![allow(dead_code, reason = "each suite uses its part")]

pub mod strategy;

use std::collections::BTreeMap;

use half::f16;
use wgconv::gpu::{Bindings, Context, Gpu, Plan, Select};
use wgconv::{
    Access, Accuracy, Algorithm, Conv, ElementType, Geometry, Inputs, Layout, Options, Problem, TensorName, TensorSpec,
    candidates,
};
use wgconv::{
    Activation, Capabilities, Col2im, ConvTranspose, DeformConv2d, DepthToSpace, DepthwiseSeparable2d, Im2col,
    KernelClass, LocallyConnected2d, PaddingMode, Pool, PoolMode, ShuffleOrder, SpaceToDepth, SpatialSeparable2d,
};

/// The adapter under test: `WGCONV_ADAPTER`, else the best. A machine without one fails.
pub fn open() -> Gpu {
    // SAFETY: a test acknowledges that wgpu's experimental features may have bugs, and would like to know.
    let gpu = unsafe { Gpu::open_experimental(&Select::Auto) };
    gpu.expect("the tests need an adapter; scripts/test installs a software one")
}

/// The device's own capabilities under each kernel class, with its subgroups and without, so that every family is judged
/// on every device.
pub fn classes(gpu: &Gpu) -> Vec<Capabilities> {
    let own = *gpu.capabilities();
    let mut classes = vec![
        Capabilities { class: KernelClass::Gpu, ..own },
        Capabilities { class: KernelClass::Cpu, subgroup_size: None, ..own },
    ];
    if own.subgroup_size.is_some() {
        classes.push(Capabilities { class: KernelClass::Cpu, ..own });
    }
    classes
}

/// Data for every tensor that a problem reads.
pub fn inputs(problem: &Problem, mut value: impl FnMut(TensorName) -> f32) -> Inputs {
    let geometry = Geometry::new(problem).expect("zoo problems are valid");
    let read = geometry.tensors().iter().filter(|spec| spec.access != Access::Write);
    read.map(|spec| (spec.name, (0..spec.len()).map(|_| value(spec.name)).collect())).collect()
}

/// Options under which every algorithm is a candidate.
pub fn relaxed() -> Options {
    Options::default().accuracy(Accuracy::Half)
}

/// Small integers: every sum is exact in f32.
pub fn integers(problem: &Problem, seed: u64) -> Inputs {
    let mut rng = fastrand::Rng::with_seed(seed);
    inputs(problem, |name| match name {
        TensorName::Offset => rng.i32(-3..=3) as f32,
        _ => rng.i32(-4..=4) as f32,
    })
}

/// Values in -1..1, offsets in -2.5..2.5.
pub fn random(problem: &Problem, seed: u64) -> Inputs {
    let mut rng = fastrand::Rng::with_seed(seed);
    inputs(problem, |name| match name {
        // Multiples of 1/1024 keep the sampling coordinates exact in f32.
        TensorName::Offset => (rng.f32() * 5120.0 - 2560.0).round() / 1024.0,
        _ => rng.f32() * 2.0 - 1.0,
    })
}

/// The algorithms that apply.
pub fn applicable(problem: &Problem, capabilities: &Capabilities, options: &Options) -> Vec<Algorithm> {
    let geometry = Geometry::new(problem).expect("zoo problems are valid");
    let all = candidates(&geometry, capabilities, options);
    all.into_iter().filter(|c| c.verdict.is_ok()).map(|c| c.algorithm).collect()
}

/// `difference <= tolerance`, so that a NaN fails; where the oracle is not finite the class must agree.
pub fn agrees(got: f32, want: f64, tolerance: f64) -> bool {
    if want.is_nan() {
        return got.is_nan();
    }
    if want.is_infinite() {
        return f64::from(got) == want;
    }
    (f64::from(got) - want).abs() <= tolerance
}

/// One context for each kernel class.
pub fn contexts(gpu: &Gpu) -> Vec<Context> {
    classes(gpu).into_iter().map(|caps| Context::with_capabilities(gpu.device(), caps)).collect()
}

/// The layouts that every activation must be readable and writable in.
pub fn layouts(problem: &Problem) -> Vec<(&'static str, Options)> {
    let geometry = Geometry::new(problem).expect("zoo problems are valid");
    let strided: Vec<_> = geometry.tensors().iter().filter(|spec| spec.takes_layout()).collect();
    let with = |make: &dyn Fn(&[usize]) -> Layout| {
        strided.iter().fold(Options::default(), |options, spec| options.layout(spec.name, make(&spec.shape)))
    };
    let channel_slice = |shape: &[usize]| {
        let mut parent = shape.to_vec();
        parent[1] += 5;
        Layout::contiguous(&parent).slice(1, 3)
    };
    let crop = |shape: &[usize]| {
        let mut parent = shape.to_vec();
        for extent in &mut parent[2..] {
            *extent += 3;
        }
        (2..shape.len()).fold(Layout::contiguous(&parent), |layout, axis| layout.slice(axis, axis - 1))
    };
    vec![
        ("channels last", with(&Layout::channels_last)),
        ("channel slice", with(&channel_slice)),
        ("crop", with(&crop)),
    ]
}

/// A result and where it came from.
pub struct Run {
    pub output: Vec<f32>,
    pub indices: Option<Vec<u32>>,
    pub gradients: BTreeMap<TensorName, Vec<f32>>,
    pub label: String,
}

const GUARD: u32 = 0xdead_beef;
const GUARD_WORDS: usize = 64;
/// A signalling pattern that no kernel produces.
const POISON: u32 = 0x7fc0_1234;
const POISON_F16: u16 = 0x7e12;

/// Executes a plan the embedder's way and watches: every tensor lies at a non-zero aligned offset between guard words,
/// unreached elements of inputs are NaN, outputs and workspace start as NaN, and afterwards nothing but the outputs'
/// own elements has changed.
pub fn run_guarded(gpu: &Gpu, context: &Context, problem: &Problem, options: &Options, inputs: &Inputs) -> Run {
    let plan = Plan::new(context, problem, options).unwrap_or_else(|error| panic!("{problem:?}: {error}"));
    let label = format!("{} by {} [{}]", problem.op_name(), plan.choice().algorithm, plan.kernels().join(" then "));
    let alignment = (context.capabilities().storage_alignment as usize / 4).max(GUARD_WORDS);
    let device = gpu.device();
    let create = |words: &[u32]| {
        let buffer = device.create_buffer(&wgpu::BufferDescriptor {
            label: None,
            size: words.len() as u64 * 4,
            usage: wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_DST | wgpu::BufferUsages::COPY_SRC,
            mapped_at_creation: false,
        });
        gpu.queue().write_buffer(&buffer, 0, bytemuck::cast_slice(words));
        buffer
    };

    let is_half = |spec: &TensorSpec| spec.element.bytes(options.storage) == 2;
    let mut buffers = BTreeMap::new();
    for spec in plan.geometry().tensors() {
        let layout = options.layouts.get(&spec.name).cloned().unwrap_or_else(|| Layout::contiguous(&spec.shape));
        let span = layout.span(&spec.shape).expect("checked");
        let data = inputs.get(&spec.name);
        let tensor = if is_half(spec) {
            let mut tensor = vec![POISON_F16; span];
            if let Some(data) = data {
                let halves: Vec<u16> = data.iter().map(|&value| f16::from_f32(value).to_bits()).collect();
                layout.scatter(&spec.shape, &halves, &mut tensor);
            }
            // The other half of the last word is somebody else's.
            tensor.resize(span.next_multiple_of(2), GUARD as u16);
            tensor.chunks(2).map(|pair| u32::from(pair[0]) | u32::from(pair[1]) << 16).collect()
        } else {
            let mut tensor = vec![POISON; span];
            if let Some(data) = data {
                layout.scatter(&spec.shape, bytemuck::cast_slice(data), &mut tensor);
            }
            tensor
        };
        let words = [vec![GUARD; alignment], tensor, vec![GUARD; GUARD_WORDS]].concat();
        buffers.insert(spec.name, (create(&words), words, layout));
    }
    let workspace_words = plan.workspace_size() as usize / 4;
    let workspace = [vec![GUARD; alignment], vec![POISON; workspace_words], vec![GUARD; GUARD_WORDS]].concat();
    let workspace = (create(&workspace), workspace);

    let offset = alignment as u64 * 4;
    let packed_words = plan.packed_size() as usize / 4;
    let packed = [vec![GUARD; alignment], vec![POISON; packed_words], vec![GUARD; GUARD_WORDS]].concat();
    let packed = (create(&packed), packed);
    let mut bindings = Bindings::new().workspace_at(&workspace.0, offset).packed_at(&packed.0, offset);
    for (name, (buffer, ..)) in &buffers {
        bindings = bindings.tensor_at(*name, buffer, offset);
    }
    let bound = plan.bind(&bindings).unwrap_or_else(|error| panic!("{label}: {error}"));
    let mut encoder = device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
    bound.encode_packing(&mut encoder);
    bound.encode(&mut encoder);
    gpu.queue().submit([encoder.finish()]);

    let mut run = Run { output: Vec::new(), indices: None, gradients: BTreeMap::new(), label };
    for spec in plan.geometry().tensors() {
        let (buffer, before, layout) = &buffers[&spec.name];
        let after = gpu.read_back(buffer).expect("readback");
        let mut expected = before.clone();
        if spec.access != Access::Read {
            let tensor = &after[alignment..];
            let dense: Vec<f32> = if is_half(spec) {
                let dense: Vec<u16> = layout.gather(&spec.shape, bytemuck::cast_slice(tensor));
                layout.scatter(&spec.shape, &dense, bytemuck::cast_slice_mut(&mut expected[alignment..]));
                dense.into_iter().map(|bits| f16::from_bits(bits).to_f32()).collect()
            } else {
                let dense = layout.gather(&spec.shape, tensor);
                layout.scatter(&spec.shape, &dense, &mut expected[alignment..]);
                bytemuck::cast_vec(dense)
            };
            match (spec.name, spec.element) {
                (_, ElementType::U32) => run.indices = Some(bytemuck::cast_vec(dense)),
                (TensorName::Output, _) => run.output = dense,
                (name, _) => {
                    run.gradients.insert(name, dense);
                }
            }
        }
        let touched = after.iter().zip(&expected).position(|(a, b)| a != b);
        assert!(touched.is_none(), "{}: {} changed at word {touched:?} outside its elements", run.label, spec.name);
    }
    for (name, (buffer, before), words) in
        [("workspace", workspace, workspace_words), ("packed weights", packed, packed_words)]
    {
        let after = gpu.read_back(&buffer).expect("readback");
        let inside = alignment..alignment + words;
        let touched = after.iter().zip(&before).enumerate().position(|(i, (a, b))| !inside.contains(&i) && a != b);
        assert!(touched.is_none(), "{}: {name} overrun at word {touched:?}", run.label);
    }
    run
}

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
        Conv::new(1, 4, [9, 7], 4, [2, 2]).dilation(2).residual(true).activation(activation).into(),
        ConvTranspose::new(1, 4, [5, 4], 3, [3, 3]).stride(2).bias(true).residual(true).activation(activation).into(),
        DeformConv2d::new(1, 4, [5, 4], 3, [3, 3]).bias(true).residual(true).activation(activation).into(),
        LocallyConnected2d::new(1, 4, [5, 4], 3, [3, 3]).bias(true).residual(true).activation(activation).into(),
        SpatialSeparable2d::new(1, 4, [5, 4], [3, 3]).bias(true).residual(true).activation(activation).into(),
        DepthwiseSeparable2d::new(1, 4, [5, 4], 3, [3, 3]).bias(true).residual(true).activation(activation).into(),
    ]);
    problems
}
