//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::protocol::Pass;
use crate::serve::Builtin;

/// Times the convolutions of wgconv and of other libraries by turns, on the same shapes and data, and verifies both.
#[derive(Debug, Parser)]
#[command(name = "wgconv-peers", version, args_conflicts_with_subcommands = true)]
#[command(after_help = "\
Examples:
  scripts/peers                                          the short list of layers, the peers of the default
  scripts/peers --peer burn --operation deform_conv2d    one of them, one operation
  scripts/peers --suite resnet50 --pass forward --out peers.json
  scripts/peers --runner 'mine=./my-runner --fast'       a library of your own, see benches/peers/README.md

The exit code is 1 where a result of wgconv's is not right; what peers do is in the table.")]
pub struct Arguments {
    #[command(subcommand)]
    pub command: Option<Command>,
    #[command(flatten)]
    pub run: Run,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Be a runner: answer requests on stdin
    Runner {
        /// Which
        which: Builtin,
    },
}

#[derive(Debug, Args)]
pub struct Run {
    /// quick, all, some of those that `wgconv bench --list` names, or .json files
    #[arg(long, value_name = "NAME", default_value = "quick", value_delimiter = ',')]
    pub suite: Vec<String>,
    /// Only layers with this in suite/name
    #[arg(long, value_name = "TEXT")]
    pub layer: Option<String>,
    /// Only this operation: conv2d, conv2d_depthwise, deform_conv2d and so on; may be repeated
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    pub operation: Vec<String>,
    /// What is timed
    #[arg(long, value_name = "PASS", default_value = "forward,forward_backward", value_delimiter = ',')]
    pub pass: Vec<Pass>,
    /// Also the layers that are too much for a software rasteriser
    #[arg(long)]
    pub large: bool,
    /// Images: a number, `suite` as the suite says, or `gpu` for the number that the suite recommends for GPUs
    #[arg(long, value_name = "N", default_value = "suite")]
    pub batch: String,
    /// burn, torch, torch-cuda, torch-cuda-tf32, onnxruntime, ncnn, onnxruntime-webgpu, tfjs-webgpu
    #[arg(long, value_name = "NAME", default_value = "burn,torch,onnxruntime,ncnn", value_delimiter = ',')]
    pub peer: Vec<String>,
    /// A runner of your own; may be repeated
    #[arg(long, value_name = "NAME=PROGRAM")]
    pub runner: Vec<String>,
    /// Visits to every runner of a case, by turns
    #[arg(long, value_name = "N", default_value = "5", value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub rounds: u16,
    /// Timed batches of a visit
    #[arg(long, value_name = "N", default_value = "3", value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub batches: u16,
    /// Milliseconds that a batch takes at least
    #[arg(long, value_name = "MS", default_value = "20", value_parser = clap::value_parser!(u16).range(1..=10000))]
    pub min_ms: u16,
    /// Threads of runners on the CPU, software rasterisers included; all processors unless given
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub threads: Option<u16>,
    /// Seconds that a runner may take to answer
    #[arg(long, value_name = "SECONDS", default_value = "300", value_parser = clap::value_parser!(u16).range(1..=36000))]
    pub timeout: u16,
    /// Write the record
    #[arg(long, value_name = "FILE.json")]
    pub out: Option<PathBuf>,
    /// Print the record instead of a table
    #[arg(long)]
    pub json: bool,
    /// Where libraries are installed
    #[arg(long, value_name = "DIR", default_value = "target/peers")]
    pub tools: PathBuf,
    /// The program that knows the suites; beside this one unless given
    #[arg(long, value_name = "FILE")]
    pub wgconv: Option<PathBuf>,
}
