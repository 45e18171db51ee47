//! Groups in groups, without cycles.

use super::groups::has_members;
use crate::scenario::{Outcome, scenarios};
use crate::site::Context;

scenarios!("cycles":
    a_group_cannot_contain_itself ["G-5"],
    two_groups_cannot_contain_each_other ["G-5"],
    a_long_chain_of_groups_cannot_form_a_cycle ["G-5"],
    rejected_cycles_change_nothing ["G-5"],
    a_diamond_of_groups_is_accepted ["G-5"],
    edges_may_be_reversed_after_removal ["G-5"],
    deleted_groups_do_not_form_cycles ["G-5", "G-6"],
    concurrent_edges_cannot_form_a_cycle ["G-5"],
);

async fn a_group_cannot_contain_itself(site: Context) -> Outcome {
    let group = site.group(&[]).await?;
    let reply = site.add(&group, &group).await?;
    reply.problem(409, "cycle-detected")?;
    Ok(())
}

async fn two_groups_cannot_contain_each_other(site: Context) -> Outcome {
    let one = site.group(&[]).await?;
    let other = site.group(&[&one]).await?;
    site.add(&one, &other)
        .await?
        .problem(409, "cycle-detected")?;
    Ok(())
}

async fn a_long_chain_of_groups_cannot_form_a_cycle(site: Context) -> Outcome {
    let first = site.group(&[]).await?;
    let mut chain = vec![first.clone()];
    for _ in 0..20 {
        let inner = chain.last().cloned().unwrap_or_default();
        chain.push(site.group(&[&inner]).await?);
    }
    // Each group contains the first one, through those between.
    for outer in &chain {
        let reply = site.add(&first, outer).await?;
        reply.problem(409, "cycle-detected")?;
    }
    Ok(())
}

async fn rejected_cycles_change_nothing(site: Context) -> Outcome {
    let one = site.group(&[]).await?;
    let other = site.group(&[&one]).await?;
    site.add(&one, &other)
        .await?
        .problem(409, "cycle-detected")?;
    let reply = site
        .call("GET", &format!("/groups/{one}"))
        .by(&site.admin)
        .send()
        .await?;
    has_members(&reply, &[])?;
    let reply = site
        .call("GET", &format!("/groups/{other}"))
        .by(&site.admin)
        .send()
        .await?;
    has_members(&reply, &[&one])
}

async fn a_diamond_of_groups_is_accepted(site: Context) -> Outcome {
    let bottom = site.group(&[]).await?;
    let left = site.group(&[&bottom]).await?;
    let right = site.group(&[&bottom]).await?;
    let top = site.group(&[&left]).await?;
    has_members(&site.add(&top, &right).await?, &[&left, &right])?;
    has_members(&site.add(&top, &bottom).await?, &[&left, &right, &bottom])
}

async fn edges_may_be_reversed_after_removal(site: Context) -> Outcome {
    let one = site.group(&[]).await?;
    let other = site.group(&[&one]).await?;
    site.add(&one, &other)
        .await?
        .problem(409, "cycle-detected")?;
    site.remove(&other, &one).await?.status(200)?;
    has_members(&site.add(&one, &other).await?, &[&other])
}

async fn deleted_groups_do_not_form_cycles(site: Context) -> Outcome {
    let inner = site.group(&[]).await?;
    let middle = site.group(&[&inner]).await?;
    let outer = site.group(&[&middle]).await?;
    site.add(&inner, &outer)
        .await?
        .problem(409, "cycle-detected")?;
    let call = site
        .call("DELETE", &format!("/groups/{middle}"))
        .by(&site.admin);
    call.send().await?.status(204)?;
    has_members(&site.add(&inner, &outer).await?, &[&outer])
}

async fn concurrent_edges_cannot_form_a_cycle(site: Context) -> Outcome {
    for _ in 0..10 {
        let one = site.group(&[]).await?;
        let other = site.group(&[]).await?;
        let (first, second) = tokio::join!(site.add(&one, &other), site.add(&other, &one));
        let (first, second) = (first?, second?);
        let mut statuses = [first.status, second.status];
        statuses.sort_unstable();
        first.check(
            statuses == [200, 409],
            "one 200 and one 409",
            format!("{statuses:?}"),
        )?;
        let refused = if first.status == 409 { &first } else { &second };
        refused.problem(409, "cycle-detected")?;
    }
    Ok(())
}
