//! The files of the page, which are part of the binary.

use std::sync::OnceLock;

use artifact_http_files::{Verdict, evaluate};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use blake2::{Blake2b256, Digest};
use http::{HeaderMap, HeaderValue};

/// A cache may keep a file, but asks each time whether it is current.
pub(super) const REVALIDATE: &str = "no-cache";

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const JAVASCRIPT: &str = "text/javascript; charset=utf-8";
const SVG: &str = "image/svg+xml";

/// A file of the page.
#[derive(Debug)]
pub(super) struct Asset {
    pub(super) path: &'static str,
    pub(super) content_type: &'static str,
    pub(super) bytes: &'static [u8],
    /// Strong, with its quotes.
    pub(super) etag: HeaderValue,
}

impl Asset {
    fn new(path: &'static str, content_type: &'static str, bytes: &'static [u8]) -> Self {
        let digest = BASE64_URL_SAFE_NO_PAD.encode(Blake2b256::digest(bytes));
        let etag = HeaderValue::from_str(&format!("\"{digest}\""));
        Self {
            // The page itself has the path of the folder.
            path: path.strip_suffix("index.html").unwrap_or(path),
            content_type,
            bytes,
            etag: etag.expect("Base64 and quotes are valid in a header"),
        }
    }

    /// Returns whether the client has this version of the file.
    pub(super) fn is_known_to(&self, headers: &HeaderMap) -> bool {
        let etag = self.etag.to_str().unwrap_or_default();
        matches!(evaluate(headers, etag), Verdict::NotModified)
    }
}

/// Lists the assets: each with its file, which is its path below `/ui/`, and its media type.
macro_rules! assets {
    ($($file:literal as $content_type:ident;)+) => {
        [$(Asset::new(
            concat!("/ui/", $file),
            $content_type,
            include_bytes!(concat!("assets/", $file)),
        )),+]
    };
}

/// Returns all files.
pub(super) fn all() -> &'static [Asset] {
    static ALL: OnceLock<Vec<Asset>> = OnceLock::new();
    ALL.get_or_init(|| {
        assets! {
            "index.html" as HTML;
            "style.css" as CSS;
            "icon.svg" as SVG;
            "main.js" as JAVASCRIPT;
            "api.js" as JAVASCRIPT;
            "collection.js" as JAVASCRIPT;
            "dialog.js" as JAVASCRIPT;
            "dom.js" as JAVASCRIPT;
            "download.js" as JAVASCRIPT;
            "format.js" as JAVASCRIPT;
            "holds.js" as JAVASCRIPT;
            "messages.js" as JAVASCRIPT;
            "paged.js" as JAVASCRIPT;
            "resumable.js" as JAVASCRIPT;
            "session.js" as JAVASCRIPT;
            "steps.js" as JAVASCRIPT;
            "transfer.js" as JAVASCRIPT;
            "upload.js" as JAVASCRIPT;
            "views/administrators.js" as JAVASCRIPT;
            "views/artifact.js" as JAVASCRIPT;
            "views/artifacts.js" as JAVASCRIPT;
            "views/collection.js" as JAVASCRIPT;
            "views/collections.js" as JAVASCRIPT;
            "views/experiments.js" as JAVASCRIPT;
            "views/groups.js" as JAVASCRIPT;
            "views/manifest.js" as JAVASCRIPT;
            "views/principals.js" as JAVASCRIPT;
            "views/sharing.js" as JAVASCRIPT;
            "views/sign_in.js" as JAVASCRIPT;
            "views/tokens.js" as JAVASCRIPT;
            "views/uploads.js" as JAVASCRIPT;
            "views/usage.js" as JAVASCRIPT;
            "views/workers.js" as JAVASCRIPT;
        }
        .into()
    })
}
