//! Verified ranges are the slices of what was deposited.

use artifact_backend::ByteRange;
use artifact_store::StoreConfig;
use proptest::prelude::*;

use super::site::{Outcome, Site, read, usizes};
use crate::support::bytes;

fn config(memory: usize, cache: usize) -> StoreConfig {
    StoreConfig::default()
        .with_read_memory_bytes(memory)
        .with_verified_cache_bytes(cache)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn ranges_are_slices(
        size in prop_oneof![1..70_000_usize, 60_000..70_000_usize, 120_000..140_000_usize, 1..1_500_000_usize],
        ranges in prop::collection::vec((any::<u64>(), prop_oneof![1..20_u64, 1..70_000_u64, 1..2_000_000_u64]), 1..8),
        suffix in 1..200_000_u64,
        memory in prop_oneof![Just(0_usize), Just(1 << 20), Just(64 << 20)],
        cache in prop_oneof![Just(0_usize), Just(64 << 20)],
        adapts in any::<bool>(),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let site = Site::with(config(memory, cache), adapts).await;
            let content = bytes(size);
            let id = site.deposit(&content).await;
            for (n, (start, length)) in ranges.into_iter().enumerate() {
                let start = start % size as u64;
                let end = (start + length).min(size as u64);
                let outcome = read(&site.store, id, start..end).await;
                let expected = Outcome { bytes: content[usizes(&(start..end))].to_vec(), error: None };
                prop_assert!(outcome == expected, "{start}..{end} of {size}");
                if n == 2 {
                    // Later ranges may come from the memory of verified artifacts.
                    prop_assert_eq!(read(&site.store, id, ByteRange::Full).await.error, None);
                }
            }
            let outcome = read(&site.store, id, ByteRange::Suffix(suffix)).await;
            let from = size.saturating_sub(usize::try_from(suffix).unwrap());
            prop_assert!(outcome.bytes == content[from..] && outcome.error.is_none());
            Ok(())
        })?;
    }
}
