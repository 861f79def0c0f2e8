//! PNG and JPEG files as tensors (1, channels, h, w) with values from 0 to 1, and back.

mod metadata;

use std::io::Cursor;
use std::panic::{self, AssertUnwindSafe};
use std::path::Path;

use image::codecs::jpeg::{JpegDecoder, JpegEncoder};
use image::codecs::png::{PngDecoder, PngEncoder};
use image::metadata::Orientation;
use image::{DynamicImage, ExtendedColorType, ImageDecoder, ImageEncoder, ImageFormat, ImageResult, Limits};
use wgconv::memory;

use crate::failure::{Failure, Result};
use crate::files;
use crate::npy::Array;
use metadata::Found;

/// Most bytes of pixels that are decoded.
const MOST_BYTES: u64 = 512 << 20;

/// What memory is asked for.
const WHAT: &str = "a picture";

/// What is known of a picture beside its numbers.
#[derive(Debug)]
pub struct Picture {
    /// Bits of a sample: 8 or 16.
    bits: u8,
    grey: bool,
    /// The colour profile, where the numbers are still those that it is for.
    profile: Option<Vec<u8>>,
    found: Found,
}

/// How an output picture is written.
#[derive(Debug, Clone)]
pub struct Encoding {
    pub format: ImageFormat,
    /// Stretch the range of the values to 0..1 instead of clamping.
    pub normalize: bool,
    /// Bits of a sample: 8 or 16.
    pub bits: u8,
    pub profile: Option<Vec<u8>>,
}

/// Reads an array or a picture. The content decides which it is, whatever the file's name.
pub fn load(path: &Path) -> Result<(Array, Option<Picture>)> {
    let bytes = files::read(path)?;
    if !is_picture(&bytes) {
        return Ok((Array::parse(path, &bytes)?, None));
    }
    let (array, picture) = decode(path, &bytes)?;
    Ok((array, Some(picture)))
}

impl Picture {
    /// How to write a picture of so many channels that was made of this one: with its depth and its profile, where the format
    /// and the channels allow.
    pub fn encoding(&self, format: ImageFormat, normalize: bool, channels: usize) -> Encoding {
        let bits = if format == ImageFormat::Png { self.bits } else { 8 };
        let same_colours = (channels == 1) == self.grey;
        Encoding { format, normalize, bits, profile: self.profile.clone().filter(|_| same_colours) }
    }

    /// What the file says that is not in the result, in words: in an array, or in a picture of some encoding.
    pub fn left_out(&self, encoding: Option<&Encoding>) -> Vec<String> {
        let mut words = self.found.meaning.clone();
        if self.profile.is_some() && encoding.is_none_or(|encoding| encoding.profile.is_none()) {
            words.push("its colour profile".into());
        }
        if let Some(encoding) = encoding {
            if encoding.bits < self.bits {
                words.push(format!("{} of its {} bits a sample", self.bits - encoding.bits, self.bits));
            }
            words.extend(self.found.remarks.iter().map(|remark| (*remark).to_string()));
        }
        words
    }
}

/// Whether the bytes begin as a PNG or JPEG file does.
fn is_picture(bytes: &[u8]) -> bool {
    is_png(bytes) || bytes.starts_with(b"\xff\xd8\xff")
}

fn is_png(bytes: &[u8]) -> bool {
    bytes.starts_with(b"\x89PNG")
}

/// Decodes grey, RGB or RGBA with 8 or 16 bits, and turns it the way up that its Exif data say. Grey with alpha becomes RGBA.
fn decode(path: &Path, bytes: &[u8]) -> Result<(Array, Picture)> {
    let fail = |reason: &dyn std::fmt::Display| Failure::invalid(format!("{}: {reason}", path.display()));
    // Decoders may panic on files that are made to be broken. The hook would print the panic.
    let hook = panic::take_hook();
    panic::set_hook(Box::new(|_| {}));
    let decoded = panic::catch_unwind(AssertUnwindSafe(|| if is_png(bytes) { png(bytes) } else { jpeg(bytes) }));
    panic::set_hook(hook);
    let (picture, profile) = match decoded {
        Ok(decoded) => decoded.map_err(|error| fail(&error))?.map_err(|rule| fail(&rule))?,
        Err(_) => return Err(fail(&"it is damaged")),
    };
    let (width, height) = (picture.width() as usize, picture.height() as usize);
    let (channels, bits, data) = match picture {
        DynamicImage::ImageLuma8(pixels) => (1, 8, planes(1, pixels.as_raw(), u8::MAX)?),
        DynamicImage::ImageLuma16(pixels) => (1, 16, planes(1, pixels.as_raw(), u16::MAX)?),
        DynamicImage::ImageRgb8(pixels) => (3, 8, planes(3, pixels.as_raw(), u8::MAX)?),
        DynamicImage::ImageRgb16(pixels) => (3, 16, planes(3, pixels.as_raw(), u16::MAX)?),
        DynamicImage::ImageRgba16(_) | DynamicImage::ImageLumaA16(_) => {
            (4, 16, planes(4, picture.into_rgba16().as_raw(), u16::MAX)?)
        }
        _ => (4, 8, planes(4, picture.into_rgba8().as_raw(), u8::MAX)?),
    };
    let found = if is_png(bytes) { metadata::of_png(bytes) } else { metadata::of_jpeg(bytes) };
    // A profile of inks says nothing about red, green and blue.
    let profile = profile.filter(|_| !found.converted);
    Ok((Array { shape: vec![1, channels, height, width], data }, Picture { bits, grey: channels == 1, profile, found }))
}

/// A decoded picture with its colour profile, or a rule that it breaks.
type Decoded = std::result::Result<(DynamicImage, Option<Vec<u8>>), String>;

fn png(bytes: &[u8]) -> ImageResult<Decoded> {
    let mut limits = Limits::no_limits();
    limits.max_alloc = Some(MOST_BYTES);
    swap_hw(PngDecoder::with_limits(Cursor::new(bytes), limits)?)
}

fn jpeg(bytes: &[u8]) -> ImageResult<Decoded> {
    swap_hw(JpegDecoder::new(Cursor::new(bytes))?)
}

fn swap_hw(mut decoder: impl ImageDecoder) -> ImageResult<Decoded> {
    let (width, height) = decoder.dimensions();
    if decoder.total_bytes() > MOST_BYTES {
        let bytes = decoder.total_bytes();
        return Ok(Err(format!("{width} x {height} pixels take {bytes} bytes: at most {MOST_BYTES} are decoded")));
    }
    // Data about a picture that cannot be read are as good as none.
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let profile = decoder.icc_profile().unwrap_or_default();
    let mut picture = DynamicImage::from_decoder(decoder)?;
    picture.apply_orientation(orientation);
    Ok(Ok((picture, profile)))
}

/// Interleaved samples as one plane after the other, from 0 to 1.
fn planes<T: Copy + Into<f64>>(channels: usize, samples: &[T], most: T) -> Result<Vec<f64>> {
    let plane = samples.len() / channels;
    let sample = |i: usize| samples[i % plane * channels + i / plane].into() / most.into();
    Ok(memory::collect(WHAT, (0..samples.len()).map(sample))?)
}

/// The kind of output that a file name asks for; `None` for a .npy file, which is what stdout gets.
pub fn format_of(path: &Path) -> Result<Option<ImageFormat>> {
    if files::is_dash(path) {
        return Ok(None);
    }
    let rule = || {
        let rule = "it must end in .npy, .png, .jpg or .jpeg, or --format must say what it is";
        Failure::invalid(format!("output = {}: {rule}", path.display()))
    };
    let extension = path.extension().map(|extension| extension.to_string_lossy().to_lowercase());
    extension.and_then(|extension| format_named(&extension)).ok_or_else(rule)
}

/// What such a file is: `None` inside for a .npy file.
pub fn format_named(extension: &str) -> Option<Option<ImageFormat>> {
    match extension {
        "npy" => Some(None),
        "png" => Some(Some(ImageFormat::Png)),
        "jpg" | "jpeg" => Some(Some(ImageFormat::Jpeg)),
        _ => None,
    }
}

/// Channels, height and width, where a picture can have them.
pub fn expect_extents(shape: &[usize], format: ImageFormat) -> Result<(usize, u32, u32)> {
    let refuse = |rule: &str| Failure::invalid(format!("output shape = {shape:?}: {rule}"));
    let (channels, height, width) = match *shape {
        [1, channels, height, width] | [channels, height, width] => (channels, height, width),
        _ => return Err(refuse("a picture is one image with channels, height and width")),
    };
    match (channels, format) {
        (4, ImageFormat::Jpeg) => return Err(refuse("JPEG has no fourth channel; write a .png")),
        (1 | 3 | 4, _) => {}
        _ => return Err(refuse("a picture has 1, 3 or 4 channels; write a .npy")),
    }
    match (u32::try_from(height), u32::try_from(width)) {
        (Ok(height), Ok(width)) => Ok((channels, height, width)),
        _ => Err(refuse("it is too large for a picture")),
    }
}

/// Encodes one image. Values are clamped to 0..1, or their range is stretched to it.
pub fn encode(shape: &[usize], data: &[f32], encoding: &Encoding) -> Result<Vec<u8>> {
    let &Encoding { format, normalize, bits, .. } = encoding;
    let (channels, height, width) = expect_extents(shape, format)?;
    let refuse = |error: &dyn std::fmt::Display| Failure::invalid(format!("output shape = {shape:?}: {error}"));
    let plane = height as usize * width as usize;
    // The fourth channel is transparency, which has a scale of its own.
    let colours = &data[..data.len().min(3 * plane)];
    let finite = colours.iter().map(|&value| f64::from(value)).filter(|value| value.is_finite());
    let (low, high) = if normalize {
        finite.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)))
    } else {
        (0.0, 1.0)
    };
    let most = if bits == 16 { f64::from(u16::MAX) } else { f64::from(u8::MAX) };
    let scale = if high > low { most / (high - low) } else { 0.0 };
    let sample = |i: usize| {
        let (channel, pixel) = (i % channels, i / channels);
        let (low, scale) = if channel == 3 { (0.0, most) } else { (low, scale) };
        // NaN becomes 0.
        ((f64::from(data[channel * plane + pixel]) - low) * scale).round().clamp(0.0, most) as u16
    };
    let mut samples = memory::with_room(WHAT, data.len() * usize::from(bits / 8))?;
    match bits {
        16 => (0..data.len()).for_each(|i| samples.extend(sample(i).to_ne_bytes())),
        _ => samples.extend((0..data.len()).map(|i| sample(i) as u8)),
    }
    let colours = match (channels, bits) {
        (1, 16) => ExtendedColorType::L16,
        (3, 16) => ExtendedColorType::Rgb16,
        (_, 16) => ExtendedColorType::Rgba16,
        (1, _) => ExtendedColorType::L8,
        (3, _) => ExtendedColorType::Rgb8,
        (_, _) => ExtendedColorType::Rgba8,
    };
    let mut bytes = Cursor::new(Vec::new());
    let written = match format {
        ImageFormat::Jpeg => write(JpegEncoder::new(&mut bytes), &samples, [width, height], colours, encoding),
        _ => write(PngEncoder::new(&mut bytes), &samples, [width, height], colours, encoding),
    };
    written.map_err(|error| refuse(&error))?;
    Ok(bytes.into_inner())
}

fn write(
    mut encoder: impl ImageEncoder,
    samples: &[u8],
    [width, height]: [u32; 2],
    colours: ExtendedColorType,
    encoding: &Encoding,
) -> ImageResult<()> {
    if let Some(profile) = &encoding.profile {
        // Cannot fail: both formats have a place for it.
        let _ = encoder.set_icc_profile(profile.clone());
    }
    encoder.write_image(samples, width, height, colours)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn png(normalize: bool) -> Encoding {
        Encoding { format: ImageFormat::Png, normalize, bits: 8, profile: None }
    }

    #[test]
    fn pixels_survive_a_png() {
        let data: Vec<f32> = (0..2 * 3 * 4).map(|i| i as f32 * 10.0 / 255.0).collect();
        let bytes = encode(&[1, 4, 2, 3], &data, &png(false)).unwrap();
        let (array, picture) = decode(Path::new("x.png"), &bytes).unwrap();
        assert_eq!((&array.shape[..], picture.bits), (&[1, 4, 2, 3][..], 8));
        assert_eq!(array.to_f32().unwrap(), data);
        assert!(picture.left_out(Some(&png(false))).is_empty());
    }

    #[test]
    fn sixteen_bits_survive_a_png_with_their_profile() {
        for channels in [1, 3, 4] {
            let data: Vec<f32> = (0..channels * 6).map(|i| (i * 2001 + 1) as f32 / 65535.0).collect();
            let encoding = Encoding { bits: 16, profile: Some(b"a profile".to_vec()), ..png(false) };
            let bytes = encode(&[1, channels, 2, 3], &data, &encoding).unwrap();
            let (array, picture) = decode(Path::new("x.png"), &bytes).unwrap();
            assert_eq!(picture.bits, 16);
            assert_eq!(array.to_f32().unwrap(), data);
            let again = picture.encoding(ImageFormat::Png, false, channels);
            assert_eq!((again.bits, again.profile.as_deref()), (16, Some(&b"a profile"[..])));
            assert!(picture.left_out(Some(&again)).is_empty());
            let narrow = picture.encoding(ImageFormat::Jpeg, false, channels);
            assert_eq!(picture.left_out(Some(&narrow)), ["8 of its 16 bits a sample"]);
            let grey = picture.encoding(ImageFormat::Png, false, if channels == 1 { 3 } else { 1 });
            assert_eq!(picture.left_out(Some(&grey)), ["its colour profile"]);
        }
    }

    #[test]
    fn values_are_clamped_or_stretched() {
        let data = [-1.0, 0.5, 3.0, f32::NAN];
        let grey = |normalize| {
            let bytes = encode(&[1, 2, 2], &data, &png(normalize)).unwrap();
            let (array, _) = decode(Path::new("x.png"), &bytes).unwrap();
            array.data.iter().map(|value| (value * 255.0).round() as u8).collect::<Vec<_>>()
        };
        assert_eq!(grey(false), [0, 128, 255, 0]);
        assert_eq!(grey(true), [0, 96, 255, 0]);
        assert!(encode(&[1, 2, 2], &[f32::NAN; 4], &png(true)).is_ok());
    }

    #[test]
    fn what_is_no_picture_is_refused() {
        assert!(encode(&[2, 3, 1, 1], &[0.0; 6], &png(false)).is_err());
        assert!(encode(&[1, 2, 1, 1], &[0.0; 2], &png(false)).is_err());
        let jpeg = Encoding { format: ImageFormat::Jpeg, ..png(false) };
        assert!(encode(&[1, 4, 1, 1], &[0.0; 4], &jpeg).is_err());
        assert!(decode(Path::new("x.png"), b"\x89PNG\r\n\x1a\n garbage").is_err());
        assert!(format_of(Path::new("x.bmp")).is_err());
    }
}
