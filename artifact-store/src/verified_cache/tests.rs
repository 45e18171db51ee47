use super::*;

const STAMP: Stamp = Stamp::new([1, 2, 3]);

fn cache(max_bytes: usize) -> Arc<VerifiedCache> {
    Arc::new(VerifiedCache::new(max_bytes))
}

fn id(number: u8) -> ArtifactId {
    ArtifactId::from_bytes([number; 16])
}

fn collect(cache: &Arc<VerifiedCache>, number: u8, size: usize) -> Option<Collector> {
    cache.collect(id(number), STAMP, size as u64)
}

fn chunk(number: u8, length: usize) -> Bytes {
    Bytes::from(vec![number; length])
}

fn insert(cache: &Arc<VerifiedCache>, number: u8, length: usize) {
    let mut collector = collect(cache, number, length).expect("the size is accepted");
    collector.push(&chunk(number, length));
    collector.finish();
}

fn holds(cache: &VerifiedCache, number: u8) -> bool {
    let found = cache.get(id(number), STAMP);
    found.is_some_and(|entry| entry.chunks()[0].first() == Some(&number))
}

fn held(cache: &VerifiedCache) -> usize {
    cache.held_bytes.load(Ordering::Relaxed)
}

#[test]
fn entries_of_changed_blobs_are_not_found_and_are_replaced() {
    let cache = cache(1 << 20);
    insert(&cache, 1, 100);
    let changed = Stamp::new([1, 2, 4]);
    assert!(holds(&cache, 1) && cache.get(id(1), changed).is_none());
    let mut collector = cache.collect(id(1), changed, 1).unwrap();
    collector.push(&Bytes::from_static(b"x"));
    collector.finish();
    assert!(!holds(&cache, 1) && cache.get(id(1), changed).is_some());
    assert_eq!(
        (held(&cache), cache.state().order.len()),
        (1 + ENTRY_BYTES, 1)
    );
}

#[test]
fn memory_is_bounded_and_used_entries_stay() {
    let each = (4 << 10) + ENTRY_BYTES;
    let cache = cache(10 * each);
    insert(&cache, 0, 4 << 10);
    for number in 1..100 {
        insert(&cache, number, 4 << 10);
        assert!(holds(&cache, 0), "after {number}");
        assert!(held(&cache) <= 10 * each, "{}", held(&cache));
        let state = cache.state();
        assert_eq!(state.order.len(), state.entries.len());
    }
    assert!(!holds(&cache, 1) && holds(&cache, 99));
}

#[test]
fn forgotten_entries_and_collections_leave_nothing_behind() {
    let cache = cache(1 << 20);
    insert(&cache, 1, 100);
    let mut collector = collect(&cache, 2, 100).unwrap();
    collector.push(&chunk(2, 50));
    for number in [1, 2, 3] {
        cache.forget(id(number));
    }
    collector.push(&chunk(2, 50));
    collector.finish();
    assert!(!holds(&cache, 1) && !holds(&cache, 2));
    let state = cache.state();
    assert_eq!((state.order.len(), state.collecting_bytes), (0, 0));
    assert_eq!(held(&cache), 0);
}

#[test]
fn entries_larger_than_an_eighth_of_the_memory_are_not_accepted() {
    assert!(!VerifiedCache::new(0).accepts(0));
    let cache = VerifiedCache::new(8 << 10);
    assert!(cache.accepts(1 << 10) && !cache.accepts((1 << 10) + 1));
}

#[test]
fn one_reader_of_a_blob_collects_at_a_time() {
    let cache = cache(1 << 20);
    let mut readers: Vec<_> = (0..100)
        .map(|_| collect(&cache, 1, 8 << 10).unwrap())
        .collect();
    for _ in 0..2 {
        for reader in &mut readers {
            reader.push(&chunk(1, 4 << 10));
        }
    }
    assert_eq!(held(&cache), (8 << 10) + ENTRY_BYTES);
    readers.into_iter().for_each(Collector::finish);
    let entry = cache.get(id(1), STAMP).unwrap();
    assert_eq!(entry.chunks(), [chunk(1, 4 << 10), chunk(1, 4 << 10)]);
    assert_eq!(held(&cache), (8 << 10) + ENTRY_BYTES);
}

#[test]
fn collections_take_at_most_half_of_the_memory_and_the_rest_give_up() {
    let cache = cache(64 << 10);
    insert(&cache, 0, 4 << 10);
    let mut readers: Vec<_> = (1..100)
        .filter_map(|number| collect(&cache, number, 8 << 10))
        .collect();
    for round in 0..8 {
        for reader in &mut readers {
            reader.push(&chunk(9, 1 << 10));
            let collecting = cache.state().collecting_bytes;
            assert!(collecting <= 32 << 10, "{collecting} in round {round}");
            assert!(held(&cache) <= 64 << 10);
        }
    }
    assert!(holds(&cache, 0));
    drop(readers);
    assert_eq!(held(&cache), (4 << 10) + ENTRY_BYTES);
    assert_eq!(cache.state().collecting_bytes, 0);
}

#[test]
fn entries_in_use_count_until_their_last_reader_is_done() {
    let each = (1 << 10) + ENTRY_BYTES;
    let cache = cache(10 * each);
    for number in 0..8 {
        insert(&cache, number, 1 << 10);
    }
    let in_use: Vec<_> = (0..8).map(|number| cache.get(id(number), STAMP)).collect();
    for number in 8..40 {
        insert(&cache, number, 1 << 10);
        assert!(held(&cache) <= 10 * each, "{}", held(&cache));
    }
    assert!((0..8).all(|number| holds(&cache, number)));
    // Removed entries count too while a reader holds them.
    (0..40).for_each(|number| cache.forget(id(number)));
    assert_eq!(held(&cache), 8 * each);
    drop(in_use);
    assert_eq!(held(&cache), 0);
}

#[test]
fn a_dropped_reader_frees_its_collection() {
    let cache = cache(1 << 20);
    let mut dropped = collect(&cache, 1, 100).unwrap();
    dropped.push(&chunk(1, 60));
    drop(dropped);
    assert_eq!(held(&cache), 0);
    insert(&cache, 1, 100);
    assert!(holds(&cache, 1));
}

#[test]
fn a_slow_reader_loses_its_collection_to_the_reader_after_the_next() {
    let cache = cache(1 << 20);
    let mut slow = collect(&cache, 1, 100).unwrap();
    slow.push(&chunk(1, 49));
    collect(&cache, 1, 100).unwrap().finish();
    assert_eq!(held(&cache), 0);
    insert(&cache, 1, 100);
    slow.push(&chunk(2, 51));
    slow.finish();
    assert!(holds(&cache, 1));

    // A collection that is half done is completed.
    let mut slow = collect(&cache, 2, 100).unwrap();
    slow.push(&chunk(2, 50));
    collect(&cache, 2, 100).unwrap().finish();
    slow.push(&chunk(2, 50));
    slow.finish();
    assert!(holds(&cache, 2));
}

#[test]
fn a_collection_of_an_older_state_of_the_storage_is_replaced() {
    let cache = cache(1 << 20);
    let mut old = collect(&cache, 1, 100).unwrap();
    old.push(&chunk(1, 99));
    let changed = Stamp::new([1, 2, 4]);
    let mut new = cache.collect(id(1), changed, 100).unwrap();
    new.push(&chunk(3, 100));
    old.push(&chunk(1, 1));
    old.finish();
    new.finish();
    let entry = cache.get(id(1), changed).unwrap();
    assert_eq!(entry.chunks(), [chunk(3, 100)]);
}
