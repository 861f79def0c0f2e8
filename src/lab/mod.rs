//! A laboratory for the backward pass of deformable convolutions.

pub mod field;
pub mod gradcheck;
pub mod picture;
pub mod trace;
pub mod train;
