//! A day in the life of a store whose blobs move to a bucket.

use artifact_cloud_test::{S3Endpoint, SeaweedFs, or_skip};

use crate::day::{SecondServer, Target, day};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_day_in_the_life_goes_on_in_a_bucket() {
    let Some(seaweed) = or_skip("a day with a bucket", SeaweedFs::start().await) else {
        return;
    };
    seaweed.endpoint().create_bucket("artifacts").await.unwrap();
    let endpoint = seaweed.endpoint().url();
    let settings = [
        "--bucket-endpoint",
        &endpoint,
        "--bucket-region",
        S3Endpoint::REGION,
        // It loses the race of two completions of one id, which no two servers ever mint.
        "--bucket-probe",
        "warn",
    ];
    let secrets = [
        ("AWS_ACCESS_KEY_ID", S3Endpoint::ACCESS_KEY),
        ("AWS_SECRET_ACCESS_KEY", S3Endpoint::SECRET_KEY),
    ];
    let target = Target::new("s3://artifacts/day", &settings, &secrets);
    println!("{}", day(target, SecondServer::start(None)).await);
}
