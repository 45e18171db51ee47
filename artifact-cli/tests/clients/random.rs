//! Random decisions that can be repeated.

/// The variable that repeats the decisions of a run.
const SEED: &str = "ARTIFACT_TEST_SEED";

/// Random numbers from a seed (splitmix64).
#[derive(Debug)]
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

/// Returns the seed of this run, and prints it.
#[expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "not a setting of the program; people set it to repeat a run"
)]
pub(crate) fn seed() -> u64 {
    let given = std::env::var(SEED).ok();
    let given = given.map(|text| text.parse().expect("a seed is a number"));
    let seed = given.unwrap_or_else(|| {
        let bytes = *artifact_backend::ArtifactId::mint().as_bytes();
        Random(u64::from_le_bytes(bytes[..8].try_into().unwrap())).next()
    });
    println!("{SEED}={seed} repeats the decisions of this run");
    seed
}
