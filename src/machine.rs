//! What the cost models know of a GPU beyond its limits.

/// A GPU as the models of tiles and algorithms see it. No API tells these numbers: [`Machine::known`] has them from a table of
/// adapters, and [`Machine::default`] serves where the adapter is in no table. They decide between kernels, never what a kernel
/// computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(deny_unknown_fields))]
pub struct Machine {
    /// What holds a workgroup: streaming multiprocessors, workgroup processors or compute units, Xe cores, GPU cores.
    pub multiprocessors: u32,
    /// Invocations of 128 registers each that one of them holds at once.
    pub resident: u32,
    /// Sums of a matrix product that an invocation keeps in registers without spilling, 64 or 32.
    pub sums: u32,
    /// f32 multiply-adds of the whole device in the time in which its memory moves one byte.
    pub fmas_per_byte: u32,
}

impl Default for Machine {
    /// A discrete GPU of moderate size, with few registers: what suits it spills nowhere.
    fn default() -> Self {
        Machine { multiprocessors: 40, resident: 512, sums: 32, fmas_per_byte: 20 }
    }
}

/// PCI ids.
const AMD: u32 = 0x1002;
const NVIDIA: u32 = 0x10de;
const INTEL: u32 = 0x8086;
const QUALCOMM: u32 = 0x5143;
const ARM: u32 = 0x13b5;

/// Part of a name, multiprocessors, multiply-adds per byte: data sheets' f32 rates and bandwidths. A name that has another one in it
/// stands before it.
type Row = (&'static str, u32, u32);

const NVIDIA_GPUS: [Row; 28] = [
    ("H200", 132, 7),
    ("H100", 132, 10),
    ("A100", 108, 6),
    ("V100", 80, 9),
    ("L40", 142, 50),
    ("L4", 58, 50),
    ("A10", 72, 26),
    ("T4", 40, 13),
    ("RTX 5090", 170, 29),
    ("RTX 5080", 84, 29),
    ("RTX 5070 Ti", 70, 25),
    ("RTX 5070", 48, 23),
    ("RTX 5060", 30, 22),
    ("RTX 4090", 128, 41),
    ("RTX 4080", 76, 34),
    ("RTX 4070", 46, 29),
    ("RTX 4060", 24, 28),
    ("RTX 3090", 82, 19),
    ("RTX 3080", 68, 20),
    ("RTX 3070", 46, 23),
    ("RTX 3060", 28, 18),
    ("RTX 3050", 20, 20),
    ("RTX 2080", 46, 11),
    ("RTX 2070", 36, 8),
    ("RTX 2060", 30, 10),
    ("GTX 16", 22, 13),
    ("GTX 10", 20, 14),
    ("Tegra", 16, 26),
];

/// Of RDNA a workgroup processor, of GCN and CDNA a compute unit. Dual issue is not counted.
const AMD_GPUS: [Row; 19] = [
    ("MI300X", 304, 15),
    ("MI250", 104, 7),
    ("MI210", 104, 7),
    ("MI100", 120, 9),
    ("RX 9070", 28, 19),
    ("RX 9060", 16, 20),
    ("7900 XTX", 48, 16),
    ("7900", 42, 16),
    ("7800", 30, 15),
    ("7700", 27, 18),
    ("7600", 16, 19),
    ("6900", 40, 22),
    ("6800", 30, 16),
    ("6700", 20, 17),
    ("6600", 16, 20),
    ("5700", 20, 11),
    ("Vega", 60, 12),
    ("VEGA", 60, 12),
    ("Radeon VII", 60, 7),
];

const INTEL_GPUS: [Row; 7] = [
    ("B580", 20, 15),
    ("B570", 18, 15),
    ("BMG", 20, 15),
    ("A770", 32, 18),
    ("A750", 28, 17),
    ("A580", 24, 12),
    ("A380", 8, 13),
];

const APPLE_GPUS: [Row; 6] =
    [("Ultra", 60, 13), ("Max", 32, 13), ("Pro", 16, 13), ("M4", 10, 18), ("M3", 10, 20), ("M2", 10, 18)];

impl Machine {
    /// The one of an adapter: by the PCI id of its vendor, zero where the backend does not tell, its name, and whether it shares the
    /// host's memory. `None` where no table has the vendor.
    pub fn known(vendor: u32, name: &str, integrated: bool) -> Option<Machine> {
        let row = |rows: &[Row], otherwise: Row| {
            let found = rows.iter().find(|(part, ..)| name.contains(part)).copied();
            found.unwrap_or(otherwise)
        };
        let machine = |(_, multiprocessors, fmas_per_byte): Row, sums: u32| Machine {
            multiprocessors,
            sums,
            fmas_per_byte,
            ..Machine::default()
        };
        let is =
            |id: u32, words: &[&str]| vendor == id || (vendor == 0 && words.iter().any(|word| name.contains(word)));
        if is(NVIDIA, &["NVIDIA", "GeForce"]) {
            return Some(machine(row(&NVIDIA_GPUS, ("", if integrated { 16 } else { 40 }, 20)), 64));
        }
        if is(AMD, &["AMD", "Radeon"]) {
            return Some(machine(row(&AMD_GPUS, ("", if integrated { 6 } else { 30 }, 18)), 64));
        }
        if name.contains("Apple") {
            return Some(machine(row(&APPLE_GPUS, ("", 8, 19)), 64));
        }
        // The registers of an Intel thread hold 8 x 4 sums at its widest subgroups, 8 x 8 at none.
        if is(INTEL, &["Intel"]) {
            return Some(machine(row(&INTEL_GPUS, ("", if integrated { 8 } else { 20 }, 16)), 32));
        }
        if is(QUALCOMM, &["Adreno"]) || is(ARM, &["Mali"]) {
            return Some(machine(("", 8, 16), 32));
        }
        None
    }

    /// As [`Machine::known`], with the default of a size that suits where no table has the vendor.
    pub fn of_adapter(vendor: u32, name: &str, integrated: bool) -> Machine {
        let multiprocessors = if integrated { 8 } else { Machine::default().multiprocessors };
        Machine::known(vendor, name, integrated).unwrap_or(Machine { multiprocessors, ..Machine::default() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn adapters_are_known_by_vendor_and_name() {
        let of =
            |vendor, name| Machine::known(vendor, name, false).map(|machine| (machine.multiprocessors, machine.sums));
        assert_eq!(of(NVIDIA, "NVIDIA H200"), Some((132, 64)));
        assert_eq!(of(NVIDIA, "NVIDIA L40S"), Some((142, 64)));
        assert_eq!(of(NVIDIA, "NVIDIA L4"), Some((58, 64)));
        assert_eq!(of(NVIDIA, "NVIDIA of tomorrow"), Some((40, 64)));
        assert_eq!(of(AMD, "AMD Radeon RX 7900 XTX (RADV NAVI31)"), Some((48, 64)));
        assert_eq!(of(INTEL, "Intel(R) Arc(tm) A770 Graphics (DG2)"), Some((32, 32)));
        assert_eq!(of(0, "Apple M1 Max"), Some((32, 64)));
        assert_eq!(of(0, "Adreno (TM) 740"), Some((8, 32)));
        assert_eq!(of(0, ""), None);
        assert_eq!(
            Machine::known(INTEL, "Intel(R) Iris(R) Xe Graphics", true).map(|machine| machine.multiprocessors),
            Some(8)
        );
        assert_eq!(Machine::of_adapter(0, "something", true).multiprocessors, 8);
        assert_eq!(Machine::of_adapter(0, "something", false), Machine::default());
    }

    #[test]
    fn every_row_can_be_found() {
        for rows in [&NVIDIA_GPUS[..], &AMD_GPUS, &INTEL_GPUS, &APPLE_GPUS] {
            for (i, (part, multiprocessors, fmas)) in rows.iter().enumerate() {
                assert!(*multiprocessors > 0 && *fmas > 0, "{part}");
                let first = rows.iter().position(|(other, ..)| part.contains(other));
                assert!(first == Some(i), "{part} is hidden by {:?}", first.map(|i| rows[i].0));
            }
        }
    }
}
