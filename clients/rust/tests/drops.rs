//! Everything is dropped at every moment: futures, streams, calls. No slot is
//! lost by it, and the session ends in order.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use futures_util::{SinkExt, future::join_all};
use omnistreams::transport::pair;
use omnistreams::{Error, Incoming, Options, Session};
use tokio::time::timeout;

/// Polls so often, and then drops.
async fn at_most<T>(polls: usize, future: impl Future<Output = T>) -> Option<T> {
    let mut future = pin!(future);
    let mut left = polls;
    let outcome = poll_fn(|cx| match (left, future.as_mut().poll(cx)) {
        (_, Poll::Ready(value)) => Poll::Ready(Some(value)),
        (0, Poll::Pending) => Poll::Ready(None),
        (_, Poll::Pending) => {
            left -= 1;
            Poll::Pending
        }
    })
    .await;
    // What it waits for may come before it is dropped.
    for _ in 0..polls % 4 {
        tokio::task::yield_now().await;
    }
    outcome
}

/// A call with a question of 10 items, all of them echoed.
async fn call(session: &Session, metadata: &'static str) -> Result<(), Error> {
    let mut call = session.call(metadata).await?;
    let mut answer = call.answer.await?;
    for n in 0..10u8 {
        call.writer.send(vec![n; 600]).await?;
        assert_eq!(answer.next().await.expect("an item")?, vec![n; 600]);
        tokio::task::yield_now().await;
    }
    call.writer.end().await?;
    assert_eq!(answer.next().await.transpose()?, None);
    call.writer.closed().await
}

/// A one-way stream whose writer feeds a sink.
async fn one_way(session: &Session) -> Result<(), Error> {
    let mut writer = session.open("").await?;
    for n in 0..10 {
        writer.feed(vec![n; 600].into()).await?;
        tokio::task::yield_now().await;
    }
    SinkExt::close(&mut writer).await?;
    writer.closed().await
}

async fn serve(mut incoming: Incoming) -> Result<(), Error> {
    if !incoming.is_call() {
        while let Some(item) = incoming.reader().next().await {
            item?;
        }
        return Ok(());
    }
    tokio::task::yield_now().await;
    let mut answer = incoming.reply("")?;
    while let Some(item) = incoming.reader().next().await {
        answer.send(item?).await?;
    }
    answer.finish().await
}

async fn accept(session: Session) {
    let mut turn = 0;
    loop {
        // Dropped, and again.
        let accepted = match at_most(turn % 5, session.accept()).await {
            Some(accepted) => accepted,
            None => session.accept().await,
        };
        let Some(incoming) = accepted else { return };
        turn += 1;
        let whole = incoming.metadata() == "whole";
        tokio::spawn(at_most(if whole { usize::MAX } else { turn * 7 % 31 }, serve(incoming)));
    }
}

#[tokio::test]
async fn whatever_is_dropped_frees_its_slot() {
    // Little credit, so there are waits of all kinds.
    let options =
        Options { streams: 2, items: 1, bytes: 1000, max_item: 1000, prefetch: 2, ..Options::default() };
    let ((read_a, write_a), (read_b, write_b)) = pair();
    let a = Session::new(read_a, write_a, options.clone());
    let b = Session::new(read_b, write_b, options);
    let serving = [tokio::spawn(accept(a.clone())), tokio::spawn(accept(b.clone()))];
    let chaos = async |session: &Session| {
        for polls in 0..400 {
            let polls = polls % 80;
            let _ = at_most(polls, call(session, "")).await;
            let both = async { tokio::join!(call(session, ""), one_way(session), call(session, "")) };
            let _ = at_most(polls * 2 % 83, both).await;
        }
    };
    timeout(Duration::from_secs(60), async { tokio::join!(chaos(&a), chaos(&b)) }).await.expect("it moves");
    // As many as there are slots, and one that waits for them.
    for session in [&a, &b] {
        let whole = join_all((0..3).map(|_| call(session, "whole")));
        let outcomes = timeout(Duration::from_secs(10), whole).await.expect("there are slots");
        assert_eq!(outcomes, [Ok(()), Ok(()), Ok(())]);
    }
    let ended = timeout(Duration::from_secs(10), a.shutdown("")).await.expect("nothing lives");
    assert_eq!((ended, b.closed().await), (Ok(()), Ok(())));
    for task in serving {
        task.await.expect("no panic");
    }
}
