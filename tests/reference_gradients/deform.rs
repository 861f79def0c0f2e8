//! Deformable convolution: every tap, group and offset group, integers, the frame, and points without coordinates.

use super::*;

/// Weight groups and offset groups that do not line up, more than one of everything.
pub fn deformable() -> Vec<DeformConv2d> {
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
pub fn deformable_inputs(problem: &Problem, numbers: &mut Numbers) -> Inputs {
    inputs(problem, |name, n| match name {
        // Whole pixels from -3 to 3 and 2/16 to 14/16.
        Offset => (0..n).map(|_| (numbers.next() % 7) as f32 - 3.0 + (2 + numbers.next() % 13) as f32 / 16.0).collect(),
        _ => numbers.sixteenths(n),
    })
}

#[test]
fn deformable_gradients_agree_with_differences() {
    let mut numbers = Numbers(4);
    for problem in deformable() {
        let problem = problem.into();
        let inputs = deformable_inputs(&problem, &mut numbers);
        check_differences(&problem, &inputs, &problem.differentiable(), Side::Both, 1e-9);
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
        let others: Vec<_> = problem.differentiable().into_iter().filter(|&name| name != Offset).collect();
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
    for (i, shift) in offset.iter_mut().enumerate() {
        let (channel, ox) = (i / out_len % rows, i % wo);
        let (is_x, j) = (channel % 2 == 1, channel / 2 % 3);
        match (is_x, ox + j) {
            (true, 0) => *shift += 1.0,
            (true, 9) => *shift -= 1.0,
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
            let offset = inputs.get_mut(&Offset).expect("an offset");
            at_offset.into_iter().for_each(|at| offset[at] = 0.25);
            let mut broken = inputs.clone();
            broken.get_mut(&Offset).expect("an offset")[at_offset[axis]] = value;
            inputs.get_mut(&Mask).expect("a mask")[at_mask] = 0.0;
            for name in problem.differentiable() {
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
