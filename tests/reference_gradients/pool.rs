//! Pooling that chooses or takes roots.

use super::*;

#[test]
fn max_pooling_agrees_with_differences() {
    let mut numbers = Numbers(8);
    let problems: [Problem; 6] = [
        Pool::max(1, 2, [2, 3], [5, 4]).stride(4).padding([[0, 0], [1, 0]]).ceil_mode(true).into(),
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
        let problems: [Problem; 4] = [
            Pool::lp(1, 2, [2, 3], [5, 4], p).stride(4).ceil_mode(true).into(),
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
