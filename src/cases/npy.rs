//! NumPy's .npy files. Reads every real number type, either byte order and either memory order; writes little-endian
//! row-major.

use std::path::Path;

use super::files;
use crate::error::{Error, Result};
use crate::memory;

/// An array as its file holds it. Integers beyond 2^53 round.
#[derive(Debug, Clone, PartialEq)]
pub struct Array {
    /// Extents, outermost first.
    pub shape: Vec<usize>,
    /// Row-major.
    pub data: Vec<f64>,
}

impl Array {
    /// Reads a file.
    pub fn load(path: &Path) -> Result<Array> {
        Array::parse(path, &files::read(path)?)
    }

    /// From the bytes of a file.
    pub fn parse(path: &Path, bytes: &[u8]) -> Result<Array> {
        let (header, number, data) =
            split(bytes).map_err(|reason| Error::File { path: path.display().to_string(), reason })?;
        let data = memory::collect(WHAT, data.chunks_exact(number.size).map(|item| number.decode(item)))?;
        let data = if header.fortran_order { from_column_major(&header.shape, &data)? } else { data };
        Ok(Array { shape: header.shape, data })
    }

    /// Rounded to f32; a finite value beyond its range is an error.
    pub fn to_f32(&self) -> Result<Vec<f32>> {
        let mut narrow = memory::with_room(WHAT, self.data.len())?;
        for (i, &value) in self.data.iter().enumerate() {
            let single = value as f32;
            if single.is_infinite() && value.is_finite() {
                return Err(Error::invalid(format!("element {i}"), format!("{value:e}"), "it must fit float32"));
            }
            narrow.push(single);
        }
        Ok(narrow)
    }
}

/// What memory is asked for.
const WHAT: &str = "an array";

/// Bytes of a float32 file.
pub fn encode_f32(shape: &[usize], data: &[f32]) -> Result<Vec<u8>> {
    encode("<f4", shape, data.iter().map(|value| value.to_le_bytes()))
}

/// Bytes of an int64 file.
pub fn encode_i64(shape: &[usize], data: &[i64]) -> Result<Vec<u8>> {
    encode("<i8", shape, data.iter().map(|value| value.to_le_bytes()))
}

const MAGIC: &[u8] = b"\x93NUMPY";
/// The data starts at a multiple of this.
const ALIGNMENT: usize = 64;
/// Version 1.0 with its two-byte header length.
const PREFIX: usize = 10;

fn encode<const SIZE: usize>(
    descr: &str,
    shape: &[usize],
    data: impl ExactSizeIterator<Item = [u8; SIZE]>,
) -> Result<Vec<u8>> {
    let extents: String = shape.iter().map(|extent| format!("{extent}, ")).collect();
    let mut header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': ({}), }}", extents.trim_end());
    // A newline ends the header.
    let padded = (PREFIX + header.len() + 1).next_multiple_of(ALIGNMENT) - PREFIX;
    header.push_str(&" ".repeat(padded - 1 - header.len()));
    header.push('\n');
    let mut bytes = memory::with_room(WHAT, PREFIX + header.len() + SIZE * data.len())?;
    bytes.extend(MAGIC);
    bytes.extend([1, 0]);
    // At most a few hundred bytes: a tensor has six axes at most.
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.into_bytes());
    data.for_each(|item| bytes.extend(item));
    Ok(bytes)
}

type Parsed<T> = std::result::Result<T, String>;

/// The header, what the elements are, and their bytes, as many as the header says.
fn split(bytes: &[u8]) -> Parsed<(Header, Number, &[u8])> {
    if bytes.starts_with(b"PK\x03\x04") {
        return Err("it is a .npz archive: unpack it and give one of its .npy files".into());
    }
    if !bytes.starts_with(MAGIC) {
        return Err("it is not a .npy file".into());
    }
    let truncated = || "it ends within the header".to_string();
    let at = |i: usize| bytes.get(i).copied().map(usize::from).ok_or_else(truncated);
    let (start, length) = match at(6)? {
        1 => (PREFIX, at(8)? | at(9)? << 8),
        2 | 3 => (PREFIX + 2, at(8)? | at(9)? << 8 | at(10)? << 16 | at(11)? << 24),
        version => return Err(format!("version = {version}: .npy files have version 1, 2 or 3")),
    };
    let end = start.checked_add(length).ok_or_else(truncated)?;
    let header = bytes.get(start..end).ok_or_else(truncated)?;
    let header = std::str::from_utf8(header).map_err(|_| "its header is not text".to_string())?;
    let header = Header::parse(header)?;
    let number = Number::parse(&header.descr)?;
    let data = &bytes[end..];
    let count = header.shape.iter().try_fold(1_usize, |n, &extent| n.checked_mul(extent));
    let wanted = count.and_then(|n| n.checked_mul(number.size)).filter(|&wanted| wanted == data.len());
    if wanted.is_none() {
        let (shape, descr) = (&header.shape, &header.descr);
        return Err(format!("its header says {shape:?} of {descr}, which does not fit its {} data bytes", data.len()));
    }
    Ok((header, number, data))
}

/// Element (i, j, k) lies at `i + n_i·(j + n_j·k)`.
fn from_column_major(shape: &[usize], data: &[f64]) -> Result<Vec<f64>> {
    let source = |row_major: usize| {
        let (mut rest, mut weight, mut at) = (row_major, data.len(), 0);
        for &extent in shape.iter().rev() {
            weight /= extent;
            at += rest % extent * weight;
            rest /= extent;
        }
        at
    };
    memory::collect(WHAT, (0..data.len()).map(|i| data[source(i)]))
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Number {
    kind: u8,
    size: usize,
    big_endian: bool,
}

impl Number {
    fn parse(descr: &str) -> Parsed<Number> {
        let unknown = || format!("dtype = {descr:?}: it must be a real number type of at most 64 bits");
        let (order, rest) = match descr.as_bytes() {
            [order @ (b'<' | b'>' | b'|' | b'='), rest @ ..] => (*order, rest),
            rest => (b'=', rest),
        };
        let (kind, size) = match rest {
            [kind, size @ b'1'..=b'8'] => (*kind, usize::from(size - b'0')),
            b"?" => (b'b', 1),
            _ => return Err(unknown()),
        };
        match (kind, size) {
            (b'f', 2 | 4 | 8) | (b'i' | b'u', 1 | 2 | 4 | 8) | (b'b', 1) => {}
            _ => return Err(unknown()),
        }
        let big_endian = order == b'>' || (order == b'=' && cfg!(target_endian = "big"));
        Ok(Number { kind, size, big_endian })
    }

    fn decode(self, item: &[u8]) -> f64 {
        let mut word = [0; 8];
        word[..self.size].copy_from_slice(item);
        if self.big_endian {
            word[..self.size].reverse();
        }
        let bits = u64::from_le_bytes(word);
        let unused_bits = 64 - 8 * self.size as u32;
        match (self.kind, self.size) {
            (b'f', 2) => half(bits as u16),
            (b'f', 4) => f32::from_bits(bits as u32).into(),
            (b'f', _) => f64::from_bits(bits),
            // Shifted up and back down, the sign spreads.
            (b'i', _) => ((bits << unused_bits) as i64 >> unused_bits) as f64,
            (b'b', _) => f64::from(bits != 0),
            _ => bits as f64,
        }
    }
}

/// IEEE binary16.
fn half(bits: u16) -> f64 {
    let (exponent, fraction) = (i32::from(bits >> 10 & 0x1f), f64::from(bits & 0x3ff));
    let size = match exponent {
        0 => fraction * 2_f64.powi(-24),
        0x1f if fraction == 0.0 => f64::INFINITY,
        0x1f => f64::NAN,
        _ => (1024.0 + fraction) * 2_f64.powi(exponent - 25),
    };
    if bits >> 15 == 1 { -size } else { size }
}

/// The Python dictionary at the start of the file.
#[derive(Debug, PartialEq)]
struct Header {
    descr: String,
    fortran_order: bool,
    shape: Vec<usize>,
}

impl Header {
    fn parse(text: &str) -> Parsed<Header> {
        let mut cursor = Cursor { rest: text };
        let (mut descr, mut fortran_order, mut shape) = (None, None, None);
        cursor.expect('{')?;
        while !cursor.take('}') {
            let key = cursor.string()?;
            cursor.expect(':')?;
            match key.as_str() {
                "descr" => descr = Some(cursor.string()?),
                "fortran_order" => fortran_order = Some(cursor.boolean()?),
                "shape" => shape = Some(cursor.shape()?),
                _ => return Err(format!("its header has an unknown field {key:?}")),
            }
            if !cursor.take(',') {
                cursor.expect('}')?;
                break;
            }
        }
        if !cursor.rest.trim().is_empty() {
            return Err("its header goes on after the closing brace".into());
        }
        match (descr, fortran_order, shape) {
            (Some(descr), Some(fortran_order), Some(shape)) => Ok(Header { descr, fortran_order, shape }),
            _ => Err("its header lacks descr, fortran_order or shape".into()),
        }
    }
}

struct Cursor<'a> {
    rest: &'a str,
}

impl Cursor<'_> {
    fn take(&mut self, wanted: char) -> bool {
        match self.rest.trim_start().strip_prefix(wanted) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn expect(&mut self, wanted: char) -> Parsed<()> {
        if self.take(wanted) {
            return Ok(());
        }
        let found: String = self.rest.trim_start().chars().take(20).collect();
        Err(format!("its header has {found:?} where {wanted:?} must be"))
    }

    fn string(&mut self) -> Parsed<String> {
        let quote = if self.take('"') { '"' } else { '\'' };
        if quote == '\'' && !self.take('\'') {
            let found: String = self.rest.trim_start().chars().take(20).collect();
            return Err(format!("its header has {found:?} where a quoted name must be; structured types do not serve"));
        }
        let (text, rest) = self.rest.split_once(quote).ok_or("its header has an open quotation")?;
        self.rest = rest;
        Ok(text.into())
    }

    fn word(&mut self) -> &str {
        let rest = self.rest.trim_start();
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(rest.len());
        let (word, rest) = rest.split_at(end);
        self.rest = rest;
        word
    }

    fn boolean(&mut self) -> Parsed<bool> {
        match self.word() {
            "True" => Ok(true),
            "False" => Ok(false),
            word => Err(format!("fortran_order = {word:?}: it must be True or False")),
        }
    }

    fn shape(&mut self) -> Parsed<Vec<usize>> {
        let mut shape = Vec::new();
        self.expect('(')?;
        while !self.take(')') {
            if shape.len() == MOST_AXES {
                return Err(format!("its shape has more than {MOST_AXES} axes"));
            }
            // Python 2 wrote long integers with an L.
            let word = self.word().trim_end_matches('L');
            shape.push(word.parse().map_err(|_| format!("its shape has an axis {word:?}: it must be a whole number"))?);
            if !self.take(',') {
                self.expect(')')?;
                break;
            }
        }
        Ok(shape)
    }
}

/// NumPy's own limit.
const MOST_AXES: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(bytes: &[u8]) -> Result<Array> {
        Array::parse(Path::new("x.npy"), bytes)
    }

    fn file(header: &str, data: &[u8]) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend([1, 0]);
        bytes.extend((header.len() as u16).to_le_bytes());
        bytes.extend(header.bytes());
        bytes.extend(data);
        bytes
    }

    #[test]
    fn what_is_written_is_read_back() {
        let bytes = encode_f32(&[2, 3], &[1.0, -2.0, 0.5, f32::INFINITY, 1e-40, 7.0]).unwrap();
        assert_eq!((bytes.len() - 24) % ALIGNMENT, 0);
        let array = parse(&bytes).unwrap();
        assert_eq!(array.shape, [2, 3]);
        assert_eq!(array.to_f32().unwrap(), [1.0, -2.0, 0.5, f32::INFINITY, 1e-40, 7.0]);
        let array = parse(&encode_i64(&[2], &[-1, 1 << 40]).unwrap()).unwrap();
        assert_eq!(array.data, [-1.0, (1_i64 << 40) as f64]);
        assert_eq!(parse(&encode_f32(&[], &[4.0]).unwrap()).unwrap().shape, [0_usize; 0]);
    }

    #[test]
    fn every_number_type_is_decoded() {
        let cases: [(&str, &[u8], f64); 12] = [
            ("<f8", &(-1.25_f64).to_le_bytes(), -1.25),
            (">f8", &(-1.25_f64).to_be_bytes(), -1.25),
            (">f4", &3.5_f32.to_be_bytes(), 3.5),
            ("<f2", &[0x00, 0xc1], -2.5),
            ("<f2", &[0x01, 0x00], 5.960464477539063e-8),
            ("<f2", &[0x00, 0x7c], f64::INFINITY),
            ("|u1", &[255], 255.0),
            ("|i1", &[255], -1.0),
            ("<i2", &[0xfe, 0xff], -2.0),
            (">u4", &[1, 0, 0, 0], 16_777_216.0),
            ("<i8", &[0xff; 8], -1.0),
            ("|b1", &[1], 1.0),
        ];
        for (descr, data, value) in cases {
            let header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': (1,), }}");
            assert_eq!(parse(&file(&header, data)).unwrap().data, [value], "{descr}");
        }
    }

    #[test]
    fn column_major_files_are_transposed() {
        let data: Vec<u8> = [0_u8, 3, 1, 4, 2, 5].to_vec();
        let bytes = file("{'descr': '|u1', 'fortran_order': True, 'shape': (2, 3), }", &data);
        assert_eq!(parse(&bytes).unwrap().data, [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]);
        let bytes = file("{'descr': '|u1', 'fortran_order': True, 'shape': (2, 0), }", &[]);
        assert!(parse(&bytes).unwrap().data.is_empty());
    }

    #[test]
    fn damaged_files_are_refused() {
        let whole = encode_f32(&[2], &[1.0, 2.0]).unwrap();
        for length in 0..whole.len() {
            assert!(parse(&whole[..length]).is_err(), "{length} bytes");
        }
        for header in [
            "",
            "{",
            "{}",
            "{'descr': '<f4'}",
            "{'descr': '<f4', 'fortran_order': False, 'shape': (1,), } x",
            "{'descr': '<f4', 'fortran_order': False, 'shape': (-1,), }",
            "{'descr': '<f4', 'fortran_order': False, 'shape': (1.5,), }",
            "{'descr': '<f4', 'fortran_order': 1, 'shape': (1,), }",
            "{'descr': '<f4', 'fortran_order': False, 'shape': (18446744073709551615, 18446744073709551615), }",
            "{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999999,), }",
            "{'descr': '<f4', 'fortran_order': False, 'shape': ((((((((, }",
            "{'descr': [('x', '<f4')], 'fortran_order': False, 'shape': (1,), }",
            "{'descr': '<c8', 'fortran_order': False, 'shape': (1,), }",
            "{'descr': '<f9', 'fortran_order': False, 'shape': (1,), }",
            "{'descr': '|O', 'fortran_order': False, 'shape': (1,), }",
            "{'descr': '<U4', 'fortran_order': False, 'shape': (1,), }",
        ] {
            assert!(parse(&file(header, &[0; 4])).is_err(), "{header}");
        }
    }

    #[test]
    fn doubles_beyond_single_precision_are_refused() {
        let array = Array { shape: vec![2], data: vec![1.0, -1e300] };
        assert!(array.to_f32().unwrap_err().to_string().contains("element 1 = -1e300"));
        let array = Array { shape: vec![2], data: vec![f64::NAN, f64::NEG_INFINITY] };
        assert!(array.to_f32().unwrap()[0].is_nan());
    }
}
