//! Gradients through the epilogue.

use super::*;

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
            check_differences(&problem, &inputs, &problem.differentiable(), Side::Both, 4e-5);
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
fn relu_lets_nothing_through_at_zero() {
    let problem: Problem = Conv::new(1, 1, [4], 1, [1]).bias(true).residual(true).activation(Activation::Relu).into();
    let inputs = Inputs::from([
        (Input, vec![-1., 0., 1., 2.]),
        (Weight, vec![2.0]),
        (Bias, vec![1.0]),
        (Residual, vec![1., -1., 0., 0.]),
    ]);
    let all = gradients(&problem, &inputs, &[1., 10., 100., 1000.], &problem.differentiable()).expect("valid");
    assert_eq!(all[&Residual].output, [0., 0., 100., 1000.]);
    assert_eq!(all[&Input].output, [0., 0., 200., 2000.]);
    assert_eq!((&all[&Bias].output[..], &all[&Weight].output[..]), (&[1100.][..], &[2100.][..]));
    // An f32 computation may land on the other side of the kink, by the tolerance of the argument.
    assert!(all[&Residual].tolerance(1) >= 10.0 && all[&Residual].tolerance(3) < 1e-3);
}
