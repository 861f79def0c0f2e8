//! A laboratory for the backward pass of deformable convolutions.

pub mod gradcheck;
pub mod picture;
pub mod train;
