//! `wgconv deform`: the laboratory of deformable backprop.

mod field;
mod gradcheck;
mod layer;
mod trace;
mod train;

use clap::{Args, Subcommand};

use crate::failure::Result;

#[derive(Debug, Args)]
pub struct DeformArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Follow the samples of some outputs, to the output and to every gradient
    Trace(trace::TraceArgs),
    /// Show what offsets do to the effective receptive field
    Field(field::FieldArgs),
    /// Compare gradients with finite differences, element by element
    Gradcheck(gradcheck::GradcheckArgs),
    /// Train a deformable network beside a plain one of equal cost
    Train(train::TrainArgs),
}

pub fn run(args: &DeformArgs) -> Result<()> {
    match &args.command {
        Command::Trace(args) => trace::run(args),
        Command::Field(args) => field::run(args),
        Command::Gradcheck(args) => gradcheck::run(args),
        Command::Train(args) => train::run(args),
    }
}
