//! The gradient oracles against finite differences of the forward oracles, against the adjoint identity, against
//! gradients in closed form and at the places where there is no derivative.
#![cfg(feature = "reference")]

use wgconv::reference::{Inputs, Outcome, activation_derivative, gradients, run};
use wgconv::{
    Access, Activation, Axes, Col2im, Conv, ConvTranspose, DeformConv2d, DepthToSpace, DepthwiseSeparable2d, Error,
    Geometry, Im2col, LocallyConnected2d, PaddingMode, Pool, PoolMode, Problem, ShuffleOrder, SpaceToDepth,
    SpatialSeparable2d, TensorName,
};

mod activation;
mod deform;
mod pool;
mod tolerance;

use deform::{deformable, deformable_inputs};

use TensorName::{Bias, Input, Mask, Offset, Residual, Weight};

/// Perturbation of finite differences: a power of two, so that every perturbed f32 is exact.
const STEP: f32 = 1.0 / 1024.0;

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

#[test]
fn multilinear_operations_agree_with_differences() {
    let mut numbers = Numbers(1);
    for problem in multilinear() {
        let inputs = inputs(&problem, |_, n| numbers.sixteenths(n));
        check_differences(&problem, &inputs, &problem.differentiable(), Side::Both, 1e-9);
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
        for name in problem.differentiable().into_iter().filter(|&name| name != Offset) {
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
