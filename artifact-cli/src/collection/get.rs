//! `artifact collection get`: writes the files of a collection into a folder.

use std::path::{Path, PathBuf};

use anyhow::{Result, anyhow};
use artifact_client::CollectionFile;

use super::command::GetArguments;
use super::files;
use crate::connect::ClientContext;
use crate::failure::{setup, setup_from};
use crate::{get, output};

pub(super) async fn run(context: &ClientContext, arguments: GetArguments) -> Result<()> {
    let GetArguments { collection, output } = arguments;
    let files = files(context, &collection, None).await?;
    let folder = output.unwrap_or_else(|| PathBuf::from(&collection));
    // Before anything is written.
    for file in &files {
        target(&folder, &file.name)?;
    }
    make_folder(&folder)?;
    let mut bytes = 0;
    for file in &files {
        fetch(context, &folder, file).await?;
        bytes += file.size_bytes;
    }
    let (number, folder) = (files.len(), folder.display());
    output::note(format_args!(
        "wrote {number} files, {bytes} bytes, into {folder}"
    ));
    Ok(())
}

async fn fetch(context: &ClientContext, folder: &Path, file: &CollectionFile) -> Result<()> {
    let path = target(folder, &file.name)?;
    let mut at = folder.to_owned();
    let (above, _) = file.name.rsplit_once('/').unwrap_or_default();
    for part in above.split('/').filter(|part| !part.is_empty()) {
        at.push(part);
        make_folder(&at)?;
    }
    get::check_target(&path, false)?;
    let fetched = get::fetch(context, &file.uri).await?;
    if fetched.sha256 != Some(file.sha256) {
        let shown = output::printable(&file.name);
        return Err(anyhow!("the server returned another file for {shown}"));
    }
    get::to_file(context, fetched, &path, false).await
}

/// Returns the path of a name, which is below the folder.
fn target(folder: &Path, name: &str) -> Result<PathBuf> {
    // The name comes from the depositor, and passed the checks of a server that may be wrong.
    let is_safe = |part: &str| {
        !matches!(part, "" | "." | "..")
            && part.len() <= 255
            && !part
                .chars()
                .any(|c| c.is_control() || matches!(c, '\\' | ':'))
    };
    if name.split('/').all(is_safe) {
        return Ok(folder.join(name));
    }
    let shown = output::printable(name);
    Err(setup(format!(
        "the name '{shown}' is not used as a path; fetch the files one by one, see artifact collection ls --json"
    )))
}

/// Makes a folder unless there is one. A symbolic link is refused, because it could lead out of the folder.
fn make_folder(path: &Path) -> Result<()> {
    let shown = path.display();
    match path.symlink_metadata() {
        Ok(found) if found.is_dir() => Ok(()),
        Ok(_) => Err(setup(format!(
            "{shown} is not a folder; nothing is written there"
        ))),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let made = std::fs::create_dir(path);
            made.map_err(|error| setup_from(error, format!("cannot create the folder {shown}")))
        }
        Err(error) => Err(setup_from(
            error,
            format!("cannot create the folder {shown}"),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_below_the_folder() {
        let folder = Path::new("/tmp/x");
        assert_eq!(target(folder, "a/b c").unwrap(), Path::new("/tmp/x/a/b c"));
        for name in [
            "..",
            "../a",
            "a/../b",
            "/etc/passwd",
            "a//b",
            "a/",
            ".",
            "",
            "C:a",
            "a\\b",
            "a\nb",
            "a\u{1b}",
        ] {
            assert!(target(folder, name).is_err(), "{name:?}");
        }
    }
}
