//! The gradient oracles against finite differences of the forward oracles, against the adjoint identity, against
//! gradients in closed form and at the places where there is no derivative.
#![cfg(feature = "reference")]

use wgconv::reference::{Inputs, Outcome, activation_derivative, differentiable, gradients, run};
use wgconv::{
    Access, Activation, Axes, Col2im, Conv, ConvTranspose, DeformConv2d, DepthToSpace, DepthwiseSeparable2d, Error,
    Geometry, Im2col, LocallyConnected2d, PaddingMode, Pool, PoolMode, Problem, ShuffleOrder, SpaceToDepth,
    SpatialSeparable2d, TensorName,
};

use TensorName::{Bias, Input, Mask, Offset, Residual, Weight};

/// Perturbation of finite differences: a power of two, so that every perturbed f32 is exact.
const STEP: f32 = 1.0 / 1024.0;

const ACTIVATIONS: [Activation; 8] = [
    Activation::Identity,
    Activation::Relu,
    Activation::Relu6,
    Activation::LeakyRelu { slope: 0.125 },
    Activation::Silu,
    Activation::HardSwish,
    Activation::Gelu,
    Activation::GeluTanh,
];

/// A small linear congruential generator: the same numbers everywhere.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        self.0 >> 33
    }

    /// Integers from -4 to 4: every sum of their products is exact.
    fn integers(&mut self, n: usize) -> Vec<f32> {
        (0..n).map(|_| (self.next() % 9) as f32 - 4.0).collect()
    }

    /// Odd multiples of 1/16 in (-2, 2): no zero and no integer among them.
    fn sixteenths(&mut self, n: usize) -> Vec<f32> {
        (0..n).map(|_| ((self.next() % 32) as f32 * 2.0 - 31.0) / 16.0).collect()
    }

    /// All different, at least 1/16 apart, in random order: no maximum changes hands within a step.
    fn distinct(&mut self, n: usize) -> Vec<f32> {
        let mut values: Vec<f32> = (0..n).map(|i| (i as f32 - n as f32 / 2.0 + 0.25) / 16.0).collect();
        (1..n).rev().for_each(|i| values.swap(i, self.next() as usize % (i + 1)));
        values
    }
}

fn geometry(problem: &Problem) -> Geometry {
    Geometry::new(problem).expect("a valid problem")
}

/// What the problem reads, made by `data`.
fn inputs(problem: &Problem, mut data: impl FnMut(TensorName, usize) -> Vec<f32>) -> Inputs {
    let geometry = geometry(problem);
    let read = geometry.tensors().iter().filter(|spec| spec.access == Access::Read);
    read.map(|spec| (spec.name, data(spec.name, spec.len()))).collect()
}

fn output_len(problem: &Problem) -> usize {
    geometry(problem).output_shape().iter().product()
}

fn gradient(problem: &Problem, inputs: &Inputs, grad_output: &[f32], name: TensorName) -> Outcome {
    let mut all =
        gradients(problem, inputs, grad_output, &[name]).unwrap_or_else(|error| panic!("{problem:?}: {error}"));
    all.remove(&name).expect("the gradient asked for")
}

fn dot(a: &[f64], b: &[f32]) -> f64 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(&a, &b)| a * f64::from(b)).sum()
}

/// Where a finite difference looks.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Side {
    Both,
    /// From the value upwards only.
    Right,
}

/// Compares every element of the named gradients with the finite difference of L.
fn check_differences(problem: &Problem, inputs: &Inputs, names: &[TensorName], side: Side, tolerance: f64) {
    let grad_output = Numbers(99).sixteenths(output_len(problem));
    let loss = |inputs: &Inputs| dot(&run(problem, inputs).expect("a valid problem").output, &grad_output);
    let all = gradients(problem, inputs, &grad_output, names).expect("a valid problem");
    assert_eq!(all.len(), names.len());
    for (&name, got) in &all {
        let values = &inputs[&name];
        let spec = geometry(problem).tensor(name).expect("a tensor of the problem").clone();
        assert_eq!((&got.shape, got.output.len(), got.magnitude.len()), (&spec.shape, values.len(), values.len()));
        for i in 0..values.len() {
            let at = |step: f32| {
                let mut inputs = inputs.clone();
                let data = inputs.get_mut(&name).expect("read above");
                data[i] += step;
                assert_eq!(data[i] - step, values[i], "the step is exact");
                loss(&inputs)
            };
            let h = f64::from(STEP);
            let want = match side {
                Side::Both => (at(STEP) - at(-STEP)) / (2.0 * h),
                Side::Right => (at(STEP) - at(0.0)) / h,
            };
            let (got, scale) = (got.output[i], 1.0 + got.magnitude[i]);
            assert!((got - want).abs() <= tolerance * scale, "{name}[{i}]: {got} instead of {want} in {problem:?}");
        }
    }
}

/// Problems whose output is linear in every single tensor, apart from offsets, and that differ in everything at once.
fn multilinear() -> Vec<Problem> {
    let mut problems: Vec<Problem> = vec![
        Conv::new(2, 4, [11], 6, [3]).stride(2).padding([[2, 1]]).dilation(2).groups(2).bias(true).into(),
        Conv::new(2, 3, [5, 7], 4, [3, 2]).stride([2, 1]).padding([[0, 2], [1, 3]]).dilation([1, 3]).bias(true).into(),
        Conv::new(1, 4, [5, 4], 8, [3, 2]).padding(1).groups(4).flip_kernel(true).residual(true).into(),
        Conv::new(1, 2, [5, 5], 2, [1, 1]).stride(3).into(),
        Conv::new(1, 2, [2, 3], 3, [4, 5]).padding([2, 1]).into(),
        Conv::new(1, 2, [3, 4, 4], 2, [2, 3, 2])
            .stride([1, 2, 3])
            .padding([[0, 1], [1, 0], [2, 2]])
            .dilation([2, 1, 1])
            .bias(true)
            .into(),
        ConvTranspose::new(2, 2, [5], 4, [3]).stride(3).padding([[1, 0]]).output_padding(2).groups(2).into(),
        ConvTranspose::new(1, 3, [3, 4], 2, [3, 2])
            .stride([2, 1])
            .padding([[0, 1], [2, 0]])
            .dilation([1, 3])
            .flip_kernel(true)
            .bias(true)
            .residual(true)
            .into(),
        ConvTranspose::new(1, 2, [2, 2, 3], 2, [2, 1, 3]).stride([1, 2, 2]).padding(0).groups(2).into(),
        LocallyConnected2d::new(2, 4, [4, 5], 2, [2, 3])
            .stride([1, 2])
            .padding([[1, 0], [0, 2]])
            .groups(2)
            .bias(true)
            .residual(true)
            .into(),
        LocallyConnected2d::new(1, 2, [5, 4], 3, [2, 2]).dilation([2, 1]).into(),
        SpatialSeparable2d::new(2, 3, [5, 4], [3, 2]).stride([2, 1]).padding([[1, 2], [0, 1]]).bias(true).into(),
        SpatialSeparable2d::new(1, 2, [4, 5], [2, 3]).dilation(2).padding(2).padding_mode(PaddingMode::Circular).into(),
        DepthwiseSeparable2d::new(2, 2, [4, 5], 3, [3, 2])
            .multiplier(2)
            .stride([1, 2])
            .padding([[1, 0], [2, 1]])
            .dilation([1, 2])
            .bias(true)
            .residual(true)
            .into(),
        DepthwiseSeparable2d::new(1, 3, [4, 4], 2, [2, 2]).padding(1).padding_mode(PaddingMode::Replicate).into(),
        Pool::average(2, 2, [7], [3]).stride(2).padding([[1, 0]]).ceil_mode(true).into(),
        Pool::average(1, 2, [5, 6], [3, 2])
            .stride([2, 1])
            .padding([[1, 1], [0, 1]])
            .dilation([1, 2])
            .mode(PoolMode::Average { count_include_pad: false, divisor_override: None })
            .into(),
        Pool::average(1, 1, [3, 4, 3], [2, 2, 2])
            .stride(1)
            .mode(PoolMode::Average { count_include_pad: true, divisor_override: Some(4) })
            .into(),
        Pool::global(2, 3, [4, 2], PoolMode::Average { count_include_pad: true, divisor_override: None }).into(),
        DepthToSpace::new(2, 8, [2, 3], 2).into(),
        DepthToSpace::new(1, 18, [2, 1], 3).order(ShuffleOrder::Dcr).into(),
        SpaceToDepth::new(2, 2, [4, 6], 2).into(),
        SpaceToDepth::new(1, 2, [3, 6], 3).order(ShuffleOrder::Dcr).into(),
        Im2col::new(2, 2, [5, 4], [3, 2]).stride([2, 1]).padding([[1, 2], [0, 1]]).dilation([1, 2]).into(),
        Col2im::new(2, 2, [5, 4], [3, 2]).stride([2, 1]).padding([[1, 2], [0, 1]]).dilation([1, 2]).into(),
        Col2im::new(1, 1, [3, 3, 4], [2, 2, 3]).padding(1).into(),
    ];
    for mode in [PaddingMode::Reflect, PaddingMode::Replicate, PaddingMode::Circular] {
        problems.push(Conv::new(1, 2, [6], 2, [3]).padding([[3, 2]]).stride(2).padding_mode(mode).into());
        let conv = Conv::new(1, 2, [4, 5], 2, [3, 2]).padding([[2, 1], [3, 4]]).dilation([1, 2]).groups(2);
        problems.push(conv.padding_mode(mode).flip_kernel(true).into());
        problems
            .push(Conv::new(1, 1, [3, 3, 4], 2, [2, 2, 2]).padding([[1, 2], [0, 1], [2, 0]]).padding_mode(mode).into());
    }
    problems
}

/// Weight groups and offset groups that do not line up, more than one of everything.
fn deformable() -> Vec<DeformConv2d> {
    vec![
        DeformConv2d::new(2, 6, [5, 6], 4, [2, 3]).groups(2).offset_groups(3).mask(true).bias(true),
        DeformConv2d::new(1, 4, [4, 5], 4, [3, 2])
            .groups(4)
            .offset_groups(2)
            .stride([1, 2])
            .padding([[1, 2], [2, 0]])
            .dilation([1, 2]),
        DeformConv2d::new(1, 2, [4, 3], 3, [1, 2]).offset_groups(2).padding(1).mask(true).residual(true),
    ]
}

/// Inputs of a deformable layer whose sampling points keep two sixteenths from integers.
fn deformable_inputs(problem: &Problem, numbers: &mut Numbers) -> Inputs {
    inputs(problem, |name, n| match name {
        // Whole pixels from -3 to 3 and 2/16 to 14/16.
        Offset => (0..n).map(|_| (numbers.next() % 7) as f32 - 3.0 + (2 + numbers.next() % 13) as f32 / 16.0).collect(),
        _ => numbers.sixteenths(n),
    })
}

#[test]
fn multilinear_operations_agree_with_differences() {
    let mut numbers = Numbers(1);
    for problem in multilinear() {
        let inputs = inputs(&problem, |_, n| numbers.sixteenths(n));
        check_differences(&problem, &inputs, &differentiable(&problem), Side::Both, 1e-9);
    }
}

/// `<J v, u> = <v, Jᵀ u>`, exactly.
#[test]
fn gradients_are_adjoint_to_the_operation() {
    let mut numbers = Numbers(2);
    let deformable = deformable().into_iter().map(Problem::from);
    for problem in multilinear().into_iter().chain(deformable) {
        let divides = matches!(problem, Problem::Pool(_));
        let mut inputs = inputs(&problem, |_, n| numbers.integers(n));
        if let Some(offset) = inputs.get_mut(&Offset) {
            offset.iter_mut().for_each(|shift| *shift /= 4.0);
        }
        let u = numbers.integers(output_len(&problem));
        for name in differentiable(&problem).into_iter().filter(|&name| name != Offset) {
            // Linear in this tensor, so the difference of two outputs is J v.
            let v = inputs[&name].clone();
            let mut without = inputs.clone();
            without.insert(name, vec![0.0; v.len()]);
            let [with, without] =
                [&inputs, &without].map(|inputs| dot(&run(&problem, inputs).expect("valid").output, &u));
            let back = dot(&gradient(&problem, &inputs, &u, name).output, &v);
            let slack = if divides { 1e-12 * (1.0 + back.abs()) } else { 0.0 };
            assert!((with - without - back).abs() <= slack, "{name}: {} and {back} in {problem:?}", with - without);
        }
    }
}

#[test]
fn every_activation_agrees_with_differences() {
    let mut numbers = Numbers(3);
    let (none, mut kinks) = (Activation::Identity, 0);
    for activation in ACTIVATIONS {
        let problems: [Problem; 6] = [
            Conv::new(2, 2, [6], 3, [3]).padding(1).bias(true).residual(true).activation(activation).into(),
            ConvTranspose::new(1, 2, [3, 3], 2, [2, 2]).stride(2).bias(true).activation(activation).into(),
            DeformConv2d::new(1, 2, [3, 4], 2, [2, 2]).mask(true).bias(true).activation(activation).into(),
            LocallyConnected2d::new(1, 2, [3, 3], 2, [2, 2]).bias(true).activation(activation).into(),
            SpatialSeparable2d::new(1, 2, [4, 4], [2, 2]).bias(true).activation(activation).into(),
            DepthwiseSeparable2d::new(1, 2, [3, 3], 2, [2, 2]).bias(true).activation(activation).into(),
        ];
        for problem in problems {
            // Deterministic search for data that keeps every argument away from the kinks.
            let (inputs, pre) = (0..1000)
                .find_map(|_| {
                    let inputs = deformable_inputs(&problem, &mut numbers);
                    let mut linear = problem.clone();
                    match &mut linear {
                        Problem::Conv(p) => p.epilogue.activation = none,
                        Problem::ConvTranspose(p) => p.epilogue.activation = none,
                        Problem::DeformConv2d(p) => p.epilogue.activation = none,
                        Problem::LocallyConnected2d(p) => p.epilogue.activation = none,
                        Problem::SpatialSeparable2d(p) => p.epilogue.activation = none,
                        Problem::DepthwiseSeparable2d(p) => p.epilogue.activation = none,
                        _ => unreachable!("only convolutions above"),
                    }
                    let pre = run(&linear, &inputs).expect("valid").output;
                    let away = |x: &f64| [-3.0, 0.0, 3.0, 6.0].iter().all(|kink| (x - kink).abs() > 0.01);
                    pre.iter().all(away).then_some((inputs, pre))
                })
                .expect("data away from the kinks");
            kinks += usize::from(pre.iter().any(|&x| x > 0.0) && pre.iter().any(|&x| x < 0.0));
            check_differences(&problem, &inputs, &differentiable(&problem), Side::Both, 4e-5);
        }
    }
    assert!(kinks > 40, "most data lie on both sides of zero");
}

#[test]
fn derivatives_of_activations() {
    use wgconv::reference::activate;
    for activation in ACTIVATIONS {
        for i in -160..160 {
            let (x, h) = ((f64::from(i) + 0.5) / 8.0, 1e-5);
            let want = (activate(activation, x + h) - activate(activation, x - h)) / (2.0 * h);
            let got = activation_derivative(activation, x);
            assert!((got - want).abs() < 1e-8, "{activation:?} at {x}: {got} instead of {want}");
        }
        // The tails are straight lines.
        let [left, right] = [-1e30, 1e30].map(|x| activation_derivative(activation, x));
        let [far_left, far_right] = [f64::NEG_INFINITY, f64::INFINITY].map(|x| activation_derivative(activation, x));
        assert_eq!((left, right), (far_left, far_right), "{activation:?}");
    }
    let at = activation_derivative;
    assert_eq!([-1.0, 0.0, -0.0, 1.0].map(|x| at(Activation::Relu, x)), [0.0, 0.0, 0.0, 1.0]);
    assert_eq!([0.0, 1.0, 6.0, 7.0].map(|x| at(Activation::Relu6, x)), [0.0, 1.0, 0.0, 0.0]);
    assert_eq!([-1.0, 0.0, 1.0].map(|x| at(Activation::LeakyRelu { slope: 0.25 }, x)), [0.25, 0.25, 1.0]);
    assert_eq!([-3.0, 0.0, 3.0].map(|x| at(Activation::HardSwish, x)), [0.0, 0.5, 1.0]);
}

#[test]
fn deformable_gradients_agree_with_differences() {
    let mut numbers = Numbers(4);
    for problem in deformable() {
        let problem = problem.into();
        let inputs = deformable_inputs(&problem, &mut numbers);
        check_differences(&problem, &inputs, &differentiable(&problem), Side::Both, 1e-9);
    }
}

/// Whole offsets put every point on a pixel, on the frame at -1 and at the extent, or beyond: one-sided differences.
#[test]
fn deformable_offsets_at_integers_have_the_right_hand_derivative() {
    let mut numbers = Numbers(5);
    for problem in deformable() {
        let problem = problem.into();
        let mut inputs = deformable_inputs(&problem, &mut numbers);
        inputs.insert(Offset, numbers.integers(inputs[&Offset].len()));
        check_differences(&problem, &inputs, &[Offset], Side::Right, 1e-9);
        // The other gradients are smooth there.
        let others: Vec<_> = differentiable(&problem).into_iter().filter(|&name| name != Offset).collect();
        check_differences(&problem, &inputs, &others, Side::Both, 1e-9);
    }
}

/// One tap over a column of 1, 10: the gradient of the vertical offset at chosen points.
#[test]
fn deformable_derivative_at_the_frame() {
    let problem: Problem = DeformConv2d::new(1, 1, [2, 1], 1, [1, 1]).mask(true).into();
    let at = |y: f32, x: f32| {
        // The second output lies out of everything's way.
        let inputs = Inputs::from([
            (Input, vec![1.0, 10.0]),
            (Weight, vec![2.0]),
            (Mask, vec![1.0, 1.0]),
            (Offset, vec![y, 50.0, x, 0.0]),
        ]);
        let all = gradients(&problem, &inputs, &[1.0, 1.0], &[Offset, Mask, Input]).expect("valid");
        let offset = &all[&Offset].output;
        ([offset[0], offset[2]], all[&Mask].output[0], all[&Input].output.clone())
    };
    // At -1 the sample is zero and grows towards the first pixel.
    assert_eq!(at(-1.0, 0.0), ([2.0, 0.0], 0.0, vec![0.0, 0.0]));
    assert_eq!(at(-0.5, 0.0), ([2.0, -1.0], 1.0, vec![1.0, 0.0]));
    assert_eq!(at(0.0, 0.0), ([18.0, -2.0], 2.0, vec![2.0, 0.0]));
    assert_eq!(at(1.0, 0.0), ([-20.0, -20.0], 20.0, vec![0.0, 2.0]));
    assert_eq!(at(2.0, 0.0), ([0.0, 0.0], 0.0, vec![0.0, 0.0]));
    assert_eq!(at(-1.25, 0.0), ([0.0, 0.0], 0.0, vec![0.0, 0.0]));
    // Likewise along x: left of the column, and in the corner, where one coordinate alone changes nothing.
    assert_eq!(at(0.0, -1.0), ([0.0, 2.0], 0.0, vec![0.0, 0.0]));
    assert_eq!(at(0.0, 1.0), ([0.0, 0.0], 0.0, vec![0.0, 0.0]));
    assert_eq!(at(-1.0, -1.0), ([0.0, 0.0], 0.0, vec![0.0, 0.0]));
}

/// Every channel is a plane a·y + b·x, so the gradients have a closed form for every tap, group and offset group, in
/// which no two are alike.
#[test]
fn deformable_gradients_of_every_tap_and_group() {
    let (c_in, c_out, groups, offset_groups, taps) = (6, 4, 2, 3, 6);
    let deform = DeformConv2d::new(2, c_in, [9, 9], c_out, [2, 3]).groups(groups).offset_groups(offset_groups);
    let problem: Problem = deform.padding([[0, 0], [1, 0]]).stride([2, 1]).dilation([3, 1]).mask(true).into();
    let [ho, wo] = [geometry(&problem).output_shape()[2], geometry(&problem).output_shape()[3]];
    let (out_len, c_in_group, c_out_group) = (ho * wo, c_in / groups, c_out / groups);
    let slopes = |n: usize, c: usize| [(3 * n + c + 1) as f32, (10 * n + 2 * c + 5) as f32];
    let mut x = vec![];
    for (n, c) in (0..2).flat_map(|n| (0..c_in).map(move |c| (n, c))) {
        let [a, b] = slopes(n, c);
        x.extend((0..9).flat_map(|y| (0..9).map(move |x| a * y as f32 + b * x as f32)));
    }
    let w: Vec<f32> = (0..c_out * c_in_group * taps).map(|i| (i + 1) as f32).collect();
    // Every point stays within the image: rows 2·oy + 3·i with oy < 3, columns ox - 1 + j pushed to the right.
    let rows = 2 * offset_groups * taps;
    let mut numbers = Numbers(6);
    let mut offset: Vec<f32> = (0..2 * rows * out_len).map(|_| (1 + numbers.next() % 7) as f32 / 8.0).collect();
    for i in 0..offset.len() {
        let (channel, ox) = (i / out_len % rows, i % wo);
        let (is_x, j) = (channel % 2 == 1, channel / 2 % 3);
        match (is_x, ox + j) {
            (true, 0) => offset[i] += 1.0,
            (true, at) if at + 1 >= 9 => offset[i] -= 1.0,
            _ => {}
        }
    }
    let mask: Vec<f32> = (0..rows * out_len).map(|i| (i % 13) as f32 / 4.0).collect();
    let g: Vec<f32> = (0..2 * c_out * out_len).map(|i| (i % 7) as f32 - 2.5).collect();
    let inputs = Inputs::from([(Input, x), (Weight, w.clone()), (Offset, offset.clone()), (Mask, mask.clone())]);
    let all = gradients(&problem, &inputs, &g, &[Offset, Mask]).expect("valid");

    let mut sums_of_taps = std::collections::BTreeSet::new();
    for (n, og, k) in (0..2).flat_map(|n| (0..offset_groups).flat_map(move |og| (0..taps).map(move |k| (n, og, k)))) {
        let row = (n * offset_groups + og) * taps + k;
        let mut total = [0.0; 3];
        for position in 0..out_len {
            let shift = [0, 1].map(|axis| f64::from(offset[(row * 2 + axis) * out_len + position]));
            let y = (position / wo * 2 + k / 3 * 3) as f64 + shift[0];
            let x = (position % wo + k % 3) as f64 - 1.0 + shift[1];
            assert!((0.0..=8.0).contains(&y) && (0.0..=8.0).contains(&x), "({y}, {x}) lies within the image");
            let mut want = [0.0; 3];
            for c in og * 2..og * 2 + 2 {
                let column: f64 = (0..c_out_group)
                    .map(|co| c / c_in_group * c_out_group + co)
                    .map(|co| {
                        let weight = w[(co * c_in_group + c % c_in_group) * taps + k];
                        f64::from(weight) * f64::from(g[(n * c_out + co) * out_len + position])
                    })
                    .sum();
                let [a, b] = slopes(n, c).map(f64::from);
                let m = f64::from(mask[row * out_len + position]);
                want[0] += column * m * a;
                want[1] += column * m * b;
                want[2] += column * (a * y + b * x);
            }
            let got = [
                all[&Offset].output[row * 2 * out_len + position],
                all[&Offset].output[(row * 2 + 1) * out_len + position],
                all[&Mask].output[row * out_len + position],
            ];
            assert_eq!(got, want, "image {n}, offset group {og}, tap {k}, position {position}");
            (0..3).for_each(|i| total[i] += want[i]);
        }
        assert!(total.iter().all(|&total| total != 0.0));
        sums_of_taps.extend(total.map(f64::to_bits));
    }
    assert_eq!(sums_of_taps.len(), 2 * offset_groups * taps * 3, "no two taps or groups are alike");
}

#[test]
fn points_without_coordinates_contribute_to_no_gradient() {
    let mut numbers = Numbers(7);
    for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        for axis in [0, 1] {
            let problem: Problem = deformable()[0].clone().into();
            let out_len: usize = geometry(&problem).output_shape()[2..].iter().product();
            let mut inputs = deformable_inputs(&problem, &mut numbers);
            let u = numbers.sixteenths(output_len(&problem));
            // The same point is taken out once through its mask, once through a coordinate.
            let (row, position) = (7, 3);
            let at_mask = row * out_len + position;
            let at_offset = [0, 1].map(|axis| (row * 2 + axis) * out_len + position);
            // It lies within the image, so that its mask has a gradient.
            at_offset.map(|at| inputs.get_mut(&Offset).expect("an offset")[at] = 0.25);
            let mut broken = inputs.clone();
            broken.get_mut(&Offset).expect("an offset")[at_offset[axis]] = value;
            inputs.get_mut(&Mask).expect("a mask")[at_mask] = 0.0;
            for name in differentiable(&problem) {
                let mut want = gradient(&problem, &inputs, &u, name).output;
                let got = gradient(&problem, &broken, &u, name).output;
                if name == Mask {
                    // Where the mask is zero its own gradient is not.
                    assert_ne!(want[at_mask], 0.0);
                    want[at_mask] = 0.0;
                }
                if name == Offset {
                    assert_eq!(at_offset.map(|at| got[at]), [0.0; 2]);
                }
                assert_eq!(got, want, "{name} with {value}");
            }
        }
    }
}

#[test]
fn max_pooling_agrees_with_differences() {
    let mut numbers = Numbers(8);
    let problems: [Problem; 5] = [
        Pool::max(2, 2, [9], [3]).stride(2).padding([[1, 1]]).ceil_mode(true).into(),
        Pool::max(1, 3, [6, 5], [3, 2]).stride([2, 1]).padding([[1, 0], [0, 1]]).dilation([1, 2]).into(),
        Pool::max(1, 2, [5, 5], [3, 3])
            .stride(2)
            .padding(1)
            .mode(PoolMode::Max { pad_value: Some(0.03125), indices: true })
            .into(),
        Pool::max(1, 2, [3, 4, 4], [2, 2, 3]).stride(1).into(),
        Pool::global(2, 2, [3, 4], PoolMode::Max { pad_value: None, indices: false }).into(),
    ];
    for problem in problems {
        let inputs = inputs(&problem, |_, n| numbers.distinct(n));
        check_differences(&problem, &inputs, &[Input], Side::Both, 1e-9);
    }
}

#[test]
fn a_maximum_hands_its_gradient_to_the_first_winner() {
    let grad = |pool: Pool, x: &[f32], g: &[f32]| {
        gradient(&pool.into(), &Inputs::from([(Input, x.to_vec())]), g, Input).output
    };
    let pool = Pool::max(1, 1, [5], [3]).stride(2);
    // Equal maxima, and a NaN that wins.
    assert_eq!(grad(pool.clone(), &[1., 1., 1., 1., 1.], &[2., 3.]), [2., 0., 3., 0., 0.]);
    assert_eq!(grad(pool.clone(), &[0., 4., 4., 4., 0.], &[2., 3.]), [0., 2., 3., 0., 0.]);
    assert_eq!(grad(pool.clone(), &[0., 4., f32::NAN, 9., f32::NAN], &[2., 3.]), [0., 0., 5., 0., 0.]);
    // Padding of zero wins over negative values, draws with zero in scan order, and keeps what it wins.
    let padded = pool.padding([[1, 1]]).mode(PoolMode::Max { pad_value: Some(0.0), indices: false });
    assert_eq!(grad(padded.clone(), &[-1., -2., -3., -4., -5.], &[1., 2., 4.]), [0., 2., 0., 0., 0.]);
    assert_eq!(grad(padded, &[0., -2., -3., -4., 0.], &[1., 2., 4.]), [0., 2., 0., 0., 4.]);
}

#[test]
fn lp_pooling_agrees_with_differences() {
    let mut numbers = Numbers(9);
    for p in [1.0, 1.5, 2.0, 3.0] {
        let problems: [Problem; 3] = [
            Pool::lp(2, 2, [7], [3], p).stride(2).ceil_mode(true).into(),
            Pool::lp(1, 2, [5, 4], [2, 3], p).stride(1).padding(1).into(),
            Pool::global(1, 3, [3, 3], PoolMode::Lp { p }).into(),
        ];
        for problem in problems {
            // Away from zero, where |x| has a kink.
            let inputs = inputs(&problem, |_, n| numbers.sixteenths(n));
            check_differences(&problem, &inputs, &[Input], Side::Both, 1e-4);
        }
    }
}

#[test]
fn an_lp_norm_of_zero_has_no_gradient() {
    for p in [0.5, 1.0, 2.0, 3.0] {
        let pool: Problem = Pool::lp(1, 1, [6], [3], p).into();
        let got = gradient(&pool, &Inputs::from([(Input, vec![0., 0., 0., 0., -2., 0.])]), &[5., 7.], Input);
        for (i, want) in [0., 0., 0., 0., -7., 0.].into_iter().enumerate() {
            assert!((got.output[i] - want).abs() < 1e-12 && got.tolerance(i) < 1e-3, "element {i}, p = {p}");
        }
    }
}

#[test]
fn relu_lets_nothing_through_at_zero() {
    let problem: Problem = Conv::new(1, 1, [4], 1, [1]).bias(true).residual(true).activation(Activation::Relu).into();
    let inputs = Inputs::from([
        (Input, vec![-1., 0., 1., 2.]),
        (Weight, vec![2.0]),
        (Bias, vec![1.0]),
        (Residual, vec![1., -1., 0., 0.]),
    ]);
    let all = gradients(&problem, &inputs, &[1., 10., 100., 1000.], &differentiable(&problem)).expect("valid");
    assert_eq!(all[&Residual].output, [0., 0., 100., 1000.]);
    assert_eq!(all[&Input].output, [0., 0., 200., 2000.]);
    assert_eq!((&all[&Bias].output[..], &all[&Weight].output[..]), (&[1100.][..], &[2100.][..]));
    // An f32 computation may land on the other side of the kink, by the tolerance of the argument.
    assert!(all[&Residual].tolerance(1) >= 10.0 && all[&Residual].tolerance(3) < 1e-3);
}

/// Every tensor that a gradient does not depend on may be absent.
#[test]
fn gradients_read_only_what_they_need() {
    let problem: Problem = Conv::new(1, 2, [3], 2, [2]).bias(true).into();
    let (x, w) = (vec![1.0; 6], vec![1.0; 8]);
    let g = [1.0, 2.0, 3.0, 4.0];
    assert_eq!(gradient(&problem, &Inputs::new(), &g, Bias).output, [3.0, 7.0]);
    assert_eq!(gradient(&problem, &Inputs::from([(Weight, w)]), &g, Input).output, [4., 10., 6., 4., 10., 6.]);
    assert_eq!(gradient(&problem, &Inputs::from([(Input, x)]), &g, Weight).output[..4], [3.0; 4]);
    let error = gradients(&problem, &Inputs::new(), &g, &[Input]).expect_err("no weight");
    assert_eq!(error.to_string(), "weight = nothing: the problem reads this tensor");
}

#[test]
fn wrong_requests_are_refused() {
    let problem: Problem = Conv::new(1, 1, [4], 1, [2]).into();
    let inputs = Inputs::from([(Input, vec![1.0; 4]), (Weight, vec![1.0; 2])]);
    let refused = |problem: &Problem, inputs: &Inputs, g: &[f32], name| {
        gradients(problem, inputs, g, &[name]).expect_err("a refusal").to_string()
    };
    for name in [Bias, Residual, Offset, Mask, TensorName::Output, TensorName::Indices] {
        let want = format!("wanted gradient = {name}: this conv1d has gradients for input, weight");
        assert_eq!(refused(&problem, &inputs, &[1.0; 3], name), want);
    }
    let message = refused(&problem, &inputs, &[1.0; 4], Input);
    assert_eq!(message, "grad_output = 4 elements: it has the output's shape [1, 1, 3]");
    let short = Inputs::from([(Input, vec![1.0; 3]), (Weight, vec![1.0; 3])]);
    for name in [Input, Weight] {
        let error = gradients(&problem, &short, &[1.0; 3], &[name]).expect_err("three elements");
        assert!(matches!(error, Error::Shape { .. }), "{error}");
    }
    let deform = DeformConv2d::new(1, 1, [3, 3], 1, [2, 2]).into();
    assert!(refused(&deform, &Inputs::new(), &[1.0; 4], Mask).starts_with("wanted gradient = mask"));
    let impossible = Conv::new(1, 1, [2], 1, [5]).into();
    assert!(matches!(gradients(&impossible, &inputs, &[], &[Input]), Err(Error::Invalid { .. })));
    assert!(gradients(&problem, &inputs, &[1.0; 3], &[]).expect("nothing wanted").is_empty());
}

/// Plain f32 loops, with an activation, stay within tolerances that are not generous either.
#[test]
fn tolerances_hold_for_f32() {
    let mut numbers = Numbers(10);
    let mut real = |n: usize| -> Vec<f32> {
        (0..n).map(|_| ((numbers.next() & 0xff_ffff) as f64 / 0x80_0000 as f64 - 1.0) as f32).collect()
    };
    for activation in [Activation::Identity, Activation::Silu, Activation::LeakyRelu { slope: 0.1 }] {
        let (c_in, c_out, len, k) = (16, 8, 40, 5);
        let problem = Conv::new(1, c_in, Axes::from([len + k - 1]), c_out, [k]).activation(activation).into();
        let (x, w, g) = (real(c_in * (len + k - 1)), real(c_out * c_in * k), real(c_out * len));
        let inputs = Inputs::from([(Input, x.clone()), (Weight, w.clone())]);
        let (mut dx, mut dw) = (vec![0.0_f32; x.len()], vec![0.0_f32; w.len()]);
        let products = || (0..c_in).flat_map(|ci| (0..k).map(move |k| (ci, k)));
        for (co, o) in (0..c_out).flat_map(|co| (0..len).map(move |o| (co, o))) {
            let at = |ci: usize, tap: usize| (ci * (len + k - 1) + o + tap, (co * c_in + ci) * k + tap);
            let pre: f32 = products().map(|(ci, tap)| at(ci, tap)).map(|(i, j)| x[i] * w[j]).sum();
            let slope = match activation {
                Activation::Silu => {
                    let sigmoid = 1.0 / (1.0 + (-pre).exp());
                    sigmoid * (1.0 + pre * (1.0 - sigmoid))
                }
                Activation::LeakyRelu { slope } if pre <= 0.0 => slope,
                _ => 1.0,
            };
            let g = g[co * len + o] * slope;
            for (i, j) in products().map(|(ci, tap)| at(ci, tap)) {
                dx[i] += g * w[j];
                dw[j] += g * x[i];
            }
        }
        for (name, narrow) in [(Input, dx), (Weight, dw)] {
            let wide = gradient(&problem, &inputs, &g, name);
            for (i, &narrow) in narrow.iter().enumerate() {
                let miss = (f64::from(narrow) - wide.output[i]).abs();
                assert!(miss <= wide.tolerance(i), "{name}[{i}] of {activation:?} misses by {miss}");
                assert!(wide.tolerance(i) <= 1e-3 * (1.0 + wide.magnitude[i]), "{name}[{i}] of {activation:?}");
            }
        }
    }
}
