//! The laboratory's trace adds up to the output and to every gradient; its receptive fields are where they must be.

#![cfg(feature = "lab")]

mod common;

use std::collections::BTreeMap;

use common::random;
use wgconv::lab::field::{Field, FieldPicture, Preset, StackLayer, layer_fields, stack_fields};
use wgconv::lab::picture::{Format, render};
use wgconv::lab::trace::{Trace, TracePicture, trace};
use wgconv::{Activation, DeformConv2d, Error, Geometry, Gradient, Inputs, Problem, TensorName, reference};

fn problems() -> Vec<DeformConv2d> {
    vec![
        DeformConv2d::new(2, 4, [5, 6], 6, [2, 3]).padding(1).groups(2).offset_groups(4).mask(true).bias(true),
        DeformConv2d::new(1, 6, [7, 4], 2, [3, 2]).stride([2, 1]).dilation([1, 2]).padding([2, 0]).offset_groups(3),
        DeformConv2d::new(2, 3, [4, 5], 3, [1, 2]).groups(3).mask(true).residual(true).activation(Activation::Gelu),
    ]
}

/// Offsets far outside, at the borders exactly, at integers, NaN and infinite, between ordinary ones.
fn with_kinks(inputs: &mut Inputs, problem: &DeformConv2d) {
    let odd = [f32::NAN, f32::INFINITY, -1.0, 100.0, 0.0, problem.input[0] as f32, -2.0, 1.0];
    let offsets = inputs.get_mut(&TensorName::Offset).expect("read");
    for (i, value) in offsets.iter_mut().step_by(5).enumerate() {
        *value = odd[i % odd.len()];
    }
}

fn everything(problem: &DeformConv2d, inputs: &Inputs, grad_output: &[f32]) -> Vec<Trace> {
    let shape = Geometry::new(&problem.clone().into()).expect("valid").output_shape().to_vec();
    let positions: Vec<[usize; 2]> = (0..shape[2]).flat_map(|row| (0..shape[3]).map(move |at| [row, at])).collect();
    let of = |image| trace(problem, inputs, grad_output, image, &positions).expect("valid");
    (0..problem.batch).map(of).collect()
}

/// Adds up what the traces say into tensors laid out as the library's.
fn added_up(problem: &DeformConv2d, inputs: &Inputs, traces: &[Trace]) -> BTreeMap<TensorName, Vec<f64>> {
    let whole = Problem::from(problem.clone());
    let mut sums: BTreeMap<TensorName, Vec<f64>> =
        whole.differentiable().into_iter().map(|name| (name, vec![0.0; inputs[&name].len()])).collect();
    let shape = Geometry::new(&whole).expect("valid").output_shape().to_vec();
    let (rows, columns) = (shape[2], shape[3]);
    let plane = rows * columns;
    let taps = problem.kernel[0] * problem.kernel[1];
    let all_taps = problem.offset_groups * taps;
    let mut add = |name: TensorName, ix: usize, value: f64| {
        if let Some(sum) = sums.get_mut(&name) {
            sum[ix] += value;
        }
    };
    for traced in traces {
        for position in &traced.positions {
            let pixel = position.at[0] * columns + position.at[1];
            for (co, &grad) in position.grad.iter().enumerate() {
                add(TensorName::Bias, co, grad);
                add(TensorName::Residual, (traced.image * problem.c_out + co) * plane + pixel, grad);
            }
            for tap in &position.taps {
                let tap_ix = tap.tap[0] * problem.kernel[1] + tap.tap[1];
                let row = tap.offset_group * taps + tap_ix;
                for axis in [0, 1] {
                    let ix = (traced.image * 2 * all_taps + 2 * row + axis) * plane + pixel;
                    add(TensorName::Offset, ix, tap.grad_offset[axis]);
                }
                add(TensorName::Mask, (traced.image * all_taps + row) * plane + pixel, tap.grad_mask);
                for &(co, ci, share) in &tap.grad_weight {
                    add(TensorName::Weight, (co * (problem.c_in / problem.groups) + ci) * taps + tap_ix, share);
                }
                let first = tap.offset_group * problem.c_in / problem.offset_groups;
                for corner in tap.corners.iter().filter(|corner| corner.inside) {
                    for (i, &share) in corner.grad_input.iter().enumerate() {
                        let [y, x] = corner.at.map(|v| v as usize);
                        let channel = traced.image * problem.c_in + first + i;
                        add(TensorName::Input, (channel * problem.input[0] + y) * problem.input[1] + x, share);
                    }
                }
            }
        }
    }
    sums
}

#[test]
fn what_the_trace_says_adds_up_to_the_output_and_every_gradient() {
    for (seed, problem) in problems().into_iter().enumerate() {
        let whole = Problem::from(problem.clone());
        let mut inputs = random(&whole, 70 + seed as u64);
        with_kinks(&mut inputs, &problem);
        let upstream = Gradient::all(whole.clone()).into();
        let grad_output = random(&upstream, 80).remove(&TensorName::GradOutput).expect("read");
        let traces = everything(&problem, &inputs, &grad_output);

        let before =
            reference::run(&problem.clone().activation(Activation::Identity).into(), &inputs).expect("valid").output;
        let shape = Geometry::new(&whole).expect("valid").output_shape().to_vec();
        for traced in &traces {
            for position in &traced.positions {
                for co in 0..problem.c_out {
                    let ix =
                        ((traced.image * problem.c_out + co) * shape[2] + position.at[0]) * shape[3] + position.at[1];
                    let read = |name| inputs.get(&name).map_or(&[][..], |values| &values[..]);
                    let beside = read(TensorName::Bias).get(co).copied().unwrap_or(0.0);
                    let beside = beside + read(TensorName::Residual).get(ix).copied().unwrap_or(0.0);
                    let sum = f64::from(beside) + position.taps.iter().map(|tap| tap.output[co]).sum::<f64>();
                    let want = before[ix];
                    assert!(
                        (sum - want).abs() <= 1e-6 * (1.0 + want.abs()),
                        "{problem:?} {:?}: {sum} {want}",
                        position.at
                    );
                    assert_eq!(position.output[co], want);
                }
            }
        }
        let wanted = reference::gradients(&whole, &inputs, &grad_output, &whole.differentiable()).expect("valid");
        let sums = added_up(&problem, &inputs, &traces);
        assert_eq!(sums.keys().collect::<Vec<_>>(), wanted.keys().collect::<Vec<_>>());
        for (name, outcome) in &wanted {
            for (ix, (sum, want)) in sums[name].iter().zip(&outcome.output).enumerate() {
                assert!((sum - want).abs() <= 1e-9 * (1.0 + want.abs()), "grad of {name} [{ix}]: {sum}, not {want}");
            }
        }
    }
}

#[test]
fn a_point_exactly_a_pixel_outside_has_no_sample_but_a_derivative() {
    let problem = DeformConv2d::new(1, 1, [2, 2], 1, [1, 1]);
    let inputs = Inputs::from([
        (TensorName::Input, vec![3.0, 5.0, 7.0, 11.0]),
        (TensorName::Weight, vec![2.0]),
        (TensorName::Offset, vec![-1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]),
    ]);
    let traced = trace(&problem, &inputs, &[1.0; 4], 0, &[[0, 0]]).expect("valid");
    let tap = &traced.positions[0].taps[0];
    assert!(!tap.samples);
    assert_eq!((tap.point, &tap.output[..], tap.grad_offset), ([-1.0, 0.0], &[0.0][..], [6.0, 0.0]));
    assert!(tap.corners.iter().all(|corner| corner.grad_input == [0.0]));
}

#[test]
fn requests_that_make_no_sense_are_refused_by_name() {
    let problem = problems().remove(0);
    let whole = Problem::from(problem.clone());
    let inputs = random(&whole, 1);
    let len = Geometry::new(&whole).expect("valid").output_shape().iter().product();
    let upstream = vec![1.0; len];
    let field = |result: wgconv::Result<Trace>| match result {
        Err(Error::Invalid { field, .. }) => field,
        other => panic!("{other:?}"),
    };
    assert_eq!(field(trace(&problem, &inputs, &upstream[1..], 0, &[[0, 0]])), "grad_output");
    assert_eq!(field(trace(&problem, &inputs, &upstream, 2, &[[0, 0]])), "image");
    assert_eq!(field(trace(&problem, &inputs, &upstream, 0, &[])), "positions");
    assert_eq!(field(trace(&problem, &inputs, &upstream, 0, &[[0, 0], [0, 99]])), "position");
    assert!(layer_fields(&problem, &inputs, 2, [0, 0]).is_err());
    assert!(layer_fields(&problem, &inputs, 0, [99, 0]).is_err());
    for text in [
        "",
        "d1",
        "d1k3",
        "k4",
        "k0",
        "k3s2",
        "k3p1",
        "k3d1d2",
        "k3k3",
        "k65",
        "K3",
        "k3d0",
        "k3d",
        "k3d1:",
        "k3:zoom",
        "k3:zoom=x",
        "k3:zoom=inf",
        "k3:bend=1",
        "k99",
    ] {
        assert!(StackLayer::parse(text).is_err(), "{text}");
    }
    // The k may be left out.
    assert_eq!(StackLayer::parse("3d2").expect("valid"), StackLayer::parse("k3d2").expect("valid"));
    let layer = StackLayer::parse("k5d3:rotate=45").expect("valid");
    assert_eq!((layer.kernel, layer.dilation, layer.preset), (5, 3, Some(Preset::Rotate(45.0))));
    assert!(stack_fields(&[], 20).is_err());
    assert!(stack_fields(&[layer; 17], 20).is_err());
    assert!(stack_fields(&[layer], 7).is_err());
}

fn layer(preset: Preset) -> (DeformConv2d, Inputs) {
    let problem = DeformConv2d::new(1, 2, [21, 21], 2, [3, 3]).padding(1);
    let mut inputs = random(&problem.clone().into(), 5);
    inputs.insert(TensorName::Weight, vec![0.5; 36]);
    inputs.insert(TensorName::Offset, preset.offsets(&problem).expect("valid"));
    (problem, inputs)
}

fn fields(preset: Preset) -> [Field; 2] {
    let (problem, inputs) = layer(preset);
    layer_fields(&problem, &inputs, 0, [10, 10]).expect("valid")
}

#[test]
fn without_offsets_the_field_is_the_kernel() {
    for preset in [Preset::Zoom(1.0), Preset::Rotate(0.0), Preset::Shear(0.0), Preset::Wave(0.0), Preset::Random(0.0)] {
        let [plain, deformable] = fields(preset);
        assert_eq!(plain.map, deformable.map);
        assert_eq!((plain.area, plain.theoretical), (9, [3, 3]));
        // Nine equal pixels: each axis has a mean square of two thirds.
        assert!((plain.radius - (4.0_f64 / 3.0).sqrt()).abs() < 1e-9);
        assert!(plain.centroid.iter().all(|v| (v - 10.0).abs() < 1e-9));
        assert!((plain.map.iter().sum::<f64>() - 1.0).abs() < 1e-12);
    }
}

#[test]
fn presets_move_the_field_as_they_say() {
    let radius = |preset| fields(preset)[1].radius;
    let plain = (4.0_f64 / 3.0).sqrt();
    assert!((radius(Preset::Zoom(3.0)) - 3.0 * plain).abs() < 1e-6);
    // A quarter turn maps the square kernel onto itself.
    assert!((radius(Preset::Rotate(90.0)) - plain).abs() < 1e-5);
    assert!(radius(Preset::Shear(1.0)) > plain);
    let [_, waved] = fields(Preset::Wave(2.0));
    assert!((waved.radius - plain).abs() < 1.5);
    assert_ne!(fields(Preset::Random(2.0))[0].map, fields(Preset::Random(2.0))[1].map);
    assert_eq!(fields(Preset::Random(2.0))[1], fields(Preset::Random(2.0))[1]);

    // Eighth turn, counter-clockwise on the screen: the tap above the centre goes up and to the left.
    let (problem, inputs) = layer(Preset::Rotate(45.0));
    let traced = trace(&problem, &inputs, &[1.0; 882], 0, &[[10, 10]]).expect("valid");
    let above = &traced.positions[0].taps[1];
    assert_eq!(above.tap, [0, 1]);
    let part = 0.5_f64.sqrt();
    assert!(
        (above.point[0] - (10.0 - part)).abs() < 1e-6 && (above.point[1] - (10.0 - part)).abs() < 1e-6,
        "{above:?}"
    );
}

#[test]
fn a_stack_of_dilated_layers_fills_its_theoretical_field() {
    let layers: Vec<StackLayer> = ["k3d1", "k3d2", "k3d4"].map(|text| StackLayer::parse(text).expect("valid")).to_vec();
    let [plain, same] = stack_fields(&layers, 41).expect("valid");
    assert_eq!((plain.theoretical, &plain.map), ([15, 15], &same.map));
    let inside = |i: usize| [i / 41, i % 41].iter().all(|&v| (13..=27).contains(&v));
    for (i, &value) in plain.map.iter().enumerate() {
        assert_eq!(value > 0.0, inside(i), "{i}");
    }
    let zoomed = ["k3d1", "k3d2", "k3d4:zoom=2"].map(|text| StackLayer::parse(text).expect("valid"));
    let [without, with] = stack_fields(&zoomed, 41).expect("valid");
    assert_eq!(without.map, plain.map);
    assert!(with.radius > 1.2 * without.radius, "{} {}", with.radius, without.radius);
}

#[test]
fn pictures_of_traces_and_fields_are_drawn() {
    let problem = problems().remove(0);
    let whole = Problem::from(problem.clone());
    let mut inputs = random(&whole, 3);
    with_kinks(&mut inputs, &problem);
    let len = Geometry::new(&whole).expect("valid").output_shape().iter().product();
    let traced = trace(&problem, &inputs, &vec![1.0; len], 1, &[[0, 0], [2, 3]]).expect("valid");
    for tap in [None, Some([0, 1])] {
        let picture = TracePicture { trace: &traced, offset_group: None, tap };
        let svg = String::from_utf8(render(&picture, Format::Svg).expect("drawn")).expect("text");
        assert!(svg.contains("where output (0, 0), (2, 3) of image 1 samples"), "{svg}");
        // A circle on the grid for each tap, and one for each point that is finite.
        let taps: Vec<_> =
            traced.positions.iter().flat_map(|p| &p.taps).filter(|t| tap.is_none_or(|at| at == t.tap)).collect();
        let finite = taps.iter().filter(|tap| tap.point.iter().all(|v| v.is_finite())).count();
        assert!(finite < taps.len());
        let legend = 3;
        assert_eq!(svg.matches("<circle").count(), taps.len() + 2 * finite + legend);
        assert!(render(&picture, Format::Png).expect("drawn").starts_with(b"\x89PNG"));
    }
    let fields = fields(Preset::Zoom(2.0));
    let picture = FieldPicture { fields: &fields, title: "fields", centre: [10.0, 10.0] };
    let svg = String::from_utf8(render(&picture, Format::Svg).expect("drawn")).expect("text");
    assert!(svg.contains("9 pixels, radius 1.15"), "{svg}");
}
