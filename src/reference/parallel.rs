//! Loops whose turns are independent, on as many threads as the machine runs at once, or as the system lets it start: a
//! limit on threads costs time and nothing else.

use std::sync::{Mutex, PoisonError};
#[cfg(not(target_arch = "wasm32"))]
use std::time::{Duration, Instant};

use crate::error::Result;
use crate::memory;

/// How long a loop runs on the caller's thread alone: most loops of tests end before a thread has started.
#[cfg(not(target_arch = "wasm32"))]
const ALONE: Duration = Duration::from_millis(2);

/// Most elements that a thread takes at once.
const MOST_AT_ONCE: usize = 1024;

/// What memory is asked for.
pub(super) const WHAT: &str = "the reference";

/// `one(0)`, `one(1)` and so on.
pub(super) fn map<T: Default + Send>(len: usize, one: impl Fn(usize) -> T + Sync) -> Result<Vec<T>> {
    let mut values: Vec<T> = memory::with_room(WHAT, len)?;
    values.resize_with(len, T::default);
    // Some 64 shares of a short loop: elements may take long.
    let at_once = (len / 64).clamp(1, MOST_AT_ONCE);
    chunks(&mut values, at_once, |share, values| {
        values.iter_mut().enumerate().for_each(|(i, value)| *value = one(share * at_once + i));
    });
    Ok(values)
}

/// Calls `fill` for every run of `len` values, with its number.
pub(super) fn chunks<T: Send>(values: &mut [T], len: usize, fill: impl Fn(usize, &mut [T]) + Sync) {
    let rest = Mutex::new(values.chunks_mut(len).enumerate());
    let next = || rest.lock().unwrap_or_else(PoisonError::into_inner).next();
    let work = || {
        while let Some((i, chunk)) = next() {
            fill(i, chunk);
        }
    };
    // A browser has no threads, and no such clock.
    #[cfg(target_arch = "wasm32")]
    work();
    #[cfg(not(target_arch = "wasm32"))]
    {
        let start = Instant::now();
        while start.elapsed() < ALONE {
            let Some((i, chunk)) = next() else { return };
            fill(i, chunk);
        }
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        std::thread::scope(|scope| {
            for _ in 1..threads {
                if std::thread::Builder::new().spawn_scoped(scope, work).is_err() {
                    break;
                }
            }
            work();
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_element_is_computed_once() {
        for len in [0, 1, 63, 64, 65, 1000, 200_000] {
            let squares = map(len, |i| i * i).unwrap();
            assert!(squares.len() == len && squares.iter().enumerate().all(|(i, &square)| square == i * i), "{len}");
        }
        let mut values = vec![0; 10];
        chunks(&mut values, 4, |i, chunk| chunk.fill(i + 1));
        assert_eq!(values, [1, 1, 1, 1, 2, 2, 2, 2, 3, 3]);
    }

    #[test]
    fn long_loops_are_shared() {
        let slow = |i: usize| {
            std::thread::sleep(std::time::Duration::from_millis(1));
            (i, Some(std::thread::current().id()))
        };
        let threads: std::collections::HashSet<_> = map(500, slow).unwrap().into_iter().map(|(_, id)| id).collect();
        let expected = std::thread::available_parallelism().map_or(1, usize::from).min(2);
        assert!(threads.len() >= expected, "{threads:?}");
    }
}
