//! Tests of the queue with real threads. `tests/model` has those of its interleavings.

use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use super::patience::Patience;
use super::queue::{Queue, Queued};

impl Queued for u8 {
    fn length(&self) -> usize {
        1
    }

    fn refuse(self) {}
}

/// Takes a group that waits for as many requests far longer than a test runs.
fn take(queue: &Arc<Queue<u8>>, wanted: usize) -> mpsc::Receiver<Option<Vec<u8>>> {
    let mut patience = Patience::new();
    patience.committed(wanted, 0, Duration::from_hours(10));
    let (sender, receiver) = mpsc::channel();
    let queue = Arc::clone(queue);
    thread::spawn(move || {
        let group = queue.take(&mut patience);
        sender.send(group).expect("the test waits for it");
    });
    receiver
}

fn received(receiver: &mpsc::Receiver<Option<Vec<u8>>>) -> Option<Vec<u8>> {
    let group = receiver.recv_timeout(Duration::from_secs(30));
    group.expect("the wait ends long before its time is over")
}

#[test]
fn the_last_expected_request_ends_the_wait() {
    let queue = Arc::new(Queue::new(8));
    let group = take(&queue, 2);
    queue.push(1);
    queue.push(2);
    assert_eq!(received(&group), Some(vec![1, 2]));
}

#[test]
fn the_end_of_the_queue_ends_the_wait() {
    let queue = Arc::new(Queue::new(8));
    let group = take(&queue, 2);
    queue.push(1);
    queue.close();
    assert_eq!(received(&group), Some(vec![1]));
}

#[test]
fn a_full_group_ends_the_wait() {
    let queue = Arc::new(Queue::new(2));
    let group = take(&queue, 8);
    for request in 1..=3 {
        queue.push(request);
    }
    assert_eq!(received(&group), Some(vec![1, 2]));
    let group = take(&queue, 8);
    queue.push(4);
    queue.push(5);
    assert_eq!(received(&group), Some(vec![3, 4]));
    for request in 6..=8 {
        queue.push(request);
    }
    // It is full before the wait.
    assert_eq!(received(&take(&queue, 8)), Some(vec![5, 6]));
}
