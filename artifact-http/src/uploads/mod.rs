//! Resumable uploads: `/v1/experiments/{E}/uploads`, by tus 1.0 and by draft-ietf-httpbis-resumable-upload.

mod append;
mod capabilities;
mod create;
mod deposit;
mod draft;
mod end;
mod fields;
mod protocol;
mod read;
mod receive;
mod reply;
mod verify;

use artifact_store::Uploads;

pub(crate) use self::append::AppendUpload;
pub(crate) use self::capabilities::{DescribeDeposits, DescribeUploads};
pub(crate) use self::create::CreateUpload;
pub(crate) use self::deposit::{begins_by_draft, create_by_draft};
pub(crate) use self::draft::check_is_whole;
pub(crate) use self::end::EndUpload;
pub(crate) use self::read::ReadUpload;
use crate::problem::Problem;
use crate::router::Service;

/// Returns the uploads of a router that has these endpoints.
fn uploads(service: &Service) -> Result<&Uploads, Problem> {
    let uploads = service.sessions.as_ref();
    uploads.ok_or_else(|| Problem::internal("this router has no managed store"))
}
