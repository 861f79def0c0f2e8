//! What picture files say beside their pixels, found without decoding anything.

/// What a file has that a decoder does not hand on.
#[derive(Debug, Default, PartialEq)]
pub struct Found {
    /// What the pixels mean or are only a part of: lost in an array, too.
    pub meaning: Vec<String>,
    /// What is said about the picture.
    pub remarks: Vec<&'static str>,
    /// Whether the pixels were other colours than grey, red, green and blue.
    pub converted: bool,
}

impl Found {
    fn remark(&mut self, what: &'static str) {
        if !self.remarks.contains(&what) {
            self.remarks.push(what);
        }
    }

    fn meaning(&mut self, what: impl Into<String>) {
        let what = what.into();
        if !self.meaning.contains(&what) {
            self.meaning.push(what);
        }
    }
}

/// In 1/100000, that of sRGB and of files that say nothing.
const USUAL_GAMMA: u32 = 45455;
/// White, red, green and blue of sRGB, x and y in 1/100000.
const USUAL_CHROMATICITIES: [u32; 8] = [31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000];

pub fn of_png(bytes: &[u8]) -> Found {
    let mut found = Found::default();
    let chunks: Vec<(&[u8], &[u8])> = Chunks { rest: bytes.get(8..).unwrap_or_default() }.collect();
    // Each of these says more than gamma and chromaticities do.
    let has = |wanted: &[u8]| chunks.iter().any(|(kind, _)| *kind == wanted);
    let overruled = has(b"sRGB") || has(b"iCCP") || has(b"cICP");
    for (kind, data) in &chunks {
        match &kind[..] {
            b"acTL" => found.meaning("every picture of its animation but the first"),
            b"gAMA" if !overruled => match word(data, 0) {
                Some(gamma) if gamma > 0 && gamma != USUAL_GAMMA => {
                    found.meaning(format!("its gamma of {}", f64::from(gamma) / 1e5));
                }
                _ => {}
            },
            b"cHRM" if !overruled => {
                let given: Vec<u32> = (0..8).filter_map(|i| word(data, 4 * i)).collect();
                if given != USUAL_CHROMATICITIES {
                    found.meaning("its chromaticities");
                }
            }
            b"cICP" => found.meaning("its colour space"),
            b"eXIf" => found.remark("its Exif data"),
            b"tEXt" | b"zTXt" | b"iTXt" => found.remark("its texts"),
            b"tIME" => found.remark("its time"),
            b"pHYs" => found.remark("its resolution"),
            b"bKGD" => found.remark("its background"),
            _ => {}
        }
    }
    found
}

/// Kinds and data.
struct Chunks<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Chunks<'a> {
    type Item = (&'a [u8], &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let end = 8_usize.checked_add(word(self.rest, 0)? as usize)?;
        let (kind, data) = self.rest.get(4..end)?.split_at(4);
        // Behind it there is a checksum.
        self.rest = self.rest.get(end + 4..).unwrap_or_default();
        Some((kind, data))
    }
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

pub fn of_jpeg(bytes: &[u8]) -> Found {
    let mut found = Found::default();
    for (marker, data) in (Segments { rest: bytes.get(2..).unwrap_or_default() }) {
        match (marker, data) {
            // A frame: bits, height, width, components.
            (0xc0..=0xc3 | 0xc5..=0xc7 | 0xc9..=0xcb | 0xcd..=0xcf, [_, _, _, _, _, 4, ..]) => {
                found.converted = true;
                found.meaning("its inks (CMYK, converted to RGB)");
            }
            (0xe1, _) if data.starts_with(b"Exif\0") => found.remark("its Exif data"),
            (0xe1, _) => found.remark("its XMP data"),
            (0xe2, _) if data.starts_with(b"MPF\0") => found.meaning("every picture in it but the first"),
            (0xed, _) => found.remark("its IPTC data"),
            (0xfe, _) => found.remark("its comments"),
            _ => {}
        }
    }
    found
}

/// Markers and data, up to the first scan.
struct Segments<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Segments<'a> {
    type Item = (u8, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        const SCAN: u8 = 0xda;
        loop {
            match self.rest {
                // Any number of these may stand before a marker.
                [0xff, 0xff, ..] => self.rest = &self.rest[1..],
                [0xff, marker, high, low, ..] if *marker != SCAN => {
                    // It counts itself.
                    let length = usize::from(*high) << 8 | usize::from(*low);
                    let data = self.rest.get(4..2 + length)?;
                    self.rest = &self.rest[2 + length..];
                    return Some((*marker, data));
                }
                _ => return None,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunk(kind: &[u8; 4], data: &[u8]) -> Vec<u8> {
        [&(data.len() as u32).to_be_bytes(), &kind[..], data, &[0; 4]].concat()
    }

    #[test]
    fn chunks_that_matter_are_named() {
        let start = b"\x89PNG\r\n\x1a\n".to_vec();
        let of = |chunks: &[Vec<u8>]| of_png(&[&start[..], &chunks.concat()].concat());
        assert_eq!(of(&[chunk(b"IHDR", &[0; 13]), chunk(b"IDAT", &[])]), Found::default());
        assert_eq!(of(&[chunk(b"gAMA", &45455_u32.to_be_bytes())]), Found::default());
        let gamma = chunk(b"gAMA", &100_000_u32.to_be_bytes());
        assert_eq!(of(std::slice::from_ref(&gamma)).meaning, ["its gamma of 1"]);
        assert_eq!(of(&[gamma, chunk(b"sRGB", &[0])]), Found::default());
        assert_eq!(of(&[chunk(b"acTL", &[0; 8])]).meaning.len(), 1);
        let texts = of(&[chunk(b"tEXt", b"a\0b"), chunk(b"zTXt", b"a\0b"), chunk(b"tIME", &[0; 7])]);
        assert_eq!(texts.remarks, ["its texts", "its time"]);
    }

    #[test]
    fn segments_that_matter_are_named() {
        let segment = |marker: u8, data: &[u8]| [&[0xff, marker, 0, data.len() as u8 + 2], data].concat();
        let of = |segments: &[Vec<u8>]| of_jpeg(&[&[0xff, 0xd8][..], &segments.concat()].concat());
        assert_eq!(of(&[segment(0xe0, b"JFIF\0"), segment(0xc0, &[8, 0, 1, 0, 1, 3])]), Found::default());
        assert!(of(&[segment(0xc2, &[8, 0, 1, 0, 1, 4])]).converted);
        assert_eq!(of(&[segment(0xe1, b"Exif\0\0"), segment(0xfe, b"hi")]).remarks, ["its Exif data", "its comments"]);
        assert_eq!(of(&[segment(0xda, &[]), segment(0xfe, b"hi")]), Found::default());
    }

    #[test]
    fn damaged_files_say_nothing() {
        for bytes in [
            &b""[..],
            b"\xff\xd8",
            b"\xff\xd8\xff\xe1\xff\xff",
            b"\xff\xd8\xff\xe1\0\0",
            b"\x89PNG\r\n\x1a\n\xff\xff\xff\xff",
        ] {
            assert_eq!((of_png(bytes), of_jpeg(bytes)), (Found::default(), Found::default()), "{bytes:?}");
        }
    }
}
