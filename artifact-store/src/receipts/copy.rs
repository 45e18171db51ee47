//! The log on its way into another database.

use artifact_backend::ArtifactId;
use artifact_receipt::{Frontier, TreeHash};

use super::record::ReceiptNode;
use crate::error::{Error, ErrorKind, Operation, Result};

/// The tree of a copy, which has its leaves only. The nodes above them are computed again.
#[derive(Debug, Default)]
pub(crate) struct CopiedLog(Frontier);

impl CopiedLog {
    /// Appends a leaf, and returns the new nodes.
    pub(crate) fn push(
        &mut self,
        index: u64,
        artifact: ArtifactId,
        hash: TreeHash,
    ) -> Result<Vec<ReceiptNode>> {
        if index != self.0.size() {
            return Err(Error::new(ErrorKind::Corrupt, Operation::Dump).with_detail(format!(
                "the copy lacks the entry {} of the log of receipts, and the log would no longer be the one that was published",
                self.0.size()
            )));
        }
        let nodes = self.0.push(hash).into_iter();
        let nodes = nodes.map(|node| ReceiptNode::new(node, (node.level == 0).then_some(artifact)));
        Ok(nodes.collect())
    }

    /// Returns the number of leaves.
    pub(crate) fn size(&self) -> u64 {
        self.0.size()
    }
}
