//! What a drive does. `breaks.rs` has the rest.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use omnistreams::{Call, Code, Error, Session};
use tokio::task::JoinSet;

use crate::breaks;
use crate::pattern::{Counter, MAX_ITEM, Pattern, Tally, wrong};
use crate::streams::{About, ask, down, drain, echo, fill, pour, read, read_all, read_end, read_tally, same};
use crate::{MAX_METADATA, PREFETCH, WINDOW, greeting};

/// In their order.
pub const SCENARIOS: &[&str] = &[
    "hello",
    "echo",
    "calls",
    "long",
    "metadata",
    "one-way",
    "hundred-up",
    "hundred-down",
    "slow-up",
    "slow-down",
    "cancel-up",
    "cancel-down",
    "give-up",
    "fail-up",
    "fail-down",
    "refuse",
    "churn",
    "back",
    "shutdown",
    "leave",
    "abrupt",
];

/// Items before a reader stands still, or cancels.
pub const TAKEN: u64 = 10;
const STREAMS: u32 = 100;

/// What a slow reader gets: one that the window's items stop, and one that its bytes do.
const SLOW: [Pattern; 2] =
    [Pattern { seed: 300, bytes: 200_000, size: 100 }, Pattern { seed: 301, bytes: 8_000_000, size: 30_000 }];

/// One run of a scenario against a server.
pub struct Drive {
    pub session: Session,
    /// Bytes of each of the hundred streams.
    pub size: usize,
}

impl Drive {
    /// Runs a scenario; returns how many bytes it measured.
    pub async fn run(&self, name: &str) -> Result<usize, Error> {
        let s = &self.session;
        match name {
            "hello" => hello(s).await,
            "echo" => echo(s, to_echo(), Pattern::new(1, 1_000_000)).await,
            "calls" => calls(s).await,
            "long" => long(s).await,
            "metadata" => metadata(s).await,
            "one-way" => one_way(s).await,
            "hundred-up" => return self.hundred_up().await,
            "hundred-down" => return self.hundred_down().await,
            "slow-up" => slow_up(s).await,
            "slow-down" => slow_down(s).await,
            "cancel-up" => breaks::cancel_up(s).await,
            "cancel-down" => breaks::cancel_down(s).await,
            "give-up" => breaks::give_up(s).await,
            "fail-up" => breaks::fail_up(s).await,
            "fail-down" => breaks::fail_down(s).await,
            "refuse" => breaks::refuse(s).await,
            "churn" => breaks::churn(s).await,
            "back" => back(s).await,
            "shutdown" => shutdown(s).await,
            "leave" => leave(s).await,
            _ => breaks::abrupt(s).await,
        }
        .map(|()| 0)
    }

    /// So many streams at once to the server, all open before the first item goes out.
    async fn hundred_up(&self) -> Result<usize, Error> {
        let mut calls = Vec::new();
        for i in 0..STREAMS {
            let pattern = Pattern::new(100 + i, self.size);
            calls.push((self.session.call(About::new("sink", pattern).metadata()).await?, pattern));
        }
        each(calls.into_iter().map(|(call, pattern)| fill(call, pattern))).await?;
        Ok(STREAMS as usize * self.size)
    }

    /// So many from the server, all asked for before the first item is read.
    async fn hundred_down(&self) -> Result<usize, Error> {
        let mut calls = Vec::new();
        for i in 0..STREAMS {
            let about = About::with_id("source", Pattern::new(200 + i, self.size), format!("down {i}"));
            calls.push((ask(&self.session, &about).await?, about));
        }
        each(calls.into_iter().map(|(call, about)| {
            let session = self.session.clone();
            async move {
                let got = drain(&mut call.answer.await?, about.pattern).await?;
                same(&last(&session, &about.id, true).await?, &got)
            }
        }))
        .await?;
        Ok(STREAMS as usize * self.size)
    }
}

/// Runs all at once, and returns the first error.
pub async fn each<F>(all: impl Iterator<Item = F>) -> Result<(), Error>
where
    F: Future<Output = Result<(), Error>> + Send + 'static,
{
    let mut tasks = JoinSet::new();
    for one in all {
        tasks.spawn(one);
    }
    while let Some(outcome) = tasks.join_next().await {
        outcome.map_err(|e| wrong(e.to_string()))??;
    }
    Ok(())
}

pub fn to_echo() -> Bytes {
    Bytes::from_static(br#"{"name":"echo"}"#)
}

/// Asks what the other side saw of a stream, with wait once that is over.
pub async fn last(session: &Session, id: &str, wait: bool) -> Result<Tally, Error> {
    let about = About { wait, ..About::with_id("last", Pattern::default(), id) };
    read_tally(&mut ask(session, &about).await?.answer.await?).await
}

/// The other side has said who it is, in metadata of the greatest length.
async fn hello(s: &Session) -> Result<(), Error> {
    let metadata = s.peer_metadata().await?;
    match metadata == greeting("serve") {
        true => small(s).await,
        false => Err(wrong(format!("HELLO has {} bytes of metadata", metadata.len()))),
    }
}

/// A call that goes to and fro.
pub async fn small(s: &Session) -> Result<(), Error> {
    echo(s, to_echo(), Pattern::new(4, 10)).await
}

/// More at once than there are slots.
async fn calls(s: &Session) -> Result<(), Error> {
    each((0..300).map(|i| {
        let s = s.clone();
        async move { echo(&s, to_echo(), Pattern { seed: 1 + i, bytes: 1000, size: 97 }).await }
    }))
    .await
}

/// Items of the greatest length pass, and a longer one fails alone.
async fn long(s: &Session) -> Result<(), Error> {
    let pattern = Pattern { seed: 2, bytes: 3 * MAX_ITEM + 1, size: MAX_ITEM };
    let mut call = s.call(About::new("sink", pattern).metadata()).await?;
    let outcome = call.writer.send(vec![0; MAX_ITEM + 1]).await;
    if !matches!(outcome, Err(Error::TooLong { .. })) {
        return Err(wrong(format!("an item of {} bytes: {outcome:?}", MAX_ITEM + 1)));
    }
    fill(call, pattern).await?;
    down(s, pattern).await
}

/// Metadata of the greatest length passes, and longer it fails alone.
async fn metadata(s: &Session) -> Result<(), Error> {
    let mut about = About::new("echo", Pattern::default());
    about.reason = "m".repeat(MAX_METADATA - about.metadata().len());
    let longer = [about.metadata().as_ref(), b" "].concat();
    let outcome = s.call(longer).await;
    if !matches!(outcome, Err(Error::TooLong { .. })) {
        return Err(wrong(format!("metadata of {} bytes: {outcome:?}", MAX_METADATA + 1)));
    }
    echo(s, about.metadata(), Pattern::new(3, 1000)).await
}

/// The writer gets a receipt.
async fn one_way(s: &Session) -> Result<(), Error> {
    each((0..10).map(|i| {
        let s = s.clone();
        async move {
            let about = About::with_id("sink", Pattern::new(10 + i, 100_000), format!("one-way {i}"));
            let mut out = s.open(about.metadata()).await?;
            let sent = pour(&mut out, about.pattern, |_| {}).await?;
            out.closed().await?;
            same(&last(&s, &about.id, true).await?, &sent)
        }
    }))
    .await
}

/// While the server's reader stands still, this writer gets no further than the
/// window, and other calls go on.
async fn slow_up(s: &Session) -> Result<(), Error> {
    for pattern in SLOW {
        let id = format!("slow-up {}", pattern.seed);
        let about = About { stop: TAKEN, ..About::with_id("sink", pattern, id) };
        let Call { mut writer, answer } = s.call(about.metadata()).await?;
        let written = Arc::new(AtomicU64::new(0));
        let count = written.clone();
        let writing = tokio::spawn(async move {
            pour(&mut writer, pattern, |items| count.store(items, Ordering::Relaxed)).await
        });
        let mut answer = answer.await?;
        match answer.next().await.transpose()? {
            Some(item) if item == "still" => {}
            item => return Err(wrong(format!("instead of standing still: {item:?}"))),
        }
        stuck(s, pattern.size, async || Ok(written.load(Ordering::Relaxed))).await?;
        let go = ask(s, &About::with_id("go", Pattern::default(), &about.id)).await?;
        read_end(&mut go.answer.await?).await?;
        let sent = writing.await.map_err(|e| wrong(e.to_string()))??;
        same(&read_tally(&mut answer).await?, &sent)?;
    }
    Ok(())
}

/// The same with this reader and the server's writer.
async fn slow_down(s: &Session) -> Result<(), Error> {
    for pattern in SLOW {
        let about = About::with_id("source", pattern, format!("slow-down {}", pattern.seed));
        let mut answer = ask(s, &about).await?.answer.await?;
        let mut counter = Counter::new(pattern);
        read(&mut answer, &mut counter, TAKEN).await?;
        stuck(s, pattern.size, async || Ok(last(s, &about.id, false).await?.items)).await?;
        read_all(&mut answer, &mut counter).await?;
        same(&last(s, &about.id, true).await?, &counter.tally(None))?;
    }
    Ok(())
}

/// Waits until a writer has used up the least window, and moves no more during
/// ten calls.
async fn stuck(s: &Session, size: usize, written: impl AsyncFn() -> Result<u64, Error>) -> Result<(), Error> {
    let least = (PREFETCH as u64).min((MAX_ITEM / size) as u64);
    let most = TAKEN + (PREFETCH as u64).min((WINDOW as usize / size) as u64);
    let (mut before, mut still) = (0, 0);
    while still < 10 {
        small(s).await?;
        let now = written().await?;
        if now > most {
            return Err(wrong(format!(
                "{now} items of {size} bytes are written though the reader took {TAKEN}: at most {most} should be"
            )));
        }
        still = if now < least || now != before { 0 } else { still + 1 };
        before = now;
    }
    Ok(())
}

/// The server opens streams to this side.
async fn back(s: &Session) -> Result<(), Error> {
    let call = ask(s, &About::new("back", Pattern::new(500, 1_000_000))).await?;
    read_end(&mut call.answer.await?).await
}

/// A stream that lives when it begins comes to its end, a new one is not opened,
/// and both sides say goodbye.
async fn shutdown(s: &Session) -> Result<(), Error> {
    let pattern = Pattern::new(600, 1_000_000);
    let mut answer = ask(s, &About::new("source", pattern)).await?.answer.await?;
    let mut counter = Counter::new(pattern);
    read(&mut answer, &mut counter, 1).await?;
    s.begin_shutdown("bye");
    no_more(s).await?;
    read_all(&mut answer, &mut counter).await?;
    s.closed().await
}

/// Makes calls until one fails since the session is shutting down.
async fn no_more(s: &Session) -> Result<(), Error> {
    loop {
        match small(s).await {
            Ok(()) => {}
            Err(error) if error.code() == Some(Code::SHUTTING_DOWN) => return Ok(()),
            Err(error) => return Err(error),
        }
    }
}

/// The same when the server begins it.
async fn leave(s: &Session) -> Result<(), Error> {
    let pattern = Pattern::new(601, 1_000_000);
    let mut answer = ask(s, &About::new("source", pattern)).await?.answer.await?;
    let mut counter = Counter::new(pattern);
    read(&mut answer, &mut counter, 1).await?;
    let leave = ask(s, &About::new("leave", Pattern::default())).await?;
    read_end(&mut leave.answer.await?).await?;
    no_more(s).await?;
    read_all(&mut answer, &mut counter).await?;
    s.closed().await
}
