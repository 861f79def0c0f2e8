//! Pictures as PNG or SVG, on machines without a screen or fonts.

use std::sync::Once;

use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::register_font;

use crate::error::{Error, Result};

/// File format of a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Pixels.
    Png,
    /// Shapes and text.
    Svg,
}

impl Format {
    /// By the extension of a file name; `None` for any other.
    pub fn of(path: &std::path::Path) -> Option<Format> {
        match path.extension()?.to_string_lossy().to_lowercase().as_str() {
            "png" => Some(Format::Png),
            "svg" => Some(Format::Svg),
            _ => None,
        }
    }
}

/// What a drawing may fail with inside of plotters.
pub type Drawn = std::result::Result<(), Box<dyn std::error::Error>>;

/// Something that can be drawn on any backend.
pub trait Drawing {
    /// Width and height in pixels.
    fn size(&self) -> [u32; 2];

    /// Draws everything.
    fn draw<DB: DrawingBackend>(&self, root: &DrawingArea<DB, Shift>) -> Drawn
    where
        DB::ErrorType: 'static;
}

/// The family that every text is set in; it comes with the crate.
pub const FONT: &str = "DejaVu Sans";

/// Colours that are told apart by people with any colour vision (M. Okabe and K. Ito, 2008).
pub const BLUE: RGBColor = RGBColor(0, 114, 178);
/// The second.
pub const ORANGE: RGBColor = RGBColor(230, 159, 0);
/// The third.
pub const GREEN: RGBColor = RGBColor(0, 158, 115);
/// The fourth.
pub const VERMILION: RGBColor = RGBColor(213, 94, 0);
/// The fifth.
pub const PURPLE: RGBColor = RGBColor(204, 121, 167);
/// The sixth.
pub const SKY: RGBColor = RGBColor(86, 180, 233);

/// Draws into a file's bytes.
pub fn render(drawing: &impl Drawing, format: Format) -> Result<Vec<u8>> {
    static FONTS: Once = Once::new();
    FONTS.call_once(|| {
        for (style, bytes) in [(FontStyle::Normal, dejavu::sans::regular()), (FontStyle::Bold, dejavu::sans::bold())] {
            // Cannot fail: the fonts are part of the program.
            let _ = register_font(FONT, style, bytes);
        }
    });
    let failed =
        |error: &dyn std::fmt::Display| Error::Unsupported { what: "the picture".into(), reason: error.to_string() };
    let [width, height] = drawing.size();
    match format {
        Format::Svg => {
            let mut text = String::new();
            {
                let root = SVGBackend::with_string(&mut text, (width, height)).into_drawing_area();
                root.fill(&WHITE).map_err(|error| failed(&error))?;
                drawing.draw(&root).map_err(|error| failed(&error))?;
                root.present().map_err(|error| failed(&error))?;
            }
            Ok(text.into_bytes())
        }
        Format::Png => {
            let mut pixels = vec![0_u8; (width * height * 3) as usize];
            {
                let root = BitMapBackend::with_buffer(&mut pixels, (width, height)).into_drawing_area();
                root.fill(&WHITE).map_err(|error| failed(&error))?;
                drawing.draw(&root).map_err(|error| failed(&error))?;
                root.present().map_err(|error| failed(&error))?;
            }
            let mut bytes = Vec::new();
            let encoder = image::codecs::png::PngEncoder::new(&mut bytes);
            image::ImageEncoder::write_image(encoder, &pixels, width, height, image::ExtendedColorType::Rgb8)
                .map_err(|error| failed(&error))?;
            Ok(bytes)
        }
    }
}

/// A style of text.
pub fn text(size: u32) -> TextStyle<'static> {
    (FONT, size).into_font().color(&BLACK)
}

/// Likewise in bold.
pub fn bold(size: u32) -> TextStyle<'static> {
    (FONT, size).into_font().style(FontStyle::Bold).color(&BLACK)
}

/// Draws a plane of values as squares of `scale` pixels from `corner` on.
pub fn plane<DB: DrawingBackend>(
    root: &DrawingArea<DB, Shift>,
    corner: [i32; 2],
    scale: i32,
    width: usize,
    values: impl Iterator<Item = RGBColor>,
) -> Drawn
where
    DB::ErrorType: 'static,
{
    for (i, colour) in values.enumerate() {
        let (x, y) = (corner[0] + scale * (i % width) as i32, corner[1] + scale * (i / width) as i32);
        root.draw(&Rectangle::new([(x, y), (x + scale, y + scale)], colour.filled()))?;
    }
    Ok(())
}
