//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use wgconv::{Accuracy, Algorithm, Storage, Tile};

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
        #[command(flatten)]
        ours: Ours,
    },
}

/// How wgconv's own runner computes.
#[derive(Debug, Clone, Default, Args)]
pub struct Ours {
    /// Use this algorithm instead of choosing; layers that it does not apply to are not measured
    #[arg(long, value_name = "NAME", value_parser = algorithm)]
    pub algorithm: Option<Algorithm>,
    /// strict, standard, relaxed or half: how large wgconv's rounding errors may be
    #[arg(long, value_name = "CLASS", default_value = "standard", value_parser = accuracy)]
    pub accuracy: Accuracy,
    /// f32 or f16: how wgconv's tensors lie in device memory
    #[arg(long, value_name = "TYPE", default_value = "f32", value_parser = storage)]
    pub storage: Storage,
    /// Tile of wgconv's matrix products on GPUs, as in 16x16-8x8-k8
    #[arg(long, value_name = "TILE")]
    pub tile: Option<Tile>,
}

impl Ours {
    /// As arguments of its runner; none where everything is as usual.
    pub fn arguments(&self) -> Vec<String> {
        let mut arguments = Vec::new();
        let mut add = |name: &str, value: &str| arguments.extend([name.to_string(), value.to_string()]);
        if let Some(algorithm) = self.algorithm {
            add("--algorithm", algorithm.name());
        }
        if self.accuracy != Accuracy::default() {
            add("--accuracy", self.accuracy.name());
        }
        if self.storage != Storage::default() {
            add("--storage", self.storage.name());
        }
        if let Some(tile) = self.tile {
            add("--tile", &tile.to_string());
        }
        arguments
    }
}

fn algorithm(text: &str) -> Result<Algorithm, String> {
    let names = Algorithm::ALL.map(Algorithm::name).join(", ");
    Algorithm::parse(text).ok_or_else(|| format!("it must be one of {names}"))
}

fn accuracy(text: &str) -> Result<Accuracy, String> {
    let names = Accuracy::ALL.map(Accuracy::name).join(", ");
    Accuracy::parse(text).ok_or_else(|| format!("it must be one of {names}"))
}

fn storage(text: &str) -> Result<Storage, String> {
    let names = Storage::ALL.map(Storage::name).join(", ");
    Storage::parse(text).ok_or_else(|| format!("it must be one of {names}"))
}

#[derive(Debug, Args)]
pub struct Run {
    /// quick, gpu, all, some of those that `wgconv bench --list` names, or .json files
    #[arg(long, value_name = "NAME", default_value = "quick", value_delimiter = ',')]
    pub suite: Vec<String>,
    /// Only layers with this in suite/name; may be repeated
    #[arg(long, value_name = "TEXT", value_delimiter = ',')]
    pub layer: Vec<String>,
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
    #[command(flatten)]
    pub ours: Ours,
    /// burn, torch, torch-f16, torch-cuda, torch-cuda-tf32, torch-cuda-f16, onnxruntime, ncnn, onnxruntime-webgpu, tfjs-webgpu
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
    /// Begin no case after so many seconds
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..))]
    pub seconds: Option<u32>,
    /// Write the record, whole after every case
    #[arg(long, value_name = "FILE.json")]
    pub out: Option<PathBuf>,
    /// Print the record instead of a table
    #[arg(long)]
    pub json: bool,
    /// Where libraries are installed
    #[arg(long, value_name = "DIR", default_value = "target/peers")]
    pub tools: PathBuf,
    /// A Python that has the libraries already, instead of those that are installed there
    #[arg(long, value_name = "PROGRAM")]
    pub python: Option<PathBuf>,
    /// Where this program's runners in other languages and extra.json are, if not where it was built
    #[arg(long, value_name = "DIR")]
    pub home: Option<PathBuf>,
    /// The program that knows the suites; beside this one unless given
    #[arg(long, value_name = "FILE")]
    pub wgconv: Option<PathBuf>,
}
