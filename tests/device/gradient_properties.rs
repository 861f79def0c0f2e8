//! Properties of the backward kernels that need no oracle, or that oracles and random data could miss: the adjoint
//! identity for every operation, a gradient of its own for every tap and group, the kinks of bilinear sampling, and
//! typed refusals.

use crate::common::{Run, agrees, applicable, contexts, integers, open, random, run_guarded, zoo};
use wgconv::gpu::Gpu;
use wgconv::reference;
use wgconv::{
    Algorithm, Conv, ConvTranspose, DeformConv2d, DepthwiseSeparable2d, Error, Geometry, Gradient, Inputs,
    LocallyConnected2d, Options, Pool, PoolMode, Problem, SpatialSeparable2d, TensorName,
};

fn dot(a: &[f32], b: &[f32]) -> f64 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum()
}

/// Σ|a·b|, the scale of the rounding errors of a dot product.
fn size(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(&a, &b)| (f64::from(a) * f64::from(b)).abs()).sum()
}

fn forward(gpu: &Gpu, problem: &Problem, inputs: &Inputs) -> Vec<f32> {
    gpu.run(problem, &Options::default(), inputs).unwrap_or_else(|error| panic!("{problem:?}: {error}")).output
}

fn is_linear(problem: &Problem, name: TensorName) -> bool {
    match problem {
        Problem::Pool(pool) => matches!(pool.mode, PoolMode::Average { .. }),
        _ => name != TensorName::Offset,
    }
}

/// The change of the output along a direction in one tensor: exact where the operation is linear in it, a central
/// difference elsewhere.
fn along(gpu: &Gpu, problem: &Problem, inputs: &Inputs, name: TensorName, direction: &[f32]) -> Vec<f32> {
    let linear = is_linear(problem, name);
    let moved = |step: f32| {
        let mut inputs = inputs.clone();
        let values = inputs.get_mut(&name).expect("a tensor of the problem");
        values.iter_mut().zip(direction).for_each(|(value, d)| *value += step * d);
        forward(gpu, problem, &inputs)
    };
    // Powers of two: the step itself rounds nothing.
    let step = if linear { 1.0 } else { 1.0 / 256.0 };
    moved(step).iter().zip(moved(-step)).map(|(&up, down)| (up - down) / (2.0 * step)).collect()
}

#[test]
fn the_backward_pass_is_the_adjoint_of_the_forward_pass() {
    let gpu = open();
    let mut operations = std::collections::BTreeSet::new();
    for (name, problem) in zoo() {
        let gradient = Gradient::all(problem.clone());
        let backward: Problem = gradient.into();
        // The backward pass may do without what the forward pass reads.
        let mut inputs = random(&problem, 40);
        inputs.extend(random(&backward, 41));
        let mut rng = fastrand::Rng::with_seed(42);
        if let Problem::Pool(_) = problem {
            // Apart by more than a step: no maximum changes hands.
            let values = inputs.get_mut(&TensorName::Input).expect("a pool reads it");
            let mut distinct: Vec<f32> = (0..values.len()).map(|i| 0.5 + i as f32 / 16.0).collect();
            rng.shuffle(&mut distinct);
            *values = distinct;
        }
        if let Some(offsets) = inputs.get_mut(&TensorName::Offset) {
            // Away from the kinks by more than a step.
            offsets.iter_mut().for_each(|value| *value = value.floor() + rng.f32() * 0.5 + 0.25);
        }
        for algorithm in applicable(&backward, gpu.capabilities(), &Options::default()) {
            let options = Options::default().algorithm(algorithm);
            let got = gpu.run(&backward, &options, &inputs).unwrap_or_else(|error| panic!("{name}: {error}"));
            for tensor in problem.differentiable() {
                let direction: Vec<f32> = inputs[&tensor].iter().map(|_| rng.f32() * 2.0 - 1.0).collect();
                let moved = along(&gpu, &problem, &inputs, tensor, &direction);
                let upstream = &inputs[&TensorName::GradOutput];
                let gradient = &got.gradients[&tensor.gradient().expect("an input")];
                let (left, right) = (dot(&moved, upstream), dot(&direction, gradient));
                let scale = size(&moved, upstream) + size(&direction, gradient);
                // A central difference divides rounding errors by its step, and errs by the third derivative.
                let tolerance = if is_linear(&problem, tensor) { 2e-5 } else { 1e-3 };
                assert!(
                    (left - right).abs() <= tolerance * scale,
                    "{name} {tensor} by {algorithm}: <J v, u> = {left}, <v, J^T u> = {right}"
                );
            }
        }
        operations.insert(problem.op_name().replace(['1', '2', '3'], ""));
    }
    assert!(operations.len() >= 13, "{operations:?}");
}

/// Every tap, channel, group and offset group reads and weighs something of its own; what is right for the first tap
/// alone is wrong here.
#[test]
fn every_tap_and_group_has_a_gradient_of_its_own() {
    let gpu = open();
    let problems: Vec<Problem> = vec![
        Conv::new(2, 4, [6, 7], 6, [2, 3]).groups(2).padding(1).into(),
        Conv::new(1, 4, [5, 4, 6], 4, [2, 2, 2]).groups(2).stride([1, 2, 1]).into(),
        Conv::new(2, 3, [9, 8], 6, [3, 3]).groups(3).dilation(2).into(),
        ConvTranspose::new(2, 4, [5, 4], 6, [3, 2]).groups(2).stride([2, 3]).dilation([1, 2]).into(),
        DeformConv2d::new(2, 8, [6, 7], 6, [2, 3]).groups(2).offset_groups(4).mask(true).padding(1).into(),
        DeformConv2d::new(1, 6, [7, 6], 4, [3, 3]).groups(2).offset_groups(3).stride([1, 2]).into(),
        LocallyConnected2d::new(2, 4, [5, 4], 6, [2, 3]).groups(2).bias(true).into(),
        SpatialSeparable2d::new(2, 3, [7, 8], [3, 4]).padding(1).into(),
        DepthwiseSeparable2d::new(2, 3, [6, 7], 5, [2, 3]).multiplier(2).into(),
    ];
    for problem in problems {
        let backward: Problem = Gradient::all(problem.clone()).into();
        let mut inputs = integers(&backward, 43);
        for (&tensor, values) in &mut inputs {
            match tensor {
                // Sixteenths, no two taps of an image alike; every product below is exact.
                TensorName::Offset => {
                    let n = values.len();
                    values.iter_mut().enumerate().for_each(|(i, v)| *v += ((i * 7 + i / 16) % 16.min(n)) as f32 / 16.0);
                }
                TensorName::Mask => values.iter_mut().enumerate().for_each(|(i, v)| *v = ((i * 5) % 13) as f32 - 6.0),
                TensorName::Weight => {
                    values.iter_mut().enumerate().for_each(|(i, v)| *v = ((i * 11) % 31) as f32 - 15.0);
                }
                TensorName::Input => {
                    values.iter_mut().enumerate().for_each(|(i, v)| *v = ((i * 37) % 101) as f32 - 50.0);
                }
                _ => {}
            }
        }
        let upstream = &inputs[&TensorName::GradOutput];
        let names = problem.differentiable();
        let want = reference::gradients(&problem, &inputs, upstream, &names).expect("valid");
        let geometry = Geometry::new(&problem).expect("valid");
        let taps: usize = geometry.window().expect("windowed").kernel_len();
        for algorithm in applicable(&backward, gpu.capabilities(), &Options::default()) {
            let got = gpu.run(&backward, &Options::default().algorithm(algorithm), &inputs).expect("valid");
            for (name, outcome) in &want {
                let got = &got.gradients[&name.gradient().expect("an input")];
                for (i, (&got, &want)) in got.iter().zip(&outcome.output).enumerate() {
                    assert!(
                        agrees(got, want, outcome.tolerance(i)),
                        "{} by {algorithm}: grad of {name} {i} is {got}, want {want}",
                        problem.op_name()
                    );
                }
                // The expectation itself tells the taps apart, channel by channel.
                let planes: Vec<&[f64]> = match name {
                    TensorName::Weight => outcome.output.chunks(1).take(taps).collect(),
                    TensorName::Offset | TensorName::Mask => {
                        let plane: usize = geometry.output_shape()[2..].iter().product();
                        outcome.output.chunks(plane).take(outcome.shape[1]).collect()
                    }
                    _ => continue,
                };
                for (i, a) in planes.iter().enumerate() {
                    let twin = planes[..i].iter().position(|b| a == b);
                    assert!(twin.is_none(), "{}: {name} {i} equals {twin:?}", problem.op_name());
                }
            }
        }
    }
}

/// One tap over a 3 x 3 image of distinct values, at the places where bilinear sampling has kinks.
#[test]
fn the_kinks_of_bilinear_sampling_follow_the_conventions() {
    let gpu = open();
    let problem: Problem = DeformConv2d::new(1, 1, [3, 3], 1, [1, 1]).mask(true).into();
    let backward: Problem = Gradient::all(problem.clone()).into();
    let image = [1.0_f32, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0];
    // Position 4 is the centre (1, 1); every other position stays far outside.
    let at = |y: f32, x: f32, mask: f32| {
        let mut offset = vec![1e6_f32; 18];
        (offset[4], offset[9 + 4]) = (y - 1.0, x - 1.0);
        let mut modulation = vec![1.0_f32; 9];
        modulation[4] = mask;
        let inputs = Inputs::from([
            (TensorName::Input, image.to_vec()),
            (TensorName::Weight, vec![3.0]),
            (TensorName::Offset, offset),
            (TensorName::Mask, modulation),
            (TensorName::GradOutput, vec![2.0; 9]),
        ]);
        let want = reference::gradients(&problem, &inputs, &inputs[&TensorName::GradOutput], &problem.differentiable());
        let want = want.expect("valid");
        let mut results = Vec::new();
        for algorithm in applicable(&backward, gpu.capabilities(), &Options::default()) {
            let got = gpu.run(&backward, &Options::default().algorithm(algorithm), &inputs).expect("valid").gradients;
            for (name, outcome) in &want {
                let got = &got[&name.gradient().expect("an input")];
                assert!(
                    got.iter().zip(&outcome.output).enumerate().all(|(i, (&g, &w))| agrees(g, w, outcome.tolerance(i))),
                    "({y}, {x}) by {algorithm}: grad of {name} is {got:?}, want {:?}",
                    outcome.output
                );
            }
            results.push(got);
        }
        let got = results.swap_remove(0);
        let offset = &got[&TensorName::GradOffset];
        let others = offset.iter().enumerate().filter(|(i, _)| ![4, 13].contains(i)).all(|(_, &v)| v == 0.0);
        assert!(others, "points far outside have no gradient: {offset:?}");
        let input: f32 = got[&TensorName::GradInput].iter().sum();
        ([offset[4], offset[13]], got[&TensorName::GradMask][4], input, got[&TensorName::GradWeight][0])
    };
    // grad_output · weight = 6 scales offset and mask, 2 the weight.
    // An integer point: the cell to the right and below.
    assert_eq!(at(1.0, 1.0, 1.0), ([6.0 * (128.0 - 16.0), 6.0 * (32.0 - 16.0)], 6.0 * 16.0, 6.0, 32.0));
    // The last row: the cell below lies outside and counts as zero.
    assert_eq!(at(2.0, 1.0, 1.0).0, [-6.0 * 128.0, 6.0 * (256.0 - 128.0)]);
    // On the border y = -1 the sample is zero, the derivative that of the cell towards the image.
    assert_eq!(at(-1.0, 1.0, 1.0), ([6.0 * 2.0, 0.0], 0.0, 0.0, 0.0));
    assert_eq!(at(1.0, -1.0, 1.0), ([0.0, 6.0 * 8.0], 0.0, 0.0, 0.0));
    assert_eq!(at(-1.0, -1.0, 1.0), ([0.0, 0.0], 0.0, 0.0, 0.0));
    // On y = height there is nothing any more.
    assert_eq!(at(3.0, 1.0, 1.0), ([0.0, 0.0], 0.0, 0.0, 0.0));
    assert_eq!(at(1.0, 3.0, 1.0), ([0.0, 0.0], 0.0, 0.0, 0.0));
    // A mask of zero stops everything but its own gradient; a negative one turns the sign.
    assert_eq!(at(1.0, 1.0, 0.0), ([0.0, 0.0], 96.0, 0.0, 0.0));
    assert_eq!(at(1.0, 1.0, -2.0), ([-12.0 * 112.0, -12.0 * 16.0], 96.0, -12.0, -64.0));
    // Outside, huge, infinite and not a number: nothing, and no harm.
    for nowhere in [-1.5, -7.0, 3.5, 1e20, -1e20, f32::MAX, f32::INFINITY, f32::NEG_INFINITY, f32::NAN] {
        assert_eq!(at(nowhere, 1.0, 1.0), ([0.0, 0.0], 0.0, 0.0, 0.0), "y = {nowhere}");
        assert_eq!(at(1.0, nowhere, 1.0), ([0.0, 0.0], 0.0, 0.0, 0.0), "x = {nowhere}");
        assert_eq!(at(nowhere, nowhere, 1.0), ([0.0, 0.0], 0.0, 0.0, 0.0), "both {nowhere}");
    }
}

/// Every offset points at one place: the sum is long, and the same as anywhere.
#[test]
fn all_points_at_one_pixel_add_up() {
    let gpu = open();
    let problem = DeformConv2d::new(2, 6, [17, 18], 4, [3, 3]).padding(1).offset_groups(2).mask(true);
    let backward: Problem = Gradient::new(problem.clone(), [TensorName::Input]).into();
    let mut inputs = integers(&backward, 44);
    for (target, fraction) in [((8, 9), 0.0), ((0, 0), 0.5), ((16, 17), 0.25)] {
        let offsets = inputs.get_mut(&TensorName::Offset).expect("read");
        for (i, value) in offsets.iter_mut().enumerate() {
            let (position, channel) = (i % (17 * 18), i / (17 * 18) % 36);
            let (tap, is_x) = (channel / 2 % 9, channel % 2 == 1);
            let grid = if is_x { position % 18 + tap % 3 } else { position / 18 + tap / 3 } as f32 - 1.0;
            *value = if is_x { target.1 as f32 } else { target.0 as f32 } + fraction - grid;
        }
        let of: Problem = problem.clone().into();
        let upstream = &inputs[&TensorName::GradOutput];
        let want = reference::gradients(&of, &inputs, upstream, &[TensorName::Input]).expect("valid");
        let want = &want[&TensorName::Input];
        for context in contexts(&gpu) {
            for algorithm in applicable(&backward, context.capabilities(), &Options::default()) {
                let options = Options::default().algorithm(algorithm);
                let got = run_guarded(&gpu, &context, &backward, &options, &inputs);
                // Sixteenths of small integers: exact.
                let values = got.gradients[&TensorName::GradInput].iter().map(|&value| f64::from(value));
                assert_eq!(values.collect::<Vec<_>>(), want.output, "{} at {target:?}", got.label);
            }
        }
    }
}

/// One product for each gradient of a column, so that classes differ in nothing but how they sort: the sums have the same bits where
/// the order of the points is the same.
#[test]
fn every_class_sums_the_points_of_a_cell_in_the_same_order() {
    let gpu = open();
    let contexts = contexts(&gpu);
    // 74,529 points in an image: more than one window of the map of bits, and of 2 x 2 sequences.
    let (size, c_in) = (91, 2);
    let problem = DeformConv2d::new(2, c_in, [size; 2], 1, [3, 3]).padding(1).offset_groups(2).mask(true);
    let backward: Problem = Gradient::new(problem, [TensorName::Input]).into();
    let grid = |i: usize| {
        let (position, channel) = (i % (size * size), i / (size * size) % 36);
        let (tap, is_x) = (channel / 2 % 9, channel % 2 == 1);
        let grid = if is_x { position % size + tap % 3 } else { position / size + tap / 3 };
        (position * 9 + tap, grid as f32 - 1.0)
    };
    let random = random(&backward, 45);
    let mut rng = fastrand::Rng::with_seed(46);
    // Where points go: their number, their place on the grid, and a random offset.
    type Place<'a> = &'a mut dyn FnMut(usize, f32, f32) -> f32;
    let mut places: [(&str, Place<'_>); 6] = [
        ("nearby", &mut |_, _, offset| offset),
        ("outside", &mut |point, _, _| if point % 2 == 0 { 1e6 } else { f32::NAN }),
        ("in one cell", &mut |_, grid, offset| 40.0 + offset.abs() / 4.0 - grid),
        // Of every fourth point in one cell, and every eighth in another.
        ("in two cells and nearby", &mut |point, grid, offset| match point % 8 {
            1 | 5 => 17.25 - grid,
            2 => 70.5 - grid,
            3 => f32::INFINITY,
            _ => offset,
        }),
        // As many as a workgroup takes, one less and one more.
        ("255, 256 and 257 to a cell", &mut |point, grid, _| {
            let cell = match point % 768 {
                0..255 => 0,
                255..511 => 1,
                _ => 2,
            };
            (point / 768 % 80 + cell) as f32 + 0.5 - grid
        }),
        ("anywhere", &mut |_, grid, _| rng.f32() * 100.0 - 5.0 - grid),
    ];
    for (name, place) in &mut places {
        let mut inputs = random.clone();
        let offsets = inputs.get_mut(&TensorName::Offset).expect("read");
        for (i, value) in offsets.iter_mut().enumerate() {
            let (point, grid) = grid(i);
            *value = place(point, grid, *value);
        }
        let options = Options::default().algorithm(Algorithm::SortedGather);
        let runs: Vec<_> =
            contexts.iter().map(|context| run_guarded(&gpu, context, &backward, &options, &inputs)).collect();
        let bits = |run: &Run| -> Vec<u32> {
            run.gradients[&TensorName::GradInput].iter().map(|value| value.to_bits()).collect()
        };
        let sorts = |text: &str| runs.iter().any(|run| run.label.contains(text));
        assert!(sorts("deform_conv2d_cell_order(") && sorts("radix_scatter("), "both sorts");
        for run in &runs[1..] {
            let differs = bits(run).iter().zip(bits(&runs[0])).position(|(&a, b)| a != b);
            assert!(differs.is_none(), "{name}: element {differs:?} by {} and by {}", run.label, runs[0].label);
        }
        let sum: f64 = runs[0].gradients[&TensorName::GradInput].iter().map(|&value| f64::from(value).abs()).sum();
        assert_eq!(sum == 0.0, *name == "outside", "{name}: {sum}");
    }
}

#[test]
fn bad_gradient_requests_are_refused_by_name() {
    let refused = |gradient: Gradient, text: &str| match Geometry::new(&gradient.into()) {
        Err(error @ Error::Invalid { .. }) => assert!(error.to_string().contains(text), "{error}"),
        other => panic!("{other:?}"),
    };
    let conv = Conv::new(1, 2, [5, 5], 3, [3, 3]);
    refused(Gradient::new(conv.clone(), []), "wanted = nothing");
    refused(Gradient::new(conv.clone(), [TensorName::Mask]), "wanted = mask");
    refused(Gradient::new(conv.clone(), [TensorName::Bias]), "wanted = bias");
    refused(Gradient::new(conv.clone(), [TensorName::Output]), "wanted = output");
    refused(Gradient::all(conv.clone()).beta(f32::NAN), "beta = NaN");
    refused(Gradient::new(Gradient::all(conv.clone()), [TensorName::Input]), "of = conv2d_gradient");
    refused(Gradient::all(conv.clone().stride(0)), "stride[0] = 0");
    let problem: Problem = Gradient::new(conv, [TensorName::Weight]).into();
    let geometry = Geometry::new(&problem).expect("valid");
    let names: Vec<_> = geometry.tensors().iter().map(|spec| spec.name).collect();
    assert_eq!(names, [TensorName::Input, TensorName::GradOutput, TensorName::GradWeight], "the weight is not read");
    let phases = Options::default().algorithm(Algorithm::Phases);
    let error = wgconv::choose(&geometry, &wgconv::Capabilities::gpu(), &phases).expect_err("grad_input is not wanted");
    assert!(error.to_string().contains("grad_input is not wanted"), "{error}");
    let pool: Problem = Gradient::all(Pool::max(1, 2, [5, 5], [2, 2])).into();
    assert_eq!(Geometry::new(&pool).expect("valid").macs(), 0);
}
