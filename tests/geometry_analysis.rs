//! Receptive fields, overlap counts, convolution matrices, separable factors and costs, against counting and the oracles.
#![cfg(feature = "reference")]

use std::collections::BTreeSet;

use wgconv::reference::{Inputs, run};
use wgconv::{
    Conv, ConvTranspose, DeformConv2d, DepthwiseSeparable2d, Error, LayerShape, PaddingMode, Problem, TensorName,
    convolution_matrix, deform_cost, factor_separable, offset_channels, overlap_counts, receptive_field,
    receptive_interval, separable_cost,
};

fn output<const N: usize>(problem: impl Into<Problem>, inputs: [(TensorName, Vec<f32>); N]) -> Vec<f64> {
    run(&problem.into(), &Inputs::from(inputs)).expect("a valid problem").output
}

/// Small integers without a pattern that a kernel could share.
fn integers(n: usize) -> Vec<f32> {
    (0..n).map(|i| ((i * i * 7 + i * 3) % 11) as f32 - 5.0).collect()
}

/// Every input that an output of the stack reads, one by one.
fn read_by(layers: &[LayerShape], output: i64) -> BTreeSet<i64> {
    let mut positions = BTreeSet::from([output]);
    for layer in layers.iter().rev() {
        let (s, d, p) = (layer.stride as i64, layer.dilation as i64, layer.padding as i64);
        let taps = || (0..layer.kernel as i64).map(|k| k * d);
        let sources = positions.iter().flat_map(|&at| {
            taps().filter_map(move |tap| match layer.transposed {
                false => Some(at * s - p + tap),
                // at = i·s - p + tap
                true => ((at + p - tap) % s == 0).then_some((at + p - tap) / s),
            })
        });
        positions = sources.collect();
    }
    positions
}

fn layers() -> Vec<LayerShape> {
    let mut all = vec![];
    for (kernel, stride) in [(1, 1), (3, 1), (3, 2), (2, 2), (4, 3), (5, 2)] {
        for (padding, transposed) in [(0, false), (2, false), (0, true), (1, true)] {
            all.push(LayerShape::new(kernel).stride(stride).padding(padding).transposed(transposed));
        }
    }
    all
}

#[test]
fn receptive_fields_hold_exactly_what_is_read() {
    let all = layers();
    for (i, &a) in all.iter().enumerate() {
        for (j, &b) in all.iter().enumerate() {
            let stack = [a, b, all[(i * 5 + j * 3) % all.len()]];
            let phases: usize = stack.iter().filter(|layer| layer.transposed).map(|layer| layer.stride).product();
            let down: usize = stack.iter().filter(|layer| !layer.transposed).map(|layer| layer.stride).product();
            let fields: Vec<_> = (0..phases as i64).map(|o| read_by(&stack, o)).collect();
            for (o, field) in fields.iter().enumerate() {
                let hull = field.first().zip(field.last()).map(|(&first, &last)| [first, last]);
                assert_eq!(receptive_interval(&stack, o as i64), Ok(hull), "{stack:?} output {o}");
                // The field moves by the jump, as a whole number of outputs per whole number of inputs.
                let later: Vec<_> = read_by(&stack, (o + phases) as i64).iter().map(|at| at - down as i64).collect();
                assert_eq!(later, field.iter().copied().collect::<Vec<_>>());
            }
            let found = receptive_field(&stack).expect("a field");
            let width = |field: &BTreeSet<i64>| Some((field.last()? - field.first()?) as usize + 1);
            assert_eq!(Some(found.size), fields.iter().filter_map(width).max(), "{stack:?}");
            assert_eq!(found.jump(), down as f64 / phases as f64);
            assert_eq!(Some(found.start), fields.iter().find_map(|field| field.first().copied()));
        }
    }
}

#[test]
fn dilated_fields_have_holes_but_the_same_ends() {
    let stack = [LayerShape::new(3).dilation(1), LayerShape::new(3).dilation(2), LayerShape::new(3).dilation(4)];
    let field = receptive_field(&stack).expect("a field");
    assert_eq!((field.size, field.jump, field.start), (15, [1, 1], 0));
    assert_eq!(read_by(&stack, 0).len(), 15);
    assert_eq!(read_by(&[LayerShape::new(3).dilation(2); 3], 0).len(), 7);
    assert_eq!(receptive_field(&[LayerShape::new(3).dilation(2); 3]).expect("a field").size, 13);
    // Dilation and stride of a transposed layer: outputs 0 and 2 see two inputs, output 1 lies in a gap.
    let up = [LayerShape::new(2).stride(2).dilation(4).transposed(true)];
    assert_eq!(receptive_interval(&up, 4), Ok(Some([0, 2])));
    assert_eq!(receptive_interval(&up, 5), Ok(None));
    assert_eq!(receptive_field(&[]).expect("a field").size, 1);
    let gap = [LayerShape::new(1).stride(3).padding(1).transposed(true)];
    assert_eq!(receptive_field(&gap).map(|field| (field.size, field.start)), Ok((1, 1)));
}

#[test]
fn absurd_layers_are_refused() {
    let message = |layers: &[LayerShape]| receptive_field(layers).expect_err("absurd").to_string();
    let plain = LayerShape::new(3);
    assert_eq!(message(&[plain, LayerShape::new(0)]), "layers[1].kernel = 0: it must be at least 1");
    assert_eq!(message(&[plain.stride(0)]), "layers[0].stride = 0: it must be at least 1");
    assert_eq!(message(&[plain.dilation(0)]), "layers[0].dilation = 0: it must be at least 1");
    for layer in
        [LayerShape::new(usize::MAX), plain.stride(1 << 31), plain.dilation(usize::MAX), plain.padding(1 << 40)]
    {
        assert!(message(&[layer]).contains("below 2^31"), "{}", message(&[layer]));
    }
    let largest = LayerShape::new(i32::MAX as usize).stride(i32::MAX as usize).dilation(i32::MAX as usize);
    assert!(message(&[largest; 3]).contains("overflow"));
    assert!(receptive_interval(&[largest; 3], i64::MAX).is_err());
    assert!(receptive_interval(&[largest.transposed(true).stride(3).padding(7); 3], i64::MIN).is_err());
    assert!(matches!(receptive_field(&[plain.transposed(true).stride(4097)]), Err(Error::Unsupported { .. })));
    assert_eq!(LayerShape::new(7).dilation(2).effective_kernel(), Ok(13));
    assert!(LayerShape::new(usize::MAX).dilation(2).effective_kernel().is_err());
    assert!(LayerShape::new(0).effective_kernel().is_err());
}

#[test]
fn overlaps_are_a_transposed_convolution_of_ones() {
    for (k, s, d, p) in [([3, 3], [2, 2], [1, 1], 0), ([4, 3], [2, 3], [1, 2], 1), ([2, 5], [3, 1], [2, 1], 2)] {
        let up = ConvTranspose::new(1, 1, [4, 5], 1, k).stride(s).dilation(d).padding([[0, p], [p, 0]]);
        let inputs = [(TensorName::Input, vec![1.; 20]), (TensorName::Weight, vec![1.; k[0] * k[1]])];
        let counts = overlap_counts(&up).and_then(|counts| counts.positions()).expect("small");
        let counts: Vec<f64> = counts.into_iter().map(|count| count as f64).collect();
        assert_eq!(counts, output(up, inputs));
    }
}

#[test]
fn overlaps_are_uniform_inside_exactly_as_predicted() {
    for (k, s, d) in (1..9).flat_map(|k| (1..6).flat_map(move |s| (1..5).map(move |d| (k, s, d)))) {
        let up = ConvTranspose::new(1, 1, [80], 1, [k]).stride(s).dilation(d);
        let counts = overlap_counts(&up).expect("small");
        let border = d * (k - 1) + s;
        let axis = counts.axis(0);
        let inside = &axis[border..axis.len() - border];
        assert_eq!(counts.is_uniform(), inside.iter().all(|count| count == &inside[0]), "k {k} s {s} d {d}");
        if d == 1 {
            assert_eq!(counts.is_uniform(), k % s == 0);
        }
    }
    let wide = ConvTranspose::new(1, 1, [1 << 20, 1], 1, [1, 1]).stride([100, 1]);
    assert!(matches!(overlap_counts(&wide), Err(Error::Unsupported { .. })));
    let square = overlap_counts(&ConvTranspose::new(1, 1, [9000, 9000], 1, [1, 1])).expect("each axis is short");
    assert!(matches!(square.positions(), Err(Error::Unsupported { .. })));
    assert!(matches!(overlap_counts(&ConvTranspose::new(0, 1, [1], 1, [1])), Err(Error::Invalid { .. })));
}

#[test]
fn the_matrix_computes_the_convolution_and_its_transpose_the_transposed_one() {
    let problems = [
        Conv::new(1, 2, [9], 3, [3]).stride(2).padding([[3, 1]]).dilation(2),
        Conv::new(1, 4, [4, 5], 6, [3, 2]).stride([1, 2]).padding([[1, 0], [2, 1]]).groups(2).flip_kernel(true),
        Conv::new(1, 1, [5, 4], 1, [3, 3]).padding(3).padding_mode(PaddingMode::Reflect),
        Conv::new(1, 2, [5, 4], 2, [3, 3]).padding([[4, 1], [0, 4]]).padding_mode(PaddingMode::Circular).groups(2),
        Conv::new(1, 1, [3, 4], 2, [3, 5]).padding(6).padding_mode(PaddingMode::Replicate).stride(2),
        Conv::new(1, 2, [3, 4, 2], 2, [2, 3, 1]).stride([1, 2, 1]).padding([[0, 1], [1, 1], [0, 0]]),
    ];
    for conv in problems {
        let taps: usize = conv.kernel.iter().product();
        let w = integers(conv.c_out * conv.c_in / conv.groups * taps);
        let a = convolution_matrix(&conv, &w).expect("small");
        let x = integers(a.columns());
        let wide: Vec<f64> = x.iter().map(|&x| x.into()).collect();
        let want = output(conv.clone(), [(TensorName::Input, x), (TensorName::Weight, w.clone())]);
        assert_eq!(a.multiply(&wide).as_deref(), Ok(&want[..]), "{conv:?}");
        let back = a.transpose();
        assert_eq!((back.rows(), back.columns(), back.row(0)[0]), (a.columns(), a.rows(), a.row(0)[0]));
        assert_eq!(back.transpose(), a);
        if conv.padding_mode == PaddingMode::Zeros && conv.kernel.len() == 2 {
            let y = integers(a.rows());
            let wide: Vec<f64> = y.iter().map(|&y| y.into()).collect();
            let out =
                wgconv::Geometry::new(&conv.clone().into()).expect("a valid problem").output_shape()[2..].to_vec();
            let up = ConvTranspose::new(1, conv.c_out, [out[0], out[1]], conv.c_in, conv.kernel)
                .stride(conv.stride)
                .padding(conv.padding)
                .groups(conv.groups)
                .flip_kernel(conv.flip_kernel)
                .output_padding([0, (conv.input[1] + 3 - conv.kernel[1]) % conv.stride[1]]);
            let want = output(up, [(TensorName::Input, y), (TensorName::Weight, w)]);
            assert_eq!(back.multiply(&wide), Ok(want));
        }
    }
}

#[test]
fn the_matrix_has_a_size_limit_and_checks_lengths() {
    let big = Conv::new(1, 1, [100, 100], 1, [3, 3]);
    assert!(matches!(convolution_matrix(&big, &[0.0; 9]), Err(Error::Unsupported { .. })));
    let small = Conv::new(1, 1, [4], 1, [3]);
    let want = Error::Shape { tensor: TensorName::Weight, got: vec![2], want: vec![1, 1, 3] };
    assert_eq!(convolution_matrix(&small, &[0.0; 2]), Err(want));
    let a = convolution_matrix(&small, &[1.0, 2.0, 3.0]).expect("small");
    assert_eq!(a.values(), [1., 2., 3., 0., 0., 1., 2., 3.]);
    assert!(matches!(a.multiply(&[0.0; 3]), Err(Error::Shape { .. })));
    let none = Conv::new(1, 1, [usize::MAX], 1, [usize::MAX]);
    assert!(matches!(convolution_matrix(&none, &[]), Err(Error::Invalid { .. })));
}

#[test]
fn separable_kernels_are_found() {
    let outer = |v: &[f32], h: &[f32]| v.iter().flat_map(|v| h.iter().map(move |h| v * h)).collect::<Vec<f32>>();
    let sobel = [1., 0., -1., 2., 0., -2., 1., 0., -1.];
    for kernel in [sobel.to_vec(), outer(&[0.1, 0.7, -0.3], &[0.5, 1.3, 1e-3]), outer(&[-3.0], &[1., 2., 3.])] {
        let extents = [kernel.len() / 3, 3];
        let factors = factor_separable(&kernel, extents, 1e-6).expect("a valid kernel").expect("rank one");
        let again = outer(&factors.vertical, &factors.horizontal);
        let miss = kernel.iter().zip(&again).map(|(a, b)| f64::from((a - b).abs())).fold(0.0, f64::max);
        assert!(miss <= 1e-6 && (factors.residual - miss).abs() <= 1e-6, "{factors:?}");
    }
    let laplace = [0., 1., 0., 1., -4., 1., 0., 1., 0.];
    assert_eq!(factor_separable(&laplace, [3, 3], 1e-3), Ok(None));
    // Nearly separable: accepted with a tolerance that allows it.
    let mut bent = outer(&[1., 2., 1.], &[1., 2., 1.]);
    bent[0] += 0.01;
    assert_eq!(factor_separable(&bent, [3, 3], 1e-3), Ok(None));
    assert!(factor_separable(&bent, [3, 3], 0.01).is_ok_and(|factors| factors.is_some()));
    let zero = factor_separable(&[0.; 4], [2, 2], 0.0).expect("a valid kernel").expect("rank zero");
    assert_eq!((zero.vertical, zero.horizontal), (vec![0.; 2], vec![0.; 2]));
    for (kernel, extents, tolerance) in [
        (vec![1.; 4], [2, 3], 0.0),
        (vec![], [0, 0], 0.0),
        (vec![1.; 4], [usize::MAX, 2], 0.0),
        (vec![1., f32::NAN], [1, 2], 0.0),
        (vec![1.; 4], [2, 2], f64::NAN),
        (vec![1.; 4], [2, 2], -1.0),
    ] {
        assert!(matches!(factor_separable(&kernel, extents, tolerance), Err(Error::Invalid { .. })));
    }
}

#[test]
fn costs_beside_a_plain_convolution() {
    let separable = DepthwiseSeparable2d::new(1, 64, [56, 56], 128, [3, 3]).padding(1).bias(true);
    let cost = separable_cost(&separable).expect("a valid problem");
    assert_eq!((cost.separable.macs, cost.plain.macs), (1_806_336 + 25_690_112, 231_211_008));
    assert_eq!((cost.separable.parameters, cost.plain.parameters), (576 + 8192 + 128, 73_728 + 128));
    assert!((cost.macs_ratio() - (1.0 / 128.0 + 1.0 / 9.0)).abs() < 1e-12);
    assert!((cost.parameters_ratio() - 8896.0 / 73_856.0).abs() < 1e-12);

    let deform = DeformConv2d::new(1, 8, [5, 5], 4, [3, 3]).padding(1).offset_groups(2).groups(2);
    let cost = deform_cost(&deform.clone().mask(true)).expect("a valid problem");
    assert_eq!((cost.offset_channels, cost.mask_channels), (36, 18));
    assert_eq!(cost.branch.parameters, 54 * (8 * 9 + 1));
    assert_eq!(cost.branch.macs, 25 * 54 * 8 * 9);
    assert_eq!(cost.sampling_macs, 25 * 5 * 8 * 9);
    assert_eq!(cost.plain.macs, 25 * 4 * 4 * 9);
    assert_eq!(cost.total_macs(), cost.plain.macs + cost.branch.macs + cost.sampling_macs);
    assert_eq!(deform_cost(&deform).expect("a valid problem").mask_channels, 0);
    assert_eq!(offset_channels([3, 3], 4), Ok(72));
    assert!(offset_channels([usize::MAX, 3], 4).is_err());
    assert!(separable_cost(&DepthwiseSeparable2d::new(0, 1, [1, 1], 1, [1, 1])).is_err());
    assert!(deform_cost(&DeformConv2d::new(1, 1, [1, 1], 1, [2, 2])).is_err());
}
