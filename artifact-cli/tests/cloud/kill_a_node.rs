//! Kills and restarts one of three storage nodes, then one of two servers, under load. No acknowledged
//! deposit may be lost.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::harness::{Server, TOKEN};
use crate::load::{Load, lost};
use crate::site::Site;

const CLIENTS: u64 = 16;
const WHOLE: Duration = Duration::from_secs(6);
const NODE_DEAD: Duration = Duration::from_secs(12);
const AFTER: Duration = Duration::from_secs(6);
const SERVER_DEAD: Duration = Duration::from_secs(2);

#[tokio::test(flavor = "multi_thread")]
async fn nothing_acknowledged_is_lost_when_a_node_is_killed_and_brought_back() {
    let Some(mut site) = Site::start().await else {
        return;
    };
    let url = format!("http://{}", site.front.address());
    let load = Load::start(&url, TOKEN, CLIENTS);
    let began = Instant::now();
    // How long each phase lasts is what is tested, not what is waited for.
    sleep(WHOLE).await;
    let mut phases = vec![("all there", began.elapsed())];
    site.cluster.kill(1);
    sleep(NODE_DEAD).await;
    site.cluster.revive(1).await.unwrap();
    phases.push(("a node killed", began.elapsed()));
    sleep(AFTER).await;
    phases.push(("brought back", began.elapsed()));
    let before = site.deposits();
    site.kill_server(0);
    sleep(SERVER_DEAD).await;
    let without = site.deposits();
    site.revive_server(0);
    phases.push(("a server killed", began.elapsed()));
    sleep(AFTER).await;
    let (client, seen) = load.stop().await;
    phases.push(("brought back", began.elapsed()));

    println!("| phase | lasts | deposits/s | slowest deposit | failed requests |");
    println!("|---|---|---|---|---|");
    let mut from = Duration::ZERO;
    for (name, to) in phases {
        println!("{}", seen.phase(name, from, to));
        from = to;
    }
    let lost = lost(&client, &seen.kept).await;
    let after = site.deposits();
    println!(
        "{CLIENTS} clients: {} deposits acknowledged, {} fetches right, {} wrong, {} lost; \
         failures {:?}; deposits by each server {before:?} before one is killed, {without:?} \
         without it, {after:?} in all",
        seen.kept.len(),
        seen.fetched,
        seen.wrong,
        lost.len(),
        seen.kinds()
    );

    if !lost.is_empty() {
        // The log has the reason; no client gets it.
        let logs = site.servers.each_ref().map(Server::stderr);
        let errors = logs.iter().flat_map(|log| log.lines());
        let errors = errors.filter(|line| line.contains(r#""level":"ERROR""#));
        errors.take(10).for_each(|line| println!("{line}"));
    }
    assert!(lost.is_empty(), "{}", lost.join("\n"));
    assert_eq!(seen.wrong, 0);
    assert!(seen.kept.len() > 100, "too few to say anything");
    // Each has its share, and the one that was killed has one again.
    assert!(before.iter().all(|deposits| *deposits > 10), "{before:?}");
    assert!(after[0] > without[0] + 10, "{without:?}, {after:?}");
    for (at, error) in &seen.failures {
        assert!(error.is_retryable(), "after {at:?}: {error:?}");
    }
}
