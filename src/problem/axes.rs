//! Per-axis values of an operation in one, two or three spatial dimensions.

use std::fmt;
use std::ops::Deref;

use crate::error::{Error, Result};

/// One value for each spatial axis, outermost first: `[w]`, `[h, w]` or `[d, h, w]`. Dereferences to a slice.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Axes<T> {
    rank: u8,
    values: [T; 3],
}

impl<T: Copy> Axes<T> {
    /// The same value on each of `rank` axes. Panics unless `rank` is 1, 2 or 3.
    pub fn splat(value: T, rank: usize) -> Self {
        assert!((1..=3).contains(&rank), "an operation has one to three spatial axes, not {rank}");
        Axes { rank: rank as u8, values: [value; 3] }
    }

    /// From a slice of one to three values; `field` names the offender in the error.
    pub fn from_slice(field: &str, values: &[T]) -> Result<Self> {
        match *values {
            [a] => Ok([a].into()),
            [a, b] => Ok([a, b].into()),
            [a, b, c] => Ok([a, b, c].into()),
            _ => Err(Error::invalid(field, format!("{} entries", values.len()), "one to three spatial axes")),
        }
    }

    /// Number of spatial axes.
    pub fn rank(&self) -> usize {
        self.rank as usize
    }

    /// Applies a function to every value.
    pub fn map<U: Copy>(&self, f: impl FnMut(T) -> U) -> Axes<U> {
        // Entries beyond the rank are copies of a real one or computed from one, so mapping them is harmless.
        Axes { rank: self.rank, values: self.values.map(f) }
    }

    /// As three axes, missing outer axes filled with `fill`: `[h, w]` becomes `[fill, h, w]`.
    pub fn to_3d(&self, fill: T) -> [T; 3] {
        let mut out = [fill; 3];
        out[3 - self.rank()..].copy_from_slice(self);
        out
    }
}

impl<T> Deref for Axes<T> {
    type Target = [T];
    fn deref(&self) -> &[T] {
        &self.values[..self.rank as usize]
    }
}

impl<T: fmt::Debug> fmt::Debug for Axes<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<T: Copy> From<[T; 1]> for Axes<T> {
    fn from([a]: [T; 1]) -> Self {
        Axes { rank: 1, values: [a; 3] }
    }
}

impl<T: Copy> From<[T; 2]> for Axes<T> {
    fn from([a, b]: [T; 2]) -> Self {
        Axes { rank: 2, values: [a, b, b] }
    }
}

impl<T: Copy> From<[T; 3]> for Axes<T> {
    fn from(values: [T; 3]) -> Self {
        Axes { rank: 3, values }
    }
}

/// A builder argument that is one value for all axes or a value for each.
pub trait PerAxis<T> {
    /// The value of each of `rank` axes. A list of another length passes through and geometry refuses it.
    fn per_axis(self, rank: usize) -> Axes<T>;
}

impl PerAxis<usize> for usize {
    fn per_axis(self, rank: usize) -> Axes<usize> {
        Axes::splat(self, rank)
    }
}

impl<const R: usize> PerAxis<usize> for [usize; R]
where
    [usize; R]: Into<Axes<usize>>,
{
    fn per_axis(self, _rank: usize) -> Axes<usize> {
        self.into()
    }
}

impl PerAxis<usize> for Axes<usize> {
    fn per_axis(self, _rank: usize) -> Axes<usize> {
        self
    }
}

impl PerAxis<[usize; 2]> for usize {
    fn per_axis(self, rank: usize) -> Axes<[usize; 2]> {
        Axes::splat([self; 2], rank)
    }
}

impl<const R: usize> PerAxis<[usize; 2]> for [usize; R]
where
    [usize; R]: Into<Axes<usize>>,
{
    fn per_axis(self, _rank: usize) -> Axes<[usize; 2]> {
        self.into().map(|pad| [pad; 2])
    }
}

impl<const R: usize> PerAxis<[usize; 2]> for [[usize; 2]; R]
where
    [[usize; 2]; R]: Into<Axes<[usize; 2]>>,
{
    fn per_axis(self, _rank: usize) -> Axes<[usize; 2]> {
        self.into()
    }
}

impl PerAxis<[usize; 2]> for Axes<[usize; 2]> {
    fn per_axis(self, _rank: usize) -> Axes<[usize; 2]> {
        self
    }
}

#[cfg(feature = "serde")]
impl<T: Copy + serde::Serialize> serde::Serialize for Axes<T> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        (**self).serialize(serializer)
    }
}

#[cfg(feature = "serde")]
impl<'de, T: Copy + serde::Deserialize<'de>> serde::Deserialize<'de> for Axes<T> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        let values = Vec::<T>::deserialize(deserializer)?;
        Axes::from_slice("axes", &values).map_err(serde::de::Error::custom)
    }
}
