//! Pictures: told from arrays by their content, the way up that they say, and nothing lost without a word.

use image::codecs::jpeg::JpegEncoder;
use image::{DynamicImage, ExtendedColorType, ImageBuffer, ImageEncoder, Luma, Rgb, RgbImage, Rgba, RgbaImage};

use crate::support::Sandbox;

fn open(sandbox: &Sandbox, name: &str) -> DynamicImage {
    image::open(sandbox.path(name)).unwrap()
}

/// A chunk of a PNG file with its checksum.
fn chunk(kind: &[u8; 4], data: &[u8]) -> Vec<u8> {
    let mut crc = u32::MAX;
    for byte in kind.iter().chain(data) {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 };
        }
    }
    [&(data.len() as u32).to_be_bytes(), &kind[..], data, &(!crc).to_be_bytes()].concat()
}

/// A PNG file with chunks behind its header.
fn with_chunks(sandbox: &Sandbox, name: &str, chunks: &[Vec<u8>]) {
    const HEADER: usize = 8 + 4 + 4 + 13 + 4;
    let bytes = std::fs::read(sandbox.path(name)).unwrap();
    sandbox.bytes(name, &[&bytes[..HEADER], &chunks.concat(), &bytes[HEADER..]].concat());
}

#[test]
fn content_says_what_a_file_is() {
    let sandbox = Sandbox::new();
    let picture = RgbaImage::from_fn(6, 5, |x, y| Rgba([40 * x as u8, 50 * y as u8, 7, (25 * x + 10 * y) as u8]));
    picture.save(sandbox.path("a.png")).unwrap();
    let bytes = std::fs::read(sandbox.path("a.png")).unwrap();
    sandbox.ok("conv2d --input a.png --filter box:3 --output want.png --device reference");
    for name in ["a", "a.npy", "a.jpg", "a.txt"] {
        sandbox.bytes(name, &bytes);
        sandbox.ok(&format!("conv2d --input {name} --filter box:3 --output y.png --device reference"));
        assert_eq!(open(&sandbox, "y.png"), open(&sandbox, "want.png"), "{name}");
    }
    // Four channels of an array are four channels, whatever the file is called.
    sandbox.ramp("four.npy", &[1, 4, 5, 6]);
    sandbox.ok("conv2d --input four.npy --filter box:3 --output want.npy --device reference");
    sandbox.bytes("four.png", &std::fs::read(sandbox.path("four.npy")).unwrap());
    sandbox.ok("conv2d --input four.png --filter box:3 --output y.npy --device reference");
    assert_eq!(sandbox.read("y.npy"), sandbox.read("want.npy"));
}

#[test]
fn orientations_are_applied() {
    let sandbox = Sandbox::new();
    // Dark at the upper left, lighter to the right, lighter yet below.
    let swapped = RgbImage::from_fn(16, 8, |x, y| Rgb([60 * (x / 8) as u8 + 120 * (y / 4) as u8; 3]));
    for orientation in 1..=8_u8 {
        let exif = [b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0".as_slice(), &[orientation, 0, 0, 0, 0, 0, 0, 0]];
        let mut bytes = Vec::new();
        let mut encoder = JpegEncoder::new_with_quality(&mut bytes, 100);
        encoder.set_exif_metadata(exif.concat()).unwrap();
        encoder.encode(swapped.as_raw(), 16, 8, ExtendedColorType::Rgb8).unwrap();
        sandbox.bytes("o.jpg", &bytes);
        let ran = sandbox.ok("avg-pool2d --input o.jpg --kernel-size 4 --output y.npy --device reference");
        assert_eq!(ran.stderr, "", "{orientation}");
        let mut want = DynamicImage::from(swapped.clone());
        want.apply_orientation(image::metadata::Orientation::from_exif(orientation).unwrap());
        let (shape, values) = sandbox.read("y.npy");
        assert_eq!(shape[2..], [want.height() as usize / 4, want.width() as usize / 4], "{orientation}");
        for (i, value) in values[..shape[2] * shape[3]].iter().enumerate() {
            let (x, y) = (4 * (i % shape[3]) as u32 + 1, 4 * (i / shape[3]) as u32 + 1);
            let want = want.as_rgb8().unwrap().get_pixel(x, y)[0];
            assert!((value * 255.0 - f32::from(want)).abs() < 4.0, "{orientation}: {i}");
        }
    }
    // A picture loses its Exif data, which is said.
    let ran = sandbox.ok("avg-pool2d --input o.jpg --kernel-size 4 --output y.png --device reference");
    assert_eq!(ran.stderr, "wgconv: o.jpg: not in y.png: its Exif data\n");
    // A PNG file may say it, too.
    swapped.save(sandbox.path("o.png")).unwrap();
    let exif = [b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0".as_slice(), &[6, 0, 0, 0, 0, 0, 0, 0]].concat();
    with_chunks(&sandbox, "o.png", &[chunk(b"eXIf", &exif)]);
    sandbox.ok("avg-pool2d --input o.png --kernel-size 4 --output y.npy --device reference");
    assert_eq!(sandbox.read("y.npy").0, [1, 3, 4, 2]);
}

#[test]
fn sixteen_bits_stay_sixteen() {
    let sandbox = Sandbox::new();
    let grey = ImageBuffer::<Luma<u16>, _>::from_fn(5, 4, |x, y| Luma([(x * 257 + y * 1001 + 3) as u16]));
    let rgb = ImageBuffer::<Rgb<u16>, _>::from_fn(5, 4, |x, y| Rgb([(x * 9001) as u16, (y * 7001) as u16, 65_535]));
    let rgba =
        ImageBuffer::<Rgba<u16>, _>::from_fn(5, 4, |x, y| Rgba([(x * 9001) as u16, 1, 65_534, (y * 7001) as u16]));
    let pictures: [DynamicImage; 3] = [grey.into(), rgb.into(), rgba.into()];
    for picture in pictures {
        picture.save(sandbox.path("p.png")).unwrap();
        // A window of one pixel changes nothing.
        let ran = sandbox.ok("conv2d --input p.png --filter box:1 --output y.png");
        assert_eq!((open(&sandbox, "y.png"), ran.stderr.as_str()), (picture.clone(), ""));
        if picture.color().channel_count() < 4 {
            let ran = sandbox.ok("conv2d --input p.png --filter box:1 --output y.jpg --device reference");
            assert_eq!(ran.stderr, "wgconv: p.png: not in y.jpg: 8 of its 16 bits a sample\n");
        }
    }
    // A picture of 8 bits stays one.
    RgbImage::from_pixel(4, 4, Rgb([9; 3])).save(sandbox.path("p.png")).unwrap();
    sandbox.ok("conv2d --input p.png --filter gaussian --output y.png --device reference");
    assert_eq!(open(&sandbox, "y.png").color(), image::ColorType::Rgb8);
}

#[test]
fn alpha_goes_where_the_windows_are() {
    let sandbox = Sandbox::new();
    let alpha = |x: u32, y: u32| (20 * x + 30 * y) as u8;
    RgbaImage::from_fn(8, 7, |x, y| Rgba([1, 2, 3, alpha(x, y)])).save(sandbox.path("a.png")).unwrap();
    // Extents of the result, and the column and row under the centre of its first window and the next.
    type Place = fn(u32) -> u32;
    let cases: [(&str, (u32, u32), Place); 7] = [
        ("--filter box:3", (8, 7), |o| o),
        ("--filter box:3 --stride 2", (4, 4), |o| 2 * o),
        ("--filter box:3 --padding 0", (6, 5), |o| o + 1),
        ("--filter box:3 --padding 0 --stride 2", (3, 3), |o| 2 * o + 1),
        ("--filter box:3 --padding 0 --dilation 2", (4, 3), |o| o + 2),
        ("--filter box:4", (8, 7), |o| o),
        ("--filter sobel --stride 3", (3, 3), |o| 3 * o),
    ];
    for command in ["conv2d", "spatial-separable-conv2d"] {
        for (arguments, extents, place) in cases {
            if command != "conv2d" && arguments.contains("sobel") {
                continue;
            }
            let ran = sandbox.ok(&format!("{command} --input a.png {arguments} --output y.png --device reference"));
            assert_eq!(ran.stderr, "");
            let picture = open(&sandbox, "y.png").into_rgba8();
            assert_eq!(picture.dimensions(), extents, "{arguments}");
            for (x, y, pixel) in picture.enumerate_pixels() {
                assert_eq!(pixel[3], alpha(place(x), place(y)), "{command} {arguments}: {x}, {y}");
            }
        }
    }
    // Beyond the picture counts its edge.
    sandbox.ok("conv2d --input a.png --filter box:1 --padding 2 --output y.png --device reference");
    let picture = open(&sandbox, "y.png").into_rgba8();
    assert_eq!(
        (picture.dimensions(), picture.get_pixel(0, 0)[3], picture.get_pixel(11, 10)[3]),
        ((12, 11), 0, alpha(7, 6))
    );
}

#[test]
fn what_a_result_lacks_is_said() {
    let sandbox = Sandbox::new();
    let told = |chunks: &[Vec<u8>], output: &str| {
        RgbImage::from_pixel(4, 4, Rgb([90; 3])).save(sandbox.path("p.png")).unwrap();
        with_chunks(&sandbox, "p.png", chunks);
        let ran = sandbox.ok(&format!("conv2d --input p.png --filter box:1 --output {output} --device reference"));
        ran.stderr.trim().strip_prefix(&format!("wgconv: p.png: not in {output}: ")).unwrap_or(&ran.stderr).to_string()
    };
    assert_eq!(told(&[], "y.png"), "");
    assert_eq!(told(&[chunk(b"gAMA", &100_000_u32.to_be_bytes())], "y.png"), "its gamma of 1");
    assert_eq!(told(&[chunk(b"gAMA", &100_000_u32.to_be_bytes())], "y.npy"), "its gamma of 1");
    assert_eq!(told(&[chunk(b"sRGB", &[0]), chunk(b"gAMA", &45_455_u32.to_be_bytes())], "y.png"), "");
    assert_eq!(told(&[chunk(b"tEXt", b"Title\0mine")], "y.png"), "its texts");
    assert_eq!(told(&[chunk(b"tEXt", b"Title\0mine")], "y.npy"), "");
    let animation = [chunk(b"acTL", &[0, 0, 0, 1, 0, 0, 0, 0])];
    assert_eq!(told(&animation, "y.png"), "every picture of its animation but the first");
    // A colour profile is kept where there is a place for it.
    let mut bytes = Vec::new();
    let mut encoder = image::codecs::png::PngEncoder::new(&mut bytes);
    encoder.set_icc_profile(b"some profile".to_vec()).unwrap();
    encoder.write_image(&[90; 48], 4, 4, ExtendedColorType::Rgb8).unwrap();
    sandbox.bytes("i.png", &bytes);
    for output in ["y.png", "y.jpg"] {
        let ran = sandbox.ok(&format!("conv2d --input i.png --filter box:1 --output {output} --device reference"));
        assert_eq!(ran.stderr, "");
        let again = sandbox.ok(&format!("conv2d --input {output} --filter box:1 --output y.npy --device reference"));
        assert_eq!(again.stderr, format!("wgconv: {output}: not in y.npy: its colour profile\n"));
    }
}

#[test]
fn pictures_that_are_too_large_or_broken_are_refused() {
    let sandbox = Sandbox::new();
    RgbImage::from_pixel(4, 4, Rgb([90; 3])).save(sandbox.path("p.png")).unwrap();
    RgbImage::from_pixel(40, 40, Rgb([90; 3])).save(sandbox.path("p.jpg")).unwrap();
    let png = std::fs::read(sandbox.path("p.png")).unwrap();
    let header = [&100_000_u32.to_be_bytes()[..], &100_000_u32.to_be_bytes(), &[8, 2, 0, 0, 0]].concat();
    sandbox.bytes("vast.png", &[&png[..8], &chunk(b"IHDR", &header), &png[33..]].concat());
    sandbox.run("conv2d --input vast.png --filter box --output y.png").refused(2, "at most 536870912 are decoded");
    for name in ["p.png", "p.jpg"] {
        let bytes = std::fs::read(sandbox.path(name)).unwrap();
        for length in (4..bytes.len()).step_by(bytes.len() / 40 + 1) {
            sandbox.bytes("cut", &bytes[..length]);
            let ran = sandbox.run("conv2d --input cut --filter box:1 --output y.npy --device reference");
            // Some decoders fill in what is missing at the end.
            assert!(matches!(ran.code, Some(0 | 2)), "{name}, {length} bytes: {:?} {}", ran.code, ran.stderr);
        }
    }
}
