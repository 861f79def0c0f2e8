//! Memory whose size follows from a request. Where there is not enough of it, the request fails and the program goes on.

use std::cell::Cell;

use crate::error::{Error, Result};

thread_local! {
    static TRYING: Cell<bool> = const { Cell::new(false) };
}

/// Whether this thread asks for memory that it can do without. For an allocator that ends the program where there is no
/// memory: it must not do so here.
pub fn is_trying() -> bool {
    TRYING.try_with(Cell::get).unwrap_or(false)
}

/// Runs what turns missing memory into an error of its own.
pub fn trying<T>(ask: impl FnOnce() -> T) -> T {
    let before = TRYING.replace(true);
    let answer = ask();
    TRYING.set(before);
    answer
}

/// An empty vector with room for `len` elements; [`Error::Memory`] names what they are for.
pub fn with_room<T>(what: &str, len: usize) -> Result<Vec<T>> {
    let mut elements = Vec::new();
    trying(|| elements.try_reserve_exact(len))
        .map_err(|_| Error::Memory { what: what.into(), bytes: (len as u64).saturating_mul(size_of::<T>() as u64) })?;
    Ok(elements)
}

/// A vector of `len` equal elements.
pub fn filled<T: Clone>(what: &str, len: usize, value: T) -> Result<Vec<T>> {
    let mut elements = with_room(what, len)?;
    elements.resize(len, value);
    Ok(elements)
}

/// The elements that an iterator yields.
pub fn collect<T>(what: &str, elements: impl ExactSizeIterator<Item = T>) -> Result<Vec<T>> {
    let mut collected = with_room(what, elements.len())?;
    collected.extend(elements);
    Ok(collected)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_than_there_is_is_an_error() {
        for len in [usize::MAX, 1 << 60] {
            let error = with_room::<f64>("the test", len).unwrap_err();
            assert!(error.to_string().starts_with("out of memory: the test needs "), "{error}");
        }
        assert!(!is_trying());
        assert_eq!(filled("the test", 3, 7_u8).unwrap(), [7, 7, 7]);
        assert_eq!(collect("the test", (0..4).map(|i| 2 * i)).unwrap(), [0, 2, 4, 6]);
    }
}
