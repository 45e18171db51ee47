//! The settings of the endpoints.

use anyhow::Result;
use artifact_http::HttpConfig;
use artifact_store::UploadOptions;

use crate::settings::ServeSettings;

/// Returns the settings of the endpoints, without the stores that they work on.
pub(crate) fn config(settings: &ServeSettings) -> Result<HttpConfig> {
    let max_open = u32::try_from(settings.max_open_uploads).unwrap_or(u32::MAX);
    let uploads = UploadOptions::default()
        .with_lifetime(settings.upload_expiry)
        .with_max_open(max_open);
    let mut config = HttpConfig::default()
        .with_max_uploads(settings.max_uploads)
        .with_max_uploads_per_principal(settings.max_uploads_per_principal)
        .with_max_fetches(settings.max_fetches)
        .with_max_fetches_per_principal(settings.max_fetches_per_principal)
        .with_max_lists(settings.max_lists)
        .with_max_lists_per_principal(settings.max_lists_per_principal)
        .with_uploads(uploads);
    if let Some(rate) = settings.rate_of_requests()? {
        config = config.with_request_rate(rate);
    }
    if !settings.links {
        config = config.without_links();
    }
    #[cfg(feature = "page")]
    if has_page(settings) {
        config = config.with_page();
    }
    if let Some(url) = &settings.public_url {
        config = config.with_public_url(url);
    }
    Ok(config)
}

/// Returns whether browsers get a page.
pub(crate) fn has_page(settings: &ServeSettings) -> bool {
    settings.ui && cfg!(feature = "page")
}
