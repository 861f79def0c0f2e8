//! PNG and JPEG files as tensors (1, channels, h, w) with values from 0 to 1.

use std::io::Cursor;
use std::path::Path;

use image::{DynamicImage, ImageFormat, ImageReader};

use crate::failure::{Failure, Result};
use crate::npy::Array;

/// Whether the bytes begin as a PNG or JPEG file does.
pub fn is_picture(bytes: &[u8]) -> bool {
    bytes.starts_with(b"\x89PNG") || bytes.starts_with(b"\xff\xd8\xff")
}

/// Decodes grey, RGB or RGBA with 8 or 16 bits; grey with alpha becomes RGBA.
pub fn decode(path: &Path, bytes: &[u8]) -> Result<Array> {
    let fail = |error: &dyn std::fmt::Display| Failure::invalid(format!("{}: {error}", path.display()));
    let reader = ImageReader::new(Cursor::new(bytes)).with_guessed_format().map_err(|error| fail(&error))?;
    let picture = reader.decode().map_err(|error| fail(&error))?;
    let (width, height) = (picture.width() as usize, picture.height() as usize);
    let (channels, interleaved): (usize, Vec<f64>) = match picture {
        DynamicImage::ImageLuma8(pixels) => (1, unit(pixels.as_raw(), u8::MAX)),
        DynamicImage::ImageLuma16(pixels) => (1, unit(pixels.as_raw(), u16::MAX)),
        DynamicImage::ImageRgb8(pixels) => (3, unit(pixels.as_raw(), u8::MAX)),
        DynamicImage::ImageRgb16(pixels) => (3, unit(pixels.as_raw(), u16::MAX)),
        DynamicImage::ImageRgba16(_) | DynamicImage::ImageLumaA16(_) => {
            (4, unit(picture.into_rgba16().as_raw(), u16::MAX))
        }
        _ => (4, unit(picture.into_rgba8().as_raw(), u8::MAX)),
    };
    let plane = width * height;
    let data = (0..channels * plane).map(|i| interleaved[i % plane * channels + i / plane]).collect();
    Ok(Array { shape: vec![1, channels, height, width], data })
}

fn unit<T: Copy + Into<f64>>(samples: &[T], most: T) -> Vec<f64> {
    samples.iter().map(|&sample| sample.into() / most.into()).collect()
}

/// The kind of picture that a file name asks for; `None` for a .npy file.
pub fn format_of(path: &Path) -> Result<Option<ImageFormat>> {
    let extension = path.extension().map(|extension| extension.to_string_lossy().to_lowercase());
    match extension.as_deref() {
        Some("npy") => Ok(None),
        Some("png") => Ok(Some(ImageFormat::Png)),
        Some("jpg" | "jpeg") => Ok(Some(ImageFormat::Jpeg)),
        _ => Err(Failure::invalid(format!("output = {}: it must end in .npy, .png, .jpg or .jpeg", path.display()))),
    }
}

/// Encodes one image with 8 bits per sample. Values are clamped to 0..1, or their range is stretched to it.
pub fn encode(shape: &[usize], data: &[f32], format: ImageFormat, normalize: bool) -> Result<Vec<u8>> {
    let refuse = |rule: &str| Failure::invalid(format!("output shape = {shape:?}: {rule}"));
    let (channels, height, width) = match *shape {
        [1, channels, height, width] | [channels, height, width] => (channels, height, width),
        _ => return Err(refuse("a picture is one image with channels, height and width")),
    };
    let (Ok(columns), Ok(rows)) = (u32::try_from(width), u32::try_from(height)) else {
        return Err(refuse("it is too large for a picture"));
    };
    let plane = width * height;
    // The fourth channel is transparency, which has a scale of its own.
    let colours = &data[..data.len().min(3 * plane)];
    let finite = colours.iter().map(|&value| f64::from(value)).filter(|value| value.is_finite());
    let (low, high) = if normalize {
        finite.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)))
    } else {
        (0.0, 1.0)
    };
    let scale = if high > low { 255.0 / (high - low) } else { 0.0 };
    let sample = |channel: usize, value: f32| {
        let (low, scale) = if channel == 3 { (0.0, 255.0) } else { (low, scale) };
        // NaN becomes 0.
        ((f64::from(value) - low) * scale).round().clamp(0.0, 255.0) as u8
    };
    let interleaved: Vec<u8> = (0..data.len())
        .map(|i| (i % channels, i / channels))
        .map(|(channel, pixel)| sample(channel, data[channel * plane + pixel]))
        .collect();
    let picture = match (channels, format) {
        (1, _) => image::GrayImage::from_raw(columns, rows, interleaved).map(DynamicImage::ImageLuma8),
        (3, _) => image::RgbImage::from_raw(columns, rows, interleaved).map(DynamicImage::ImageRgb8),
        (4, ImageFormat::Jpeg) => return Err(refuse("JPEG has no fourth channel; write a .png")),
        (4, _) => image::RgbaImage::from_raw(columns, rows, interleaved).map(DynamicImage::ImageRgba8),
        _ => return Err(refuse("a picture has 1, 3 or 4 channels; write a .npy")),
    };
    let picture = picture.ok_or_else(|| refuse("it does not fit its data"))?;
    let mut bytes = Cursor::new(Vec::new());
    picture.write_to(&mut bytes, format).map_err(|error| refuse(&error.to_string()))?;
    Ok(bytes.into_inner())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pixels_survive_a_png() {
        let data: Vec<f32> = (0..2 * 3 * 4).map(|i| i as f32 * 10.0 / 255.0).collect();
        let bytes = encode(&[1, 4, 2, 3], &data, ImageFormat::Png, false).unwrap();
        let array = decode(Path::new("x.png"), &bytes).unwrap();
        assert_eq!(array.shape, [1, 4, 2, 3]);
        assert_eq!(array.to_f32().unwrap(), data);
    }

    #[test]
    fn values_are_clamped_or_stretched() {
        let data = [-1.0, 0.5, 3.0, f32::NAN];
        let grey = |normalize| {
            let bytes = encode(&[1, 2, 2], &data, ImageFormat::Png, normalize).unwrap();
            let array = decode(Path::new("x.png"), &bytes).unwrap();
            array.data.iter().map(|value| (value * 255.0).round() as u8).collect::<Vec<_>>()
        };
        assert_eq!(grey(false), [0, 128, 255, 0]);
        assert_eq!(grey(true), [0, 96, 255, 0]);
        assert!(encode(&[1, 2, 2], &[f32::NAN; 4], ImageFormat::Png, true).is_ok());
    }

    #[test]
    fn what_is_no_picture_is_refused() {
        assert!(encode(&[2, 3, 1, 1], &[0.0; 6], ImageFormat::Png, false).is_err());
        assert!(encode(&[1, 2, 1, 1], &[0.0; 2], ImageFormat::Png, false).is_err());
        assert!(encode(&[1, 4, 1, 1], &[0.0; 4], ImageFormat::Jpeg, false).is_err());
        assert!(decode(Path::new("x.png"), b"\x89PNG\r\n\x1a\n garbage").is_err());
        assert!(format_of(Path::new("x.bmp")).is_err());
    }
}
