//! The f64 reference as a runner: always right, never fast.

use std::time::Instant;

use wgconv::{Inputs, TensorName};

use super::{Prepared, Runner, ms_since};
use crate::data::{self, Expected};
use crate::error::{Error, Result};
use crate::protocol::{Case, Peer, Precision};

#[derive(Default)]
pub struct Oracle {
    case: Option<(Case, Inputs)>,
}

impl Oracle {
    fn compute(&self) -> Result<Expected> {
        let (case, inputs) = self.case.as_ref().ok_or_else(|| Error::Device("no case is prepared".into()))?;
        Expected::of(&case.problem, case.pass, inputs)
    }
}

impl Runner for Oracle {
    fn hello(&self) -> Peer {
        Peer {
            version: env!("CARGO_PKG_VERSION").into(),
            device: "processor".into(),
            driver: String::new(),
            precision: Precision::F32,
            timed: "the f64 reference".into(),
        }
    }

    fn prepare(&mut self, case: Case) -> Result<Prepared> {
        let read = |(&name, file)| Ok((name, data::read(file)?));
        let inputs = case.inputs.iter().map(read).collect::<Result<Inputs>>()?;
        self.case = Some((case, inputs));
        Ok(Prepared::Ready(None))
    }

    fn run(&mut self) -> Result<Vec<(TensorName, Vec<f32>)>> {
        let expected = self.compute()?;
        let names: Vec<TensorName> = expected.shapes().map(|(name, _)| name).collect();
        Ok(names.into_iter().filter_map(|name| Some((name, expected.rounded(name)?))).collect())
    }

    fn batch(&mut self, repeats: usize) -> Result<f64> {
        let start = Instant::now();
        for _ in 0..repeats {
            self.compute()?;
        }
        Ok(ms_since(start))
    }

    fn forget(&mut self) {
        self.case = None;
    }
}
