// SPDX-License-Identifier: MIT OR Apache-2.0
//! The cost model: what a VM exit and a VMFUNC would cost where the emulator counts instructions only.

use serde::{Deserialize, Serialize};

use super::sample::Sample;

/// Constants of `cycles = instructions + exit * exits + vmfunc * VMFUNCs`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Model {
    /// Cycles of one VM exit with the entry that follows.
    pub exit_cycles: f64,
    /// Cycles of one VMFUNC.
    pub vmfunc_cycles: f64,
}

impl Default for Model {
    /// The minimum measured on Haswell: 1,171-1,240 for exit and entry, 134-169 for VMFUNC.
    fn default() -> Self {
        Self { exit_cycles: 1200.0, vmfunc_cycles: 150.0 }
    }
}

/// What a figure in the table is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Counted instructions plus the model's constants.
    Modelled,
    /// Counted instructions only: the system told no exits.
    Instructions,
    /// Cycles of a real time stamp counter.
    Measured,
}

impl Kind {
    /// How the tables call it.
    pub fn label(self) -> &'static str {
        match self {
            Self::Modelled => "modelled",
            Self::Instructions => "instructions only",
            Self::Measured => "measured",
        }
    }
}

/// Whether the machine's time stamp counter counts instructions or cycles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counter {
    /// An emulator's: instructions.
    Instructions,
    /// Hardware's: cycles.
    Cycles,
}

/// A figure and what it is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cost {
    /// Cycles or instructions per operation.
    pub value: f64,
    /// Which.
    pub kind: Kind,
}

impl Model {
    /// Cost of an operation on a system that runs in no virtual machine.
    pub fn cost_native(&self, sample: &Sample, counter: Counter) -> Cost {
        let kind = if counter == Counter::Cycles { Kind::Measured } else { Kind::Modelled };
        Cost { value: sample.work().0, kind }
    }

    /// Cost of an operation on the multiserver.
    pub fn cost_multiserver(&self, sample: &Sample, counter: Counter) -> Cost {
        if counter == Counter::Cycles {
            return Cost { value: sample.work().0, kind: Kind::Measured };
        }
        match (sample.counter("total"), sample.counter("vmfunc")) {
            (Some(exits), Some(vmfuncs)) => Cost {
                value: sample.work().0 + self.exit_cycles * exits + self.vmfunc_cycles * vmfuncs,
                kind: Kind::Modelled,
            },
            _ => Cost { value: sample.work().0, kind: Kind::Instructions },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(exits: &[(&str, f64)]) -> Sample {
        let exits = exits.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect();
        Sample {
            tsc: 1000.0,
            minimum: 1000.0,
            maximum: 1000.0,
            busy: None,
            busy_minimum: None,
            busy_maximum: None,
            operations: 1,
            runs: 1,
            exits: Some(exits),
        }
    }

    #[test]
    fn exits_and_vmfuncs_are_charged() {
        let cost =
            Model::default().cost_multiserver(&sample(&[("total", 2.0), ("vmfunc", 1.0)]), Counter::Instructions);
        assert_eq!(cost, Cost { value: 3550.0, kind: Kind::Modelled });
    }

    #[test]
    fn waiting_is_no_cost() {
        let waiting = Sample { busy: Some(600.0), busy_minimum: Some(1.0), busy_maximum: Some(2.0), ..sample(&[]) };
        assert_eq!(Model::default().cost_native(&waiting, Counter::Instructions).value, 600.0);
    }

    #[test]
    fn hardware_is_measured_not_modelled() {
        let cost = Model::default().cost_multiserver(&sample(&[("total", 2.0)]), Counter::Cycles);
        assert_eq!(cost, Cost { value: 1000.0, kind: Kind::Measured });
    }

    #[test]
    fn unknown_exits_are_not_called_modelled() {
        let unknown = Sample { exits: None, ..sample(&[]) };
        assert_eq!(Model::default().cost_multiserver(&unknown, Counter::Instructions).kind, Kind::Instructions);
        assert_eq!(Model::default().cost_native(&unknown, Counter::Instructions).kind, Kind::Modelled);
    }
}
