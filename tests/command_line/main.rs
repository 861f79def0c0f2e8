//! The program as its users see it: files in, files out, exit codes.

mod bench;
mod cases;
mod deform;
mod diff;
mod experiments;
mod export;
mod hostile;
mod machine;
mod operations;
mod outputs;
mod pages;
mod pictures;
mod python;
mod report;
mod support;
mod tools;
mod tune;
mod verdicts;
