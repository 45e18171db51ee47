//! The placement of a database in memory.

use async_trait::async_trait;

use super::MemoryDatabase;
use crate::catalog::RowPosition;
use crate::database::rejected::Rejected;
use crate::error::{Operation, Result};
use crate::placement::{Placement, PlacementRecord};

#[async_trait]
impl PlacementRecord for MemoryDatabase {
    async fn placement(&self) -> Result<Option<Placement>> {
        Ok(self.maps().placement.clone())
    }

    async fn replace_placement(&self, expected: u64, new: &Placement) -> Result<()> {
        let mut maps = self.writable(Operation::Placement)?;
        let recorded = maps.placement.as_ref();
        if recorded == Some(new) {
            return Ok(());
        }
        if recorded.map_or(0, |placement| placement.epoch) != expected {
            return Err(Rejected::PLACEMENT_CHANGED.into_error(Operation::Placement));
        }
        maps.placement = Some(new.clone());
        Ok(())
    }

    async fn set_reached(&self, epoch: u64, reached: RowPosition) -> Result<()> {
        match &mut self.writable(Operation::Placement)?.placement {
            Some(placement) if placement.epoch == epoch => {
                placement.reached = reached;
                Ok(())
            }
            _ => Err(Rejected::PLACEMENT_CHANGED.into_error(Operation::Placement)),
        }
    }
}
