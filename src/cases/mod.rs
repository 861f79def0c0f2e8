//! Operations in the words of files: case folders, attributes, .npy arrays, requests and suites of layers. What the command
//! line reads, for programs that read it too.

pub mod attributes;
pub mod case;
pub mod document;
pub mod files;
pub mod npy;
pub mod operation;
pub mod request;
pub mod suite;
