//! What a device has no room for at once: grids that fold, batches in parts, and what is packed where there is room.

use super::kernels::check;
use crate::common::{applicable, integers, open, random, run_guarded, zoo};
use wgconv::reference;
use wgconv::{
    Algorithm, Capabilities, Conv, DeformConv2d, Geometry, KernelClass, Layout, Machine, Options, Problem, TensorName,
};

#[test]
fn the_input_is_packed_where_there_is_room() {
    let problem: Problem = DeformConv2d::new(4, 8, [20, 20], 16, [3, 3]).padding(1).into();
    let geometry = Geometry::new(&problem).expect("valid");
    let kernels = |caps: &Capabilities, options: &Options| {
        let lowered = wgconv::lower(&geometry, Algorithm::Im2colGemm, caps, options).expect("applies");
        assert!(!lowered.is_split(), "{}", lowered.describe());
        assert!(options.workspace_limit.is_none_or(|limit| lowered.workspace_bytes <= limit));
        let stems: Vec<&str> = lowered.launches().map(|d| d.variant.kernel.stem).collect();
        stems.contains(&"deform_conv2d_pack_input")
    };
    let gpu = Capabilities::gpu();
    let columns = 4 * 8 * 9 * 400 * 4;
    let packed = 4 * 2 * 22 * 22 * 16;
    let within = |limit: u64| Options { workspace_limit: Some(limit), ..Options::default() };
    assert!(kernels(&gpu, &Options::default()));
    assert!(kernels(&gpu, &within(columns + packed)));
    assert!(!kernels(&gpu, &within(columns + packed - 256)));
    assert!(!kernels(&gpu, &within(columns)));
    assert!(!kernels(&Capabilities::cpu(), &Options::default()));
    // Its frame makes it larger than the columns of a small kernel.
    let pointwise: Problem = DeformConv2d::new(1, 8, [64, 64], 8, [1, 1]).into();
    let geometry = Geometry::new(&pointwise).expect("valid");
    let tight = Capabilities { max_binding_bytes: 8 * 64 * 64 * 4, ..gpu };
    let lowered = wgconv::lower(&geometry, Algorithm::Im2colGemm, &tight, &Options::default());
    assert!(!lowered.expect("applies").describe().contains("deform_conv2d_pack_input"));
}

#[test]
fn more_than_65535_workgroups_fold() {
    let gpu = open();
    // A device that allows 7 workgroups per dimension folds what is small, too; 343 is the most it launches.
    let tight = Capabilities { max_workgroups_per_dimension: 7, ..*gpu.capabilities() };
    let context = gpu.context().view(tight);
    for (name, problem) in &zoo() {
        let inputs = random(problem, 11);
        let want = reference::run(problem, &inputs).expect("valid");
        for algorithm in applicable(problem, context.capabilities(), &Options::default()) {
            let options = Options::default().algorithm(algorithm);
            check(name, &run_guarded(&gpu, &context, problem, &options, &inputs), &want, false);
        }
    }
    // And the real limit: 2^22 + 64 outputs of 64 per workgroup.
    let problem: Problem = Conv::new(1, 1, [2049, 2079], 1, [2, 2]).into();
    let inputs = integers(&problem, 12);
    let want = reference::run(&problem, &inputs).expect("valid");
    let context = gpu.context().clone();
    let options = Options::default().algorithm(Algorithm::Direct);
    check("many workgroups", &run_guarded(&gpu, &context, &problem, &options, &inputs), &want, true);
}

#[test]
fn a_batch_beyond_the_binding_limit_is_split_and_one_image_beyond_it_is_refused() {
    let gpu = open();
    let problem: Problem = Conv::new(7, 4, [9, 10], 6, [3, 3]).padding(1).bias(true).residual(true).into();
    let inputs = random(&problem, 13);
    let want = reference::run(&problem, &inputs).expect("valid");
    // One image of the output takes 2160 bytes; room for two or three of them with the alignment's slack.
    let tight = Capabilities { max_binding_bytes: 7_000, ..*gpu.capabilities() };
    let context = gpu.context().view(tight);
    let geometry = Geometry::new(&problem).expect("valid");
    for algorithm in [Algorithm::Direct, Algorithm::RegisterTiled] {
        let options = Options::default().algorithm(algorithm);
        let lowered = wgconv::lower(&geometry, algorithm, &tight, &options).expect("splits");
        assert!(lowered.parts.len() == 2 && lowered.parts[0].count > 1, "{}", lowered.describe());
        check("split", &run_guarded(&gpu, &context, &problem, &options, &inputs), &want, false);
        let strided = options.layout(TensorName::Input, Layout::channels_last(&[7, 4, 9, 10]));
        check("split strided", &run_guarded(&gpu, &context, &problem, &strided, &inputs), &want, false);
    }
    let tighter = Capabilities { max_binding_bytes: 2_000, ..*gpu.capabilities() };
    let error = wgconv::choose(&geometry, &tighter, &Options::default()).expect_err("one image is too large");
    assert!(error.to_string().contains("max_storage_buffer_binding_size"), "{error}");

    // A workspace limit splits the batch of a GEMM.
    let one_image = 36 * 90 * 4;
    let options =
        Options { workspace_limit: Some(3 * one_image), ..Options::default() }.algorithm(Algorithm::Im2colGemm);
    let context = gpu.context().clone();
    let lowered = wgconv::lower(&geometry, Algorithm::Im2colGemm, gpu.capabilities(), &options).expect("splits");
    assert!(lowered.workspace_bytes <= 3 * one_image && lowered.parts[0].count >= 2, "{}", lowered.describe());
    check("workspace", &run_guarded(&gpu, &context, &problem, &options, &inputs), &want, false);
}

#[test]
fn parts_of_a_batch_read_the_weights_that_are_packed_for_them() {
    let gpu = open();
    let mut reached = [0; 2];
    // Weights are packed by the tile, which suits a number of images: two of them fill the device.
    let machine = Machine { multiprocessors: 8, ..Capabilities::gpu().machine };
    let problems = [
        Conv::new(7, 24, [40, 40], 64, [3, 3]).padding(1).bias(true),
        Conv::new(5, 328, [16, 16], 256, [1, 1]),
        Conv::new(5, 16, [30, 32], 64, [3, 3]).padding(1),
    ];
    for conv in problems {
        let problem: Problem = conv.into();
        let geometry = Geometry::new(&problem).expect("valid");
        let batch = problem.batch() as u64;
        let inputs = integers(&problem, 3);
        let want = reference::run(&problem, &inputs).expect("valid");
        for class in [KernelClass::Gpu, KernelClass::Cpu] {
            for at_once in 2..batch {
                // Room for so many images of the larger tensor.
                let image =
                    geometry.tensors().iter().filter(|spec| spec.takes_layout()).map(|spec| spec.len() * 4).max();
                let bytes = image.expect("an input") as u64 / batch * at_once + 256;
                let own = Capabilities { max_workgroup_bytes: 32 << 10, machine, ..*gpu.capabilities() };
                let capabilities = Capabilities { class, max_binding_bytes: bytes, ..own };
                let context = gpu.context().view(capabilities);
                for algorithm in [Algorithm::PackedGemm, Algorithm::RegisterTiled, Algorithm::PointwiseGemm] {
                    let options = Options::default().algorithm(algorithm).pack_weights();
                    let Ok(program) = wgconv::lower(&geometry, algorithm, &capabilities, &options) else { continue };
                    if program.parts.len() < 2 || program.packed_bytes == 0 {
                        continue;
                    }
                    let differ = program.packing.len() > 1;
                    if reached[usize::from(differ)] > 2 {
                        continue;
                    }
                    reached[usize::from(differ)] += 1;
                    let label = format!("{class:?} {algorithm} of {at_once} images");
                    check(&label, &run_guarded(&gpu, &context, &problem, &options, &inputs), &want, true);
                }
            }
        }
    }
    assert!(reached.iter().all(|&n| n > 0), "packed alike and each for itself: {reached:?}");
}
