//! The runs, and the table of them.

use std::time::Duration;

use artifact_backend::{ArtifactId, ArtifactInventory as _};
use artifact_cloud_test::FaultProxy;
use futures_util::{StreamExt as _, stream};

use super::act::{Act, By, Told, config};
use super::judge::{Count, HEADING, Truth, Verdict, judge};
use super::plan::{Lasting, OTHERS, Plan, plans};
use crate::place::Place;

/// So many runs go on at once: most of them only wait.
const AT_ONCE: usize = 12;

#[tokio::test(flavor = "multi_thread")]
async fn a_store_on_the_dialect_of_s3_is_answered_truly() {
    if let Some(place) = Place::s3().await {
        is_exact(&place, Act::Store).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_on_the_dialect_of_s3_is_answered_truly() {
    if let Some(place) = Place::s3().await {
        is_exact(&place, Act::Upload).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_on_the_dialect_of_azure_is_answered_truly() {
    if let Some(place) = Place::azure().await {
        is_exact(&place, Act::Store).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_on_the_dialect_of_azure_is_answered_truly() {
    if let Some(place) = Place::azure().await {
        is_exact(&place, Act::Upload).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_on_the_dialect_of_google_is_answered_truly() {
    is_exact(&Place::gcs().await, Act::Store).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_on_the_dialect_of_google_is_answered_truly() {
    is_exact(&Place::gcs().await, Act::Upload).await;
}

/// Ours is right every time; the bare library is the control that the faults are real.
async fn is_exact(place: &Place, act: Act) {
    let (ours, wrong) = count(place, act, By::Ours).await;
    let (bare, _) = count(place, act, By::Bare).await;
    println!("| fault table | {HEADING}");
    println!("| {} {act:?}, ours {ours}", place.name());
    println!("| {} {act:?}, bare {bare}", place.name());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(ours.wrong(), 0);
    assert!(bare.wrong() > 0, "the control found nothing: {bare}");
}

async fn count(place: &Place, act: Act, by: By) -> (Count, Vec<String>) {
    let requests = requests_of(place, act, by).await;
    let runs = plans(requests).into_iter().map(|plan| async move {
        let (told, verdict) = run(place, act, by, &plan).await;
        (plan, told, verdict)
    });
    let mut count = Count::default();
    let mut wrong = Vec::new();
    let mut runs = stream::iter(runs).buffer_unordered(AT_ONCE);
    while let Some((plan, told, verdict)) = runs.next().await {
        count.add(verdict);
        // One fault that passes never hides the truth for good: it must be found out.
        let passes = plan.lasting == Lasting::Once && plan.may_pass();
        let unneeded = verdict == Verdict::Ambiguous && passes;
        if !matches!(verdict, Verdict::Right | Verdict::Ambiguous) || unneeded {
            wrong.push(format!("{verdict:?}: {plan}: {told:?}"));
        }
    }
    (count, wrong)
}

/// How many requests it takes where nothing goes wrong.
async fn requests_of(place: &Place, act: Act, by: By) -> usize {
    let direct = place.another();
    let proxy = FaultProxy::start(direct.address()).await.unwrap();
    let id = ArtifactId::mint();
    let told = act.by(by, &direct.through(proxy.address()), id).await;
    assert_eq!(told, Told::Ok);
    assert_eq!(direct.bytes_of(id).await, Some(act.bytes()));
    assert_eq!(direct.leftover_objects().await, 0);
    proxy.seen().len()
}

async fn run(place: &Place, act: Act, by: By, plan: &Plan) -> (Told, Verdict) {
    let direct = place.another();
    let proxy = FaultProxy::start(direct.address()).await.unwrap();
    let id = ArtifactId::mint();
    let rival = plan.set(&proxy, &direct, id).await;
    let told = act.by(by, &direct.through(proxy.address()), id).await;
    let rival_won = *rival.lock().await;
    let truth = match direct.bytes_of(id).await {
        None => Truth::Nothing,
        Some(bytes) if bytes == act.bytes() => Truth::Ours,
        Some(bytes) if bytes == OTHERS => Truth::Others,
        Some(bytes) => panic!("{plan}: {} bytes of nobody are there", bytes.len()),
    };
    if by == By::Ours {
        leaves_nothing(&direct, plan).await;
        // What was told stays true.
        let later = direct.bytes_of(id).await.is_some();
        assert_eq!(later, truth != Truth::Nothing, "{plan}");
    }
    let verdict = judge(&told, truth, rival_won);
    (told, verdict)
}

/// What could not be removed on the way is removed by a sweep.
async fn leaves_nothing(direct: &Place, plan: &Plan) {
    let backend = direct.open(config().with_answer_timeout(Duration::from_secs(15)));
    backend.sweep(Duration::ZERO).await.unwrap();
    let report = backend.sweep(Duration::ZERO).await.unwrap();
    assert_eq!((report.removed, report.kept), (0, 0), "{plan}");
    assert_eq!(direct.leftover_objects().await, 0, "{plan}");
}
