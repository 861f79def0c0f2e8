//! One subcommand per operation.

use image::{DynamicImage, GrayImage, Rgb, RgbImage, Rgba, RgbaImage};

use crate::support::{Sandbox, npy_with_header};

fn tensors() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.ramp("x1.npy", &[1, 4, 9]);
    sandbox.ramp("x2.npy", &[2, 4, 6, 8]);
    sandbox.ramp("x3.npy", &[1, 4, 4, 5, 6]);
    sandbox.ramp("w1.npy", &[6, 2, 3]);
    sandbox.ramp("w2.npy", &[6, 4, 3, 3]);
    sandbox.ramp("w3.npy", &[2, 4, 2, 2, 2]);
    sandbox.ramp("bias.npy", &[6]);
    sandbox.ramp("residual.npy", &[2, 6, 4, 6]);
    sandbox.ramp("offset.npy", &[2, 18, 6, 8]);
    sandbox.ramp("mask.npy", &[2, 9, 6, 8]);
    sandbox.ramp("local.npy", &[4, 6, 2, 4, 3, 3]);
    sandbox.ramp("v.npy", &[4, 3]);
    sandbox.ramp("h.npy", &[4, 5]);
    sandbox.ramp("dw.npy", &[8, 1, 3, 3]);
    sandbox.ramp("pw.npy", &[5, 8, 1, 1]);
    sandbox.ramp("columns.npy", &[1, 36, 48]);
    sandbox
}

#[test]
fn every_operation_yields_its_shape_and_agrees_with_the_reference() {
    let sandbox = tensors();
    let cases: [(&str, &[usize]); 27] = [
        ("conv1d --input x1.npy --weight w1.npy --groups 2 --padding 2:0", &[1, 6, 9]),
        ("conv2d --input x2.npy --weight w2.npy --bias bias.npy --stride 2 --padding 1", &[2, 6, 3, 4]),
        ("conv2d --input x2.npy --weight w2.npy --residual residual.npy --activation relu6", &[2, 6, 4, 6]),
        ("conv2d --input x2.npy --weight w2.npy --padding 0:1,2:2 --dilation 2,1 --flip-kernel", &[2, 6, 3, 10]),
        ("conv2d --input x2.npy --weight w2.npy --padding same --padding-mode reflect", &[2, 6, 6, 8]),
        ("conv3d --input x3.npy --weight w3.npy --stride 1,2,2", &[1, 2, 3, 2, 3]),
        ("conv-transpose1d --input x1.npy --weight v.npy --stride 2", &[]),
        ("conv_transpose2d --input x2.npy --weight dw4.npy --stride 2 --output-padding 1 --groups 2", &[2, 4, 14, 18]),
        ("deform-conv2d --input x2.npy --weight w2.npy --offset offset.npy --padding 1", &[2, 6, 6, 8]),
        ("deform_conv2d --input x2.npy --weight w2.npy --offset offset.npy --mask mask.npy --padding 1", &[2, 6, 6, 8]),
        ("locally-connected2d --input x2.npy --weight local.npy", &[2, 2, 4, 6]),
        ("spatial-separable-conv2d --input x2.npy --weight-v v.npy --weight-h h.npy --padding same", &[2, 4, 6, 8]),
        ("depthwise-separable-conv2d --input x2.npy --weight-dw dw.npy --weight-pw pw.npy", &[2, 5, 4, 6]),
        ("max-pool1d --input x1.npy --kernel-size 2", &[1, 4, 4]),
        ("max-pool2d --input x2.npy --kernel-size 3 --stride 2 --padding 1 --ceil-mode", &[2, 4, 4, 5]),
        ("max-pool2d --input x2.npy --kernel-size 2,3 --stride 1 --padding 1 --pad-value -0.5", &[2, 4, 7, 8]),
        ("avg-pool2d --input x2.npy --kernel-size 3 --padding 1 --count-include-pad false", &[2, 4, 2, 3]),
        ("avg-pool3d --input x3.npy --kernel-size 2 --divisor-override 3", &[1, 4, 2, 2, 3]),
        ("lp_pool2d --input x2.npy --kernel-size 2 --p 1.5", &[2, 4, 3, 4]),
        ("global-avg-pool2d --input x2.npy", &[2, 4, 1, 1]),
        ("global-max-pool1d --input x1.npy", &[1, 4, 1]),
        ("global-lp-pool3d --input x3.npy --p 3", &[1, 4, 1, 1, 1]),
        ("depth-to-space --input x2.npy --block-size 2 --mode DCR", &[2, 1, 12, 16]),
        ("pixel_unshuffle --input x2.npy --block-size 2", &[2, 16, 3, 4]),
        ("im2col --input x2.npy --kernel-size 3 --padding 1", &[2, 36, 48]),
        ("unfold --input x2.npy --kernel-size 2,3 --stride 2", &[2, 24, 9]),
        ("col2im --input columns.npy --kernel-size 3 --padding 1 --output-size 6,8", &[1, 4, 6, 8]),
    ];
    sandbox.ramp("dw4.npy", &[4, 2, 3, 3]);
    for (line, shape) in cases {
        if shape.is_empty() {
            // A weight with an axis too few.
            sandbox.run(&format!("{line} --output y.npy")).refused(2, "weight shape");
            continue;
        }
        sandbox.ok(&format!("{line} --output reference.npy --device reference"));
        let (got, want) = sandbox.read("reference.npy");
        assert_eq!(got, shape, "{line}");
        // Small integers: every order of summation gives the same numbers, save for roots and sigmoids.
        sandbox.ok(&format!("{line} --output auto.npy"));
        let (_, values) = sandbox.read("auto.npy");
        for (got, want) in values.iter().zip(&want) {
            assert!((got - want).abs() <= 1e-4 * want.abs().max(1.0), "{line}: {got} {want}");
        }
    }
}

#[test]
fn the_numbers_are_those_of_a_hand_calculation() {
    let sandbox = Sandbox::new();
    sandbox.npy("x.npy", &[1, 1, 2, 3], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    sandbox.npy("w.npy", &[1, 1, 1, 2], &[1.0, 10.0]);
    sandbox.npy("b.npy", &[1], &[0.5]);
    let line = "conv2d --input x.npy --weight w.npy --bias b.npy --output y.npy --device reference";
    sandbox.ok(line);
    assert_eq!(sandbox.read("y.npy"), (vec![1, 1, 2, 2], vec![21.5, 32.5, 54.5, 65.5]));
    sandbox.ok(&format!("{line} --flip-kernel true"));
    assert_eq!(sandbox.read("y.npy").1, [12.5, 23.5, 45.5, 56.5]);
    sandbox.ok(&format!("{line} --padding 0,1 --stride 1,3 --padding-mode circular"));
    assert_eq!(sandbox.read("y.npy"), (vec![1, 1, 2, 2], vec![13.5, 13.5, 46.5, 46.5]));
}

#[test]
fn maxima_come_with_their_positions() {
    let sandbox = Sandbox::new();
    sandbox.npy("x.npy", &[1, 2, 4], &[1.0, 5.0, 5.0, 2.0, -1.0, -2.0, -3.0, -4.0]);
    let line = "max-pool1d --input x.npy --kernel-size 2 --output y.npy --indices i.npy";
    for device in ["auto", "reference"] {
        sandbox.ok(&format!("{line} --device {device}"));
        assert_eq!(sandbox.read("y.npy"), (vec![1, 2, 2], vec![5.0, 5.0, -1.0, -3.0]));
        assert_eq!(sandbox.read_i64("i.npy"), (vec![1, 2, 2], vec![1, 2, 0, 2]));
        // Zeros around beat what is negative, and lie nowhere in the input.
        sandbox.ok(&format!("{line} --stride 3 --padding 1 --pad-value 0 --device {device}"));
        assert_eq!(sandbox.read("y.npy"), (vec![1, 2, 2], vec![1.0, 5.0, 0.0, -3.0]));
        assert_eq!(sandbox.read_i64("i.npy").1, [0, 2, -1, 2]);
    }
}

#[test]
fn one_image_may_come_without_a_batch() {
    let sandbox = tensors();
    sandbox.ramp("x.npy", &[4, 6, 8]);
    sandbox.ramp("r.npy", &[6, 4, 6]);
    let ran = sandbox.ok("conv2d --input x.npy --weight w2.npy --residual r.npy --output y.npy --json");
    assert_eq!(sandbox.read("y.npy").0, [6, 4, 6]);
    assert_eq!(ran.json()["shape"], serde_json::json!([6, 4, 6]));
    sandbox.ok("max-pool2d --input x.npy --kernel-size 2 --output y.npy --indices i.npy");
    assert_eq!(sandbox.read_i64("i.npy").0, [4, 3, 4]);
    sandbox.ok("im2col --input x.npy --kernel-size 2 --output y.npy");
    assert_eq!(sandbox.read("y.npy").0, [16, 35]);
    sandbox.run("conv2d --input r.npy --weight w2.npy --output y.npy").refused(2, "weight has shape [6, 4, 3, 3]");
}

#[test]
fn every_number_type_and_memory_order_is_read() {
    let sandbox = Sandbox::new();
    sandbox.npy("w.npy", &[1, 1, 1, 1], &[1.0]);
    let big_endian: Vec<u8> = [1.0_f64, 2.0, 3.0, 4.0, 5.0, 6.0].iter().flat_map(|x| x.to_be_bytes()).collect();
    let columns_first: Vec<u8> = [1_i16, 4, 2, 5, 3, 6].iter().flat_map(|x| x.to_le_bytes()).collect();
    let header = |descr: &str, order: &str| {
        format!("{{'descr': '{descr}', 'fortran_order': {order}, 'shape': (1, 1, 2, 3), }}\n")
    };
    for (name, bytes) in [
        ("f8.npy", npy_with_header(&header(">f8", "False"), &big_endian)),
        ("i2.npy", npy_with_header(&header("<i2", "True"), &columns_first)),
        ("u1.npy", npy_with_header(&header("|u1", "False"), &[1, 2, 3, 4, 5, 6])),
    ] {
        sandbox.bytes(name, &bytes);
        sandbox.ok(&format!("conv2d --input {name} --weight w.npy --output y.npy --device reference"));
        assert_eq!(sandbox.read("y.npy"), (vec![1, 1, 2, 3], vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0]), "{name}");
    }
}

#[test]
fn pictures_are_filtered() {
    let sandbox = Sandbox::new();
    // Black on the left, white on the right.
    let edge = RgbImage::from_fn(8, 6, |x, _| if x < 4 { Rgb([0; 3]) } else { Rgb([255; 3]) });
    edge.save(sandbox.path("edge.png")).unwrap();
    let open = |name: &str| image::open(sandbox.path(name)).unwrap();
    for filter in
        ["box", "box:4", "gaussian", "gaussian:0.7", "sobel-x", "sobel-y", "sobel", "laplacian", "sharpen", "emboss"]
    {
        for device in ["auto", "reference"] {
            sandbox.ok(&format!("conv2d --input edge.png --filter {filter} --output {device}.png --device {device}"));
            let picture = open(&format!("{device}.png"));
            assert_eq!((picture.width(), picture.height(), picture.color().channel_count()), (8, 6, 3), "{filter}");
        }
        let (auto, reference) = (open("auto.png").into_rgb8(), open("reference.png").into_rgb8());
        let close = auto.as_raw().iter().zip(reference.as_raw()).all(|(a, b)| a.abs_diff(*b) <= 1);
        assert!(close, "{filter}");
    }
    // The edge is two pixels wide, and nothing else is.
    let columns = |name: &str| -> Vec<u8> { (0..8).map(|x| open(name).into_rgb8().get_pixel(x, 3)[1]).collect() };
    sandbox.ok("conv2d --input edge.png --filter sobel --output y.png --device reference");
    assert_eq!(columns("y.png"), [0, 0, 0, 255, 255, 0, 0, 0]);
    sandbox.ok("conv2d --input edge.png --filter sobel-y --output y.png --device reference");
    assert_eq!(columns("y.png"), [0; 8]);
    sandbox.ok("conv2d --input edge.png --filter box --output y.png --device reference");
    assert_eq!(columns("y.png"), [0, 0, 0, 85, 170, 255, 255, 255]);
    // Two passes are the same filter.
    sandbox.ok("spatial-separable-conv2d --input edge.png --filter box --output z.png --device reference");
    assert_eq!(columns("z.png"), columns("y.png"));
    let refused = sandbox.run("spatial-separable-conv2d --input edge.png --filter emboss --output z.png");
    refused.refused(2, "--filter: it is no product");
}

#[test]
fn pictures_keep_their_channels() {
    let sandbox = Sandbox::new();
    let pixel = Rgba([10, 200, 30, 128]);
    RgbaImage::from_pixel(5, 4, pixel).save(sandbox.path("a.png")).unwrap();
    sandbox.ok("conv2d --input a.png --filter gaussian --output y.png --device reference");
    let soft = image::open(sandbox.path("y.png")).unwrap().into_rgba8();
    assert!(soft.pixels().all(|p| p[3] == 128 && p[1].abs_diff(200) <= 1));
    // A flat picture has no edges; transparency is not stretched with the colours.
    sandbox.ok("conv2d --input a.png --filter laplacian --normalize --output y.png --device reference");
    assert!(image::open(sandbox.path("y.png")).unwrap().into_rgba8().pixels().all(|p| p[3] == 128));
    sandbox.ok("max-pool2d --input a.png --kernel-size 2 --output y.png --device reference");
    let DynamicImage::ImageRgba8(pooled) = image::open(sandbox.path("y.png")).unwrap() else { panic!("not RGBA") };
    assert_eq!((pooled.dimensions(), *pooled.get_pixel(1, 1)), ((2, 2), pixel));
    sandbox.run("max-pool2d --input a.png --kernel-size 2 --output y.jpg").refused(2, "JPEG has no fourth channel");

    GrayImage::from_fn(6, 6, |x, y| image::Luma([(x * 40 + y) as u8])).save(sandbox.path("g.jpg")).unwrap();
    sandbox.ok("conv2d --input g.jpg --filter sharpen --output y.jpg --device reference");
    assert_eq!(image::open(sandbox.path("y.jpg")).unwrap().color().channel_count(), 1);
    sandbox.ok("avg-pool2d --input g.jpg --kernel-size 6 --output y.npy --device reference");
    let (shape, values) = sandbox.read("y.npy");
    assert_eq!(shape, [1, 1, 1, 1]);
    assert!((values[0] * 255.0 - 102.5).abs() < 2.0, "{values:?}");
}

#[test]
fn an_algorithm_can_be_forced() {
    let sandbox = tensors();
    let line = "conv2d --input x2.npy --weight w2.npy --output y.npy --json";
    let auto = sandbox.ok(line).json();
    if auto["device"] == "reference" {
        return;
    }
    let ran = sandbox.ok(&format!("{line} --algorithm im2col-gemm")).json();
    assert_eq!(ran["algorithm"], "im2col-gemm");
    let refused = sandbox.run(&format!("{line} --algorithm pointwise-gemm"));
    refused.refused(3, "algorithm = pointwise-gemm: it needs a 1x1 kernel");
}
