//! Lists.

use std::collections::BTreeSet;

use artifact_store::{CollectionPosition, FileQuery, Principal};

use super::site::{Site, home};

const NAMES: [&str; 13] = [
    "a",
    "b/1",
    "b/2",
    "b/c/1",
    "b/c/2",
    "b/c/3",
    "b-1",
    "b0",
    "c/d/e/f",
    "c/d0",
    "d/\u{10ffff}",
    "d/\u{10ffff}x/y",
    "\u{e9}/1",
];

/// Returns what a list has: names, and parts of names up to a slash.
fn model(prefix: &str, by_folder: bool) -> Vec<String> {
    let selected = NAMES.iter().filter(|name| name.starts_with(prefix));
    let entries = selected.map(|name| match name[prefix.len()..].find('/') {
        Some(slash) if by_folder => name[..=prefix.len() + slash].to_owned(),
        _ => (*name).to_owned(),
    });
    // Ordered by the bytes.
    entries.collect::<BTreeSet<_>>().into_iter().collect()
}

pub(super) async fn pages_of_files_are_those_of_a_model(site: &Site) {
    let id = site.create().await;
    for name in NAMES {
        site.put(id, name, "1").await.unwrap();
    }
    let prefixes = [
        "",
        "b",
        "b/",
        "b/c",
        "b/c/",
        "c/",
        "c/d",
        "c/d/",
        "d/",
        "d/\u{10ffff}",
        "x",
        "\u{e9}",
        "b/2",
    ];
    for prefix in prefixes {
        for by_folder in [false, true] {
            for limit in [1, 2, 3, 100] {
                let mut query = FileQuery::with_prefix(prefix);
                query.by_folder = by_folder;
                let mut found = Vec::new();
                loop {
                    let server = &site.other.collections;
                    let page = server.files(&site.owner, home(), id, &query, limit);
                    let page = page.await.unwrap();
                    let files = page.files.iter().map(|file| file.path.to_string());
                    let mut entries: Vec<_> = files.chain(page.folders).collect();
                    entries.sort_unstable();
                    assert!(entries.len() <= limit as usize);
                    found.extend(entries);
                    if page.next.is_none() {
                        break;
                    }
                    query = query.after(page.next);
                }
                assert_eq!(
                    found,
                    model(prefix, by_folder),
                    "{prefix} {by_folder} {limit}"
                );
            }
        }
    }
}

pub(super) async fn pages_of_collections_have_each_once(site: &Site) {
    let created_in = home();
    let mut created = Vec::new();
    for number in 0..5 {
        let title = (number > 0).then(|| format!("title {number}").parse().unwrap());
        let new = site
            .one
            .collections
            .create(&site.owner, created_in, title)
            .await;
        created.push(new.unwrap());
    }
    let admin = Principal::admin();
    let foreign = site
        .one
        .collections
        .create(&admin, created_in, None)
        .await
        .unwrap();
    let list = |principal: Principal, owner: Option<artifact_store::PrincipalId>| async move {
        let (mut found, mut after) = (Vec::new(), CollectionPosition::START);
        loop {
            let page =
                site.other
                    .collections
                    .list(&principal, home(), Option::clone(&owner), after, 2);
            let page = page.await.unwrap();
            let Some(last) = page.last() else {
                return found;
            };
            let text = last.position().to_string();
            after = text.parse().unwrap();
            assert_eq!(after, last.position());
            found.extend(page);
        }
    };
    let sort = |mut all: Vec<artifact_store::Collection>| {
        all.sort_by_key(artifact_store::Collection::position);
        all
    };
    assert_eq!(list(site.owner.clone(), None).await, sort(created.clone()));
    let own = Some(site.owner.id());
    assert_eq!(list(admin.clone(), own).await, sort(created.clone()));
    created.push(foreign);
    assert_eq!(list(admin, None).await, sort(created));
}
