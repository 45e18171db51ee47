//! Counts the operations of a run, injects faults into them, and cuts the power.

use std::collections::BTreeMap;

use fuser::Errno;

use super::fault::{Effect, Fault, FaultPoint, OpKind};

/// The operations of a run so far, and the faults to inject into the next ones.
#[derive(Debug)]
pub(crate) struct FaultInjector {
    /// The operations so far, in order.
    pub(crate) operations: Vec<OpKind>,
    by_kind: BTreeMap<OpKind, u64>,
    faults: Vec<Fault>,
    /// The number of faults injected so far.
    pub(crate) faults_hit: u64,
    crash_at: Option<u64>,
    /// The harness itself uses the file system: operations are not counted and no fault is injected.
    pub(crate) paused: bool,
    /// The power was cut: every further operation returns EIO.
    pub(crate) powered_off: bool,
}

impl FaultInjector {
    pub(crate) fn new(faults: Vec<Fault>, crash_at: Option<u64>) -> Self {
        Self {
            operations: Vec::new(),
            by_kind: BTreeMap::new(),
            faults,
            faults_hit: 0,
            crash_at,
            paused: false,
            powered_off: false,
        }
    }

    /// Counts an operation and returns the effect injected into it.
    pub(crate) fn begin(&mut self, kind: OpKind) -> Result<Option<Effect>, Errno> {
        if self.powered_off {
            return Err(Errno::EIO);
        }
        if self.paused {
            return Ok(None);
        }
        let number = self.operations.len() as u64;
        if self.crash_at == Some(number) {
            self.powered_off = true;
            return Err(Errno::EIO);
        }
        self.operations.push(kind);
        let nth = self.by_kind.entry(kind).or_default();
        let points = [FaultPoint::Operation(number), FaultPoint::Nth(kind, *nth)];
        *nth += 1;
        let Some(fault) = self.faults.iter().find(|fault| points.contains(&fault.at)) else {
            return Ok(None);
        };
        match (fault.effect, kind) {
            (Effect::Errno(errno), _) => {
                self.faults_hit += 1;
                Err(Errno::from_i32(errno))
            }
            (Effect::ShortWrite, OpKind::Write)
            | (Effect::LostSync, OpKind::Fsync | OpKind::FsyncDir) => {
                self.faults_hit += 1;
                Ok(Some(fault.effect))
            }
            _ => Ok(None),
        }
    }
}
