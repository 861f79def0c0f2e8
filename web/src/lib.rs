//! What the playground computes.
