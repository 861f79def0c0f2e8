//! Tiles of every shape that the library chooses between, by problems that lead to each.

use super::kernels::{check, judge};
use crate::common::{contexts, integers, open, relaxed, run_guarded};
use wgconv::reference;
use wgconv::{
    Accuracy, Activation, Algorithm, Capabilities, Conv, ConvTranspose, DeformConv2d, Geometry, KernelClass, Options,
    PaddingMode, Problem, TensorName, Tile, candidates, choose,
};

#[test]
fn the_large_gemm_tile_is_right() {
    let gpu = open();
    let contexts = contexts(&gpu);
    // 2 x 1 x 98 tiles of 128 x 128.
    let pointwise: Problem = Conv::new(2, 20, [112, 112], 65, [1, 1]).bias(true).into();
    judge(&gpu, &contexts[..1], "large tile", &pointwise, &relaxed(), &integers(&pointwise, 14), true);
    let transposed: Problem = ConvTranspose::new(1, 5, [100, 90], 30, [2, 2]).stride(2).into();
    judge(&gpu, &contexts[..1], "large tile", &transposed, &Options::default(), &integers(&transposed, 15), true);
    // 131 tiles, the last one in part.
    let deformable: Problem = DeformConv2d::new(2, 3, [91, 91], 66, [2, 1]).padding([1, 0]).mask(true).into();
    judge(&gpu, &contexts[..1], "large tile", &deformable, &Options::default(), &integers(&deformable, 16), true);
}

/// Enough work for tiles eight columns wide, by the algorithm that has them.
fn wide_problems() -> Vec<(Problem, Algorithm, &'static str)> {
    let (wide, vec4s) = ("conv_subgroup_wide(", "conv_subgroup_wide_vec4(");
    let separate = "SEPARATE=true";
    let conv = |c_in, size, c_out, kernel| Conv::new(1, c_in, size, c_out, kernel).bias(true);
    let plain = |conv: Conv, stem| (conv.into(), Algorithm::RegisterTiled, stem);
    let phases = |conv: ConvTranspose, stem| (conv.into(), Algorithm::Phases, stem);
    vec![
        // A rest of channels, of rows and of columns.
        plain(conv(27, [30, 53], 45, [3, 3]).padding(1).activation(Activation::Relu), wide),
        plain(conv(32, [27, 40], 72, [3, 3]).padding(1).flip_kernel(true).residual(true), vec4s),
        plain(conv(16, [40, 40], 32, [5, 5]).padding([[1, 3], [4, 0]]), vec4s),
        plain(conv(16, [40, 40], 64, [4, 5]).padding([[0, 2], [1, 4]]), vec4s),
        plain(conv(27, [40, 36], 45, [5, 4]).padding([2, 3]).groups(3), vec4s),
        plain(conv(60, [40, 44], 45, [3, 2]), vec4s),
        plain(conv(16, [40, 36], 40, [3, 9]).padding([1, 4]), vec4s),
        plain(conv(16, [40, 37], 40, [3, 9]).padding([1, 8]), wide),
        plain(conv(64, [36, 36], 64, [3, 3]).padding(4).dilation(4).groups(2), wide),
        plain(conv(32, [33, 63], 32, [3, 3]).padding(5).dilation(5), wide),
        plain(conv(32, [24, 61], 32, [3, 4]).padding([2, 6]).dilation([1, 2]), wide),
        plain(conv(32, [32, 31], 64, [3, 3]).padding(1).padding_mode(PaddingMode::Reflect), wide),
        plain(conv(32, [32, 31], 64, [3, 3]).padding(1).padding_mode(PaddingMode::Circular), wide),
        plain(conv(96, [61, 31], 32, [3, 3]).stride([2, 1]).padding(1), wide),
        // Every second column.
        plain(conv(64, [48, 56], 64, [3, 3]).stride(2).padding(1), vec4s),
        plain(conv(60, [48, 55], 64, [3, 3]).stride(2).padding(1).padding_mode(PaddingMode::Reflect), wide),
        plain(conv(40, [48, 56], 45, [5, 5]).stride(2).padding([[2, 2], [1, 3]]), vec4s),
        plain(conv(64, [50, 57], 64, [3, 4]).stride(2), wide),
        plain(conv(96, [50, 64], 96, [2, 2]).stride(2), vec4s),
        plain(conv(64, [24, 60], 96, [3, 5]).stride([1, 2]).padding([1, 4]), vec4s),
        plain(Conv::new(2, 16, [6, 20, 24], 40, [3, 3, 3]).padding(1), vec4s),
        plain(Conv::new(1, 128, [1000], 64, [7]).padding(3), vec4s),
        // Taps that share nothing.
        plain(conv(160, [56, 58], 160, [1, 1]).stride(2).groups(1), separate),
        plain(conv(64, [33, 33], 64, [3, 3]).padding(12).dilation(12), separate),
        plain(conv(60, [60, 61], 72, [3, 3]).stride([1, 3]).padding(1).padding_mode(PaddingMode::Circular), separate),
        plain(conv(64, [60, 60], 90, [3, 3]).stride(2).dilation(2).padding(2).groups(2).flip_kernel(true), separate),
        // Transposed, at stride 1.
        (
            ConvTranspose::new(1, 54, [30, 33], 90, [3, 3]).padding(1).groups(2).bias(true).into(),
            Algorithm::Phases,
            wide,
        ),
        (
            ConvTranspose::new(1, 54, [30, 32], 90, [3, 4]).padding(1).groups(2).flip_kernel(true).into(),
            Algorithm::Phases,
            vec4s,
        ),
        // The phases of strided ones, of as many taps and of different ones, with rows that are read by vec4s and one by one.
        phases(ConvTranspose::new(1, 64, [20, 24], 64, [4, 4]).stride(2).padding(1).bias(true), vec4s),
        phases(ConvTranspose::new(2, 44, [45, 40], 90, [3, 3]).stride(2).padding(1).output_padding(1).groups(2), vec4s),
        phases(ConvTranspose::new(1, 64, [24, 23], 70, [5, 3]).stride([3, 2]).padding([2, 0]).flip_kernel(true), wide),
        phases(ConvTranspose::new(1, 72, [24, 28], 72, [2, 3]).stride([1, 3]), vec4s),
        phases(ConvTranspose::new(1, 64, [6, 12, 12], 64, [3, 2, 4]).stride([2, 2, 1]).padding([1, 0, 2]), vec4s),
        phases(ConvTranspose::new(1, 72, [900], 72, [8]).stride(2).padding(4).activation(Activation::Relu), vec4s),
        phases(ConvTranspose::new(1, 64, [24, 20], 64, [4, 7]).stride(2).padding([3, 6]), wide),
        // Columns by vec4s and one by one, a rest of every extent.
        (conv(120, [36, 36], 130, [1, 1]).into(), Algorithm::PointwiseGemm, "gemm_subgroup_vec4_ab("),
        (conv(120, [37, 35], 130, [1, 1]).into(), Algorithm::PointwiseGemm, "gemm_subgroup_vec4_a("),
    ]
}

#[test]
fn tiles_eight_columns_wide_are_exact() {
    let gpu = open();
    let own = *gpu.capabilities();
    if own.subgroup_size.is_none() {
        eprintln!("NOT TESTED: the adapter has no subgroups");
        return;
    }
    let context = gpu.context().view(Capabilities { class: KernelClass::Cpu, ..own });
    for (i, (problem, algorithm, stem)) in wide_problems().into_iter().enumerate() {
        let inputs = integers(&problem, i as u64);
        let run = run_guarded(&gpu, &context, &problem, &Options::default().algorithm(algorithm), &inputs);
        let is_wide = run.label.contains("conv_subgroup_wide") || run.label.contains("WIDE=true");
        assert!(run.label.contains(stem) && is_wide, "{problem:?}: {}", run.label);
        check(&format!("{problem:?}"), &run, &reference::run(&problem, &inputs).expect("valid"), true);
    }
}

#[test]
fn depthwise_rows_of_every_shape_are_exact() {
    let gpu = open();
    let contexts = contexts(&gpu);
    let stems = ["conv2d_depthwise_rows_vec4(", "conv2d_depthwise_rows("];
    let mut walked = [0; 2];
    for (i, pad) in (0..5).flat_map(|pad| (0..42).map(move |i| (i, pad))) {
        let (kernel_w, stride_w, dilation_w) = (1 + i % 7, 1 + i / 7 % 2, 1 + i / 14);
        // Round by round another kernel along y, another stride and another dilation.
        let kernel_h = 1 + (i + pad) % 7;
        let [stride_h, dilation_h] = [[1, 1], [2, 1], [1, 2], [2, 2], [1, 3]][(i + 2 * pad) % 5];
        // Eight columns of the output, whatever the window; one or two fewer of a narrower image.
        let Some(after) = ((kernel_w - 1) * dilation_w + 1).checked_sub(stride_w + pad) else { continue };
        for narrower in [0, 2] {
            let problem = Conv::new(1, 2, [23, 8 * stride_w - narrower], 4, [kernel_h, kernel_w]).groups(2);
            let problem = problem.stride([stride_h, stride_w]).dilation([dilation_h, dilation_w]);
            let problem = problem.padding([[kernel_w / 2, 9], [pad, after]]).flip_kernel(i % 3 == 0);
            let problem: Problem = problem.bias(i % 2 == 0).into();
            let name = format!("{problem:?}");
            let inputs = integers(&problem, i as u64);
            let want = reference::run(&problem, &inputs).expect("valid");
            for context in &contexts {
                let options = Options::default().algorithm(Algorithm::Depthwise);
                let run = run_guarded(&gpu, context, &problem, &options, &inputs);
                check(&name, &run, &want, true);
                for (walked, stem) in walked.iter_mut().zip(stems) {
                    *walked += usize::from(run.label.contains(stem));
                }
            }
        }
    }
    assert!(walked.iter().all(|&walked| walked > 100), "{walked:?} of these shapes by {stems:?}");
}

#[test]
fn every_tap_samples_its_own_point_for_its_own_channels() {
    let gpu = open();
    let contexts = contexts(&gpu);
    // Weight groups of 12 channels, offset groups of 8 or 4: neither divides the other, and some span both.
    for (groups, offset_groups) in [(1, 1), (2, 3), (3, 2), (2, 6), (6, 2), (1, 24)] {
        let problem = DeformConv2d::new(2, 24, [6, 7], 12, [2, 3]).padding(1).mask(true);
        let problem: Problem = problem.groups(groups).offset_groups(offset_groups).into();
        let geometry = Geometry::new(&problem).expect("valid");
        let mut inputs = integers(&problem, 17);
        // Neighbouring pixels, channels, groups and taps differ, in values whose sums are exact.
        let pixels = inputs.get_mut(&TensorName::Input).expect("an input");
        pixels.iter_mut().enumerate().for_each(|(i, value)| *value = (i % 127) as f32);
        let planes = |name: TensorName| geometry.tensor(name).expect("deformable").shape[1];
        let per_plane = geometry.output_shape()[2] * geometry.output_shape()[3];
        for (name, step, modulus, scale) in [(TensorName::Offset, 7, 41, 0.25), (TensorName::Mask, 5, 9, 1.0)] {
            let n = planes(name);
            let values = inputs.get_mut(&name).expect("deformable");
            for (i, value) in values.iter_mut().enumerate() {
                let plane = i / per_plane % n;
                *value = ((plane * step % modulus) as f32 - (modulus / 2) as f32) * scale;
            }
        }
        let name = format!("{groups} groups, {offset_groups} offset groups");
        judge(&gpu, &contexts, &name, &problem, &Options::default(), &inputs, true);
    }
}

#[test]
fn few_outputs_with_long_sums_are_cut_into_slices_on_gpus() {
    // What the chosen algorithm dispatches.
    let dispatched = |batch, capabilities| {
        let problem = Conv::new(batch, 512, [7, 7], 512, [3, 3]).padding(1);
        let geometry = Geometry::new(&problem.into()).expect("valid");
        let options = Options::default().accuracy(Accuracy::Strict);
        let chosen = choose(&geometry, &capabilities, &options).expect("served").algorithm;
        let all = candidates(&geometry, &capabilities, &options);
        all.into_iter().find(|c| c.algorithm == chosen).expect("it is one of them").verdict.expect("it applies")
    };
    assert!(dispatched(1, Capabilities::gpu()).contains("conv_sum_slices"));
    assert!(!dispatched(256, Capabilities::gpu()).contains("conv_sum_slices"));
    assert!(!dispatched(1, Capabilities::cpu()).contains("conv_sum_slices"));
}

/// What the tiles of GPUs multiply, and the kernel that is expected of it.
fn panel_problems() -> Vec<(Problem, Algorithm, &'static str)> {
    let conv = |batch, c_in, input, c_out, kernel| Conv::new(batch, c_in, input, c_out, kernel);
    let (packed, pointwise) = (Algorithm::PackedGemm, Algorithm::PointwiseGemm);
    let (columns, rows) = ("gemm_vec4(", "gemm_vec4_rows(");
    let stem = "conv_packed_gemm";
    vec![
        (conv(2, 16, [9, 11], 20, [3, 3]).padding(1).bias(true).into(), packed, stem),
        // Channels that leave a panel part empty, rows that leave a vec4 part empty.
        (conv(1, 13, [8, 7], 37, [3, 2]).padding([[2, 0], [1, 3]]).into(), packed, stem),
        (
            conv(3, 24, [10, 9], 30, [3, 3]).groups(2).stride([2, 1]).flip_kernel(true).residual(true).into(),
            packed,
            stem,
        ),
        (conv(1, 8, [15, 17], 70, [3, 3]).dilation([2, 3]).padding(3).into(), packed, stem),
        (conv(1, 10, [7, 9], 12, [6, 7]).padding(3).into(), packed, stem),
        (conv(2, 9, [6, 8], 9, [3, 3]).padding(2).padding_mode(PaddingMode::Reflect).into(), packed, stem),
        (conv(1, 9, [6, 8], 9, [3, 3]).padding(2).padding_mode(PaddingMode::Circular).into(), packed, stem),
        (Conv::new(2, 11, [37], 19, [5]).padding(2).into(), packed, stem),
        (Conv::new(1, 8, [4, 5, 6], 14, [2, 3, 3]).padding(1).stride(2).into(), packed, stem),
        (conv(5, 19, [7, 7], 22, [1, 1]).bias(true).into(), packed, stem),
        // Few outputs and long sums: slices.
        (conv(1, 320, [5, 5], 24, [3, 3]).padding(1).bias(true).into(), packed, "conv_sum_slices"),
        (
            conv(2, 24, [8, 8], 36, [1, 1]).bias(true).residual(true).activation(Activation::Relu).into(),
            pointwise,
            rows,
        ),
        (conv(1, 21, [6, 10], 17, [1, 1]).groups(1).into(), pointwise, rows),
        (conv(3, 32, [4, 6], 40, [1, 1]).groups(2).into(), pointwise, rows),
        (conv(1, 3072, [4, 4], 24, [1, 1]).bias(true).into(), pointwise, "conv_sum_slices"),
        (conv(2, 12, [7, 7], 26, [3, 3]).padding(1).into(), Algorithm::Im2colGemm, columns),
        (conv(2, 12, [8, 6], 26, [3, 3]).padding(1).into(), Algorithm::Im2colGemm, rows),
        (conv(1, 20, [9, 13], 28, [3, 3]).padding(1).bias(true).into(), Algorithm::WinogradF2, rows),
        (conv(2, 8, [11, 8], 12, [3, 3]).padding(1).groups(2).into(), Algorithm::WinogradF2, rows),
    ]
}

#[test]
fn panels_of_every_tile_are_exact() {
    let gpu = open();
    let machine = Capabilities::gpu().machine;
    let own = Capabilities { class: KernelClass::Gpu, machine, ..*gpu.capabilities() };
    let context = gpu.context().view(own);
    let more = ["16x8-8x8-k16", "8x8-8x8-k16", "16x8-8x4-k16", "16x8-4x4-k16", "8x8-8x4-k16"];
    let more = more.map(|name| Tile::parse(name).expect("a tile"));
    let fits = |tile: &Tile| tile.invocations() <= own.max_invocations_per_workgroup;
    let tiles: Vec<Tile> = Tile::ALL.into_iter().chain(more).filter(fits).collect();
    for (i, (problem, algorithm, stem)) in panel_problems().into_iter().enumerate() {
        let inputs = integers(&problem, i as u64);
        let want = reference::run(&problem, &inputs).expect("valid");
        // Each problem by two tiles, each tile by several problems: a driver compiles each of them for a second.
        for tile in (0..2).map(|turn| tiles[(i * 2 + turn) % tiles.len()]) {
            let options = relaxed().algorithm(algorithm).tile(tile);
            if tile.panel_bytes() + 16 * tile.block()[1] > own.max_workgroup_bytes {
                continue;
            }
            let run = run_guarded(&gpu, &context, &problem, &options, &inputs);
            assert!(run.label.contains(stem), "{problem:?}: {}", run.label);
            check(&format!("{problem:?} by {tile}"), &run, &want, true);
        }
    }
}
