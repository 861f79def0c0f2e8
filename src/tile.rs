//! Shapes of the tiles of matrix products on GPUs.

use std::fmt;
use std::str::FromStr;

use crate::error::{Error, Result};

/// How the invocations of a workgroup share a tile of a matrix product: for [`Options::tile`](crate::Options::tile). Its name, as in
/// `16x16-8x8-k8`, says rows and columns of invocations, rows and columns of sums of each, and the products that are staged
/// at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(into = "String", try_from = "String")
)]
pub struct Tile {
    threads: [u32; 2],
    sums: [u32; 2],
    panel: u32,
}

const fn tile(threads: [u32; 2], sums: [u32; 2], panel: u32) -> Tile {
    Tile { threads, sums, panel }
}

impl Tile {
    /// Those that the library chooses between, from the one that loads least for a multiply-add to the ones of which there are
    /// most.
    pub const ALL: [Tile; 8] = [
        tile([16, 16], [8, 8], 16),
        tile([16, 16], [8, 8], 8),
        tile([8, 16], [8, 8], 16),
        tile([8, 16], [8, 8], 8),
        tile([16, 8], [8, 8], 8),
        tile([8, 8], [8, 8], 8),
        tile([8, 8], [8, 4], 8),
        tile([8, 8], [4, 4], 8),
    ];

    /// Rows and columns of invocations.
    pub fn threads(self) -> [u32; 2] {
        self.threads
    }

    /// Rows and columns of sums in the registers of an invocation.
    pub fn sums(self) -> [u32; 2] {
        self.sums
    }

    /// Products that are staged at once.
    pub fn panel(self) -> u32 {
        self.panel
    }

    /// Invocations of a workgroup.
    pub fn invocations(self) -> u32 {
        self.threads[0] * self.threads[1]
    }

    /// Rows and columns of the tile.
    pub fn block(self) -> [u32; 2] {
        [self.threads[0] * self.sums[0], self.threads[1] * self.sums[1]]
    }

    /// Bytes of its panels in workgroup memory.
    pub fn panel_bytes(self) -> u32 {
        let [rows, columns] = self.block();
        4 * self.panel * (rows + columns)
    }

    /// The tile of that name.
    pub fn parse(name: &str) -> Option<Tile> {
        let pair = |text: &str| {
            let (rows, columns) = text.split_once('x')?;
            Some([rows.parse().ok()?, columns.parse().ok()?])
        };
        let mut parts = name.split('-');
        let (threads, sums) = (pair(parts.next()?)?, pair(parts.next()?)?);
        let panel = parts.next()?.strip_prefix('k')?.parse().ok()?;
        let parsed = Tile { threads, sums, panel };
        // One name for each: no leading zeros, nothing behind it.
        (parts.next().is_none() && parsed.is_valid() && parsed.to_string() == name).then_some(parsed)
    }

    /// Whether the shaders can be compiled for it.
    fn is_valid(self) -> bool {
        let shape = |threads: u32| matches!(threads, 8 | 16);
        let sums = |sums: u32| matches!(sums, 4 | 8);
        if !self.threads.into_iter().all(shape) || !self.sums.into_iter().all(sums) || !matches!(self.panel, 8 | 16) {
            return false;
        }
        // An invocation stages one, two or four vec4s of the rows, and as many of the columns.
        let staged = |block: u32| {
            let vec4s = self.panel * block / 4;
            vec4s.is_multiple_of(self.invocations()) && matches!(vec4s / self.invocations(), 1 | 2 | 4)
        };
        self.block().into_iter().all(staged)
    }
}

impl fmt::Display for Tile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Tile { threads: [r, c], sums: [rows, columns], panel } = self;
        f.pad(&format!("{r}x{c}-{rows}x{columns}-k{panel}"))
    }
}

impl FromStr for Tile {
    type Err = Error;

    fn from_str(name: &str) -> Result<Tile> {
        let rule = "it must be a tile as in 16x16-8x8-k8, 8x8-8x4-k8 or 8x16-8x8-k16";
        Tile::parse(name).ok_or_else(|| Error::invalid("tile", name, rule))
    }
}

impl From<Tile> for String {
    fn from(tile: Tile) -> String {
        tile.to_string()
    }
}

impl TryFrom<String> for Tile {
    type Error = Error;

    fn try_from(name: String) -> Result<Tile> {
        name.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_go_there_and_back() {
        for tile in Tile::ALL {
            assert_eq!(Tile::parse(&tile.to_string()), Some(tile));
        }
        let tile = Tile::parse("8x16-8x8-k16").expect("valid");
        assert_eq!((tile.threads(), tile.sums(), tile.panel()), ([8, 16], [8, 8], 16));
        assert_eq!((tile.block(), tile.invocations(), tile.panel_bytes()), ([64, 128], 128, 12 << 10));
    }

    #[test]
    fn what_cannot_be_compiled_has_no_name() {
        let wrong =
            ["", "16x16", "16x16-8x8", "16x16-8x8-8", "4x4-8x8-k8", "16x16-8x8-k7", "16x16-4x4-k8", "16x16-8x8-k8-"];
        for name in wrong.into_iter().chain(["016x16-8x8-k8", "16x16-8x8-k8-b2"]) {
            assert_eq!(Tile::parse(name), None, "{name}");
            assert!(name.parse::<Tile>().is_err());
        }
    }
}
