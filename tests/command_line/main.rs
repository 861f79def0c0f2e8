//! The program as its users see it: files in, files out, exit codes.

mod cases;
mod hostile;
mod operations;
mod support;
mod tools;
