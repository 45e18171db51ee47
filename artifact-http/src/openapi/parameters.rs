//! Parameters of paths, queries and headers.

use serde_json::{Map, Value, json};

use super::docs::SchemaOf;
use super::document::{Generators, reference};
use super::schemas::{self, ExperimentName};
use crate::endpoint::Endpoint;
use schemars::SchemaGenerator;

/// A parameter of the document's components.
#[derive(Debug)]
pub(crate) struct Parameter {
    /// The name among the components.
    key: &'static str,
    name: &'static str,
    place: Place,
    required: bool,
    description: &'static str,
    schema: SchemaOf,
    example: &'static str,
}

#[derive(Debug, Clone, Copy)]
enum Place {
    Path,
    Query,
    Header,
}

const ETAG: &str = "\"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\"";
const DIGEST: &str = "sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:";

type Text = &'static str;

const fn header(key: Text, name: Text, example: Text, description: Text) -> Parameter {
    Parameter {
        key,
        name,
        place: Place::Header,
        required: false,
        description,
        schema: SchemaGenerator::subschema_for::<String>,
        example,
    }
}

const fn query(key: Text, name: Text, example: Text, description: Text) -> Parameter {
    Parameter {
        place: Place::Query,
        ..header(key, name, example, description)
    }
}

const fn path(name: Text, schema: SchemaOf, example: Text, description: Text) -> Parameter {
    Parameter {
        place: Place::Path,
        required: true,
        schema,
        ..header(name, name, example, description)
    }
}

/// Defines the parameters and the list of all of them.
macro_rules! parameters {
    ($($visibility:vis $name:ident = $parameter:expr;)+) => {
        $($visibility static $name: Parameter = $parameter;)+

        static ALL: &[&Parameter] = &[$(&$name),+];
    };
}

parameters! {
    EXPERIMENT = path("E", SchemaGenerator::subschema_for::<ExperimentName>, "default",
        "The experiment, an opaque name.");
    WORKER = path("W", SchemaGenerator::subschema_for::<schemas::WorkerId>, schemas::WORKER,
        "A worker's id.");
    GROUP = path("G", SchemaGenerator::subschema_for::<schemas::GroupId>, schemas::GROUP,
        "A group's id.");
    MEMBER = path("M", SchemaGenerator::subschema_for::<schemas::MemberId>, schemas::WORKER,
        "The id of a worker or of a group. It need not exist.");
    ARTIFACT = path("A", SchemaGenerator::subschema_for::<schemas::ArtifactId>, schemas::ARTIFACT,
        "An artifact's id: the last 32 characters of its URI.");
    GRANT = path("N", SchemaGenerator::subschema_for::<schemas::GrantId>, schemas::GRANT,
        "A grant's id.");
    LINK = path("K", SchemaGenerator::subschema_for::<schemas::LinkId>, schemas::LINK,
        "A link's id. It is no secret.");
    LINK_SECRET = path("L", SchemaGenerator::subschema_for::<schemas::LinkSecret>, schemas::LINK_SECRET,
        "The secret of a link.");
    UPLOAD = path("U", SchemaGenerator::subschema_for::<schemas::UploadId>, schemas::UPLOAD,
        "An upload's id.");
    ADMINISTRATOR = path("O", SchemaGenerator::subschema_for::<schemas::AdministratorId>, schemas::ADMINISTRATOR,
        "A named administrator's id.");
    COLLECTION = path("C", SchemaGenerator::subschema_for::<schemas::CollectionId>, schemas::COLLECTION,
        "A collection's id.");
    FILE_NAME = path("F", SchemaGenerator::subschema_for::<schemas::FileInCollection>, "runs/7/loss.csv",
        "The name of a file in the collection. Its slashes are not percent-encoded; everything else is, where a path requires it (K-4).");
    EXPERIMENT_HEADER = Parameter {
        required: true,
        schema: SchemaGenerator::subschema_for::<ExperimentName>,
        ..header("ExperimentHeader", "X-Eden-Experiment-Id", "default",
            "The path's experiment again, byte for byte (E-1).")
    };
    REQUEST_ID = header("RequestId", "X-Request-Id", "7f3c1a9e",
        "An id for the log, of 1 to 128 of `A-Z a-z 0-9 - . _ ~`. The response repeats it; any other text is replaced by a fresh id (C-8).");
    pub(crate) NAME = query("Name", "name", "builder",
        "Returns only those with exactly this display name.");
    pub(crate) URI = Parameter {
        required: true,
        ..query("Uri", "uri", schemas::URI,
            "The URI of a deposit, whole and percent-encoded (F-1). Clients never parse it.")
    };
    pub(crate) RANGE = header("Range", "Range", "bytes=0-1023",
        "One range of `bytes`; any other value is ignored (F-12).");
    pub(crate) IF_MATCH = header("IfMatch", "If-Match", ETAG,
        "412 unless it lists the artifact, by strong comparison (F-10).");
    pub(crate) IF_NONE_MATCH = header("IfNoneMatch", "If-None-Match", ETAG,
        "304 if it lists the artifact (F-10).");
    pub(crate) IF_RANGE = header("IfRange", "If-Range", ETAG,
        "`Range` is ignored unless this names the artifact (F-10).");
    pub(crate) CONTENT_DIGEST = header("ContentDigest", "Content-Digest", DIGEST,
        "RFC 9530, of the content; verified (D-12).");
    pub(crate) REPR_DIGEST = header("ReprDigest", "Repr-Digest", DIGEST,
        "RFC 9530; here it means the same as Content-Digest (D-12).");
    pub(crate) CONTENT_DISPOSITION = header("ContentDisposition", "Content-Disposition", "attachment; filename=\"results.tar.gz\"",
        "RFC 6266, of any type; its file name is recorded (M-10).");
    pub(crate) EXPIRES_IN = header("ArtifactExpiresIn", "Artifact-Expires-In", "604800",
        "How many seconds the artifact is kept, 1 to 3153600000; without it, as long as the retention says (D-14).");
    pub(crate) IDEMPOTENCY_KEY = header("IdempotencyKey", "Idempotency-Key", "\"8e03978e-40d5-43e8-bc93-6894a57f9324\"",
        "Random text of 1 to 255 characters in double quotes. A repeated deposit with the same key, within a day, returns the artifact of the first (M-15).");
    pub(crate) RECEIPT = header("Receipt", "Artifact-Receipt", "?1",
        "`?1` asks for the signed receipt of the deposit, in the field `Artifact-Receipt` of the response. To a request about an upload, that is so if the upload is complete (R-2).");
    pub(crate) TUS_RESUMABLE = header("TusResumable", "Tus-Resumable", "1.0.0",
        "The version of tus that the client speaks (U-1).");
    pub(crate) UPLOAD_LENGTH = header("UploadLength", "Upload-Length", "12345678",
        "The length of the file in bytes. It never changes (U-4).");
    pub(crate) UPLOAD_DEFER_LENGTH = header("UploadDeferLength", "Upload-Defer-Length", "1",
        "Instead of `Upload-Length`, if the length is not known yet (U-4).");
    pub(crate) UPLOAD_OFFSET = header("UploadOffset", "Upload-Offset", "65536",
        "The number of bytes that the server has; the content begins there (U-5).");
    pub(crate) UPLOAD_METADATA = header("UploadMetadata", "Upload-Metadata", "filename cmVzdWx0cy5jc3Y=,filetype dGV4dC9jc3Y=",
        "Pairs of a key and a value in base64; `filename` and `filetype` are recorded (U-2).");
    pub(crate) UPLOAD_CHECKSUM = header("UploadChecksum", "Upload-Checksum", "sha1 qvTGHdzF6KLavt4PO0gs2a6pQ00=",
        "By tus: `sha1` or `sha256`, and the checksum of the content in base64; verified (U-9).");
    pub(crate) UPLOAD_COMPLETE = header("UploadComplete", "Upload-Complete", "?1",
        "By the draft: `?1` if the content is the end of the file, otherwise `?0` (U-11, U-12).");
    pub(crate) INTEROP_VERSION = header("UploadDraftInteropVersion", "Upload-Draft-Interop-Version", "8",
        "The version of draft-ietf-httpbis-resumable-upload that the client speaks, 4 to 8 (U-10).");
    pub(crate) AFTER = query("After", "after", "17",
        "The `next` of the previous page. Without it, the list begins with the first artifact.");
    pub(crate) LIMIT = query("Limit", "limit", "100",
        "The greatest number of artifacts of the page, 1 to 1000; 100 by default.");
    pub(crate) AFTER_ID = query("AfterId", "after", "gnt_01jd9v0w7q3k5n8r2t4x6z0ghj",
        "The `next` of the previous page. Without it, the list begins with the first one.");
    pub(crate) SHARE_LIMIT = query("ShareLimit", "limit", "100",
        "The greatest number of records of the page, 1 to 1000; 100 by default.");
    pub(crate) ADMINISTRATORS_AFTER = query("AdministratorsAfter", "after", "AAFhQm8AAABhZG1f",
        "The `next` of the previous page. Without it, the list begins with the first administrator.");
    pub(crate) ADMINISTRATORS_LIMIT = query("AdministratorsLimit", "limit", "100",
        "The greatest number of administrators of the page, 1 to 256; 100 by default.");
    pub(crate) AFTER_COLLECTION = query("AfterCollection", "after", "1767323045000006.col_4f2a9c0de1b83756a0c4d2f19e7b6385",
        "The `next` of the previous page. Without it, the list begins with the oldest collection.");
    pub(crate) AFTER_FILE = query("AfterFile", "after", "runs/7/loss.csv",
        "The `next` of the previous page. Without it, the list begins with the first name.");
    pub(crate) PREFIX = query("Prefix", "prefix", "runs/",
        "Returns only files whose names begin with this text.");
    pub(crate) DELIMITER = query("Delimiter", "delimiter", "/",
        "Only `/`. Names with a slash after the prefix are left out; `folders` has their parts up to that slash instead.");
    pub(crate) IF_NONE_MATCH_ANY = header("IfNoneMatchAny", "If-None-Match", "*",
        "With `*`, a name that was given before is 412 instead of 409 (K-6).");
    pub(crate) DRY_RUN = query("DryRun", "dry_run", "true",
        "`true` checks whether the artifact could be deleted, and deletes nothing (M-5); `false` is the default.");
    pub(crate) CREATED_BY = query("CreatedBy", "created_by", "admin",
        "Returns only what this principal deposited.");
    pub(crate) CREATED_FROM = query("CreatedFrom", "created_from", "2026-01-02T03:04:05Z",
        "Returns only what was deposited at this time or later.");
    pub(crate) CREATED_BEFORE = query("CreatedBefore", "created_before", "2026-01-02T03:04:05Z",
        "Returns only what was deposited before this time.");
    pub(crate) MIN_SIZE = query("MinSize", "min_size", "1024",
        "Returns only artifacts of at least this number of bytes.");
    pub(crate) MAX_SIZE = query("MaxSize", "max_size", "1048576",
        "Returns only artifacts of at most this number of bytes.");
    pub(crate) CONTENT_TYPE = query("ContentType", "content_type", "image/*",
        "Returns only artifacts of this type, compared without parameters; `image/*` selects all images.");
    pub(crate) NAME_CONTAINS = query("NameContains", "name", "results",
        "Returns only artifacts whose file name contains this text.");
}

/// References the parameters of every operation on the path of an endpoint.
pub(super) fn of_path(endpoint: &Endpoint) -> Value {
    let all = [
        &WORKER,
        &GROUP,
        &MEMBER,
        &ARTIFACT,
        &GRANT,
        &LINK,
        &LINK_SECRET,
        &UPLOAD,
        &ADMINISTRATOR,
        &COLLECTION,
        &FILE_NAME,
    ];
    let in_path = all
        .into_iter()
        .filter(|id| endpoint.path.contains(&format!("{{{}}}", id.name)));
    let header = (!endpoint.needs_management()).then_some(&EXPERIMENT_HEADER);
    let experiment = endpoint.path.contains("{E}").then_some(&EXPERIMENT);
    experiment
        .into_iter()
        .chain(header)
        .chain([&REQUEST_ID])
        .chain(in_path)
        .map(Parameter::reference)
        .collect()
}

/// Returns the parameters for the document's components.
pub(super) fn components(generators: &mut Generators) -> Value {
    let all = ALL.iter().map(|parameter| {
        let schema = (parameter.schema)(&mut generators.requests);
        let component = json!({
            "name": parameter.name,
            "in": match parameter.place {
                Place::Path => "path",
                Place::Query => "query",
                Place::Header => "header",
            },
            "required": parameter.required,
            "description": parameter.description,
            "schema": schema,
            "example": parameter.example,
        });
        (parameter.key.to_owned(), component)
    });
    Value::Object(all.collect::<Map<_, _>>())
}

impl Parameter {
    pub(super) fn reference(&self) -> Value {
        reference("parameters", self.key)
    }
}
