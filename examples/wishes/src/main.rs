//! The lines that an engineer would write first, one function each. Each compiles and returns the right value; the program
//! exits with an error if one does not. The other programs of this workspace show the same at length.
//!
//!     cargo run --manifest-path examples/Cargo.toml -p embed-wishes

mod adaptors;
mod decorating;
mod http;
mod opening;
mod values;

use std::error::Error;
use std::fmt::Debug;

use artifact_backend::{ArtifactBackend, ArtifactId};
use artifact_backend_mem::MemBackend;

type Outcome = Result<(), Box<dyn Error + Send + Sync>>;

/// Compares a value with the right one.
fn expect<T: PartialEq + Debug>(found: T, right: T) -> Outcome {
    if found == right {
        return Ok(());
    }
    Err(format!("{found:?} instead of {right:?}").into())
}

/// Returns a backend with one blob.
async fn stored(text: &'static str) -> artifact_backend::Result<(MemBackend, ArtifactId)> {
    let (backend, id) = (MemBackend::default(), ArtifactId::mint());
    backend.store(id, text.into()).await?;
    Ok((backend, id))
}

/// Prints the name of each function and its outcome. Returns the number of failures.
macro_rules! run {
    ($($module:ident: $($wish:ident)*;)*) => {{
        let mut failures = 0;
        $($(
            match $module::$wish().await {
                Ok(()) => println!("ok: {}", stringify!($wish)),
                Err(error) => {
                    failures += 1;
                    println!("failed: {}: {error}", stringify!($wish));
                }
            }
        )*)*
        failures
    }};
}

#[tokio::main]
async fn main() -> Outcome {
    let failures: u32 = run! {
        opening: options_of_a_bucket_in_every_build url_of_a_backend_as_text_and_json url_of_a_database_as_text_and_json
            scheme_of_the_program bytes_and_async_trait_from_one_crate;
        values: byte_range_from_a_range id_from_a_number id_from_bytes id_from_text id_from_a_uuid
            io_error_from_an_error json_of_an_id;
        adaptors: upload_as_async_write download_as_async_read download_as_a_stream download_as_an_http_body
            blocking_facade backend_as_an_object_store backend_as_an_opendal_service;
        decorating: layers_of_one_line tenants_of_one_backend stat_on_the_request_path
            probe_through_every_layer;
        http: credential_in_a_test json_web_token_in_authenticate principal_with_an_opaque_name
            router_in_an_app_with_state;
    };
    expect(failures, 0)
}
