//! f64 CPU oracles, written from the mathematics.
