//! What computes on the adapter under test, in one program: what one test has compiled, the others need not compile again,
//! and every core has something to do until the end.

#![cfg(feature = "reference")]

#[path = "../common/mod.rs"]
mod common;

mod accuracy;
mod cooperative;
mod driver_limits;
mod embedding;
mod gradient_properties;
mod gradients;
mod kernels;
mod parts;
mod properties;
mod random_problems;
mod storage;
mod tiles;
mod values;
