//! Resumable uploads: `/v1/experiments/{E}/uploads`, by tus 1.0.

mod append;
mod capabilities;
mod create;
mod end;
mod fields;
mod read;
mod receive;
mod reply;

use artifact_store::Uploads;

pub(crate) use self::append::AppendUpload;
pub(crate) use self::capabilities::DescribeUploads;
pub(crate) use self::create::CreateUpload;
pub(crate) use self::end::EndUpload;
pub(crate) use self::read::ReadUpload;
use crate::problem::Problem;
use crate::router::Service;

/// Returns the uploads of a router that has these endpoints.
fn uploads(service: &Service) -> Result<&Uploads, Problem> {
    let uploads = service.sessions.as_ref();
    uploads.ok_or_else(|| Problem::internal("this router has no managed store"))
}
