//! `wgconv deform`: the laboratory of deformable backprop.

mod gradcheck;
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
    /// Compare gradients with finite differences, element by element
    Gradcheck(gradcheck::GradcheckArgs),
    /// Train a deformable network beside a plain one of equal cost
    Train(train::TrainArgs),
}

pub fn run(args: &DeformArgs) -> Result<()> {
    match &args.command {
        Command::Gradcheck(args) => gradcheck::run(args),
        Command::Train(args) => train::run(args),
    }
}
