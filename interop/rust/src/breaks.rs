//! Scenarios in which a stream or the session breaks off.

use std::fmt::Debug;

use omnistreams::{Call, Code, Error, Session, Writer};

use crate::PREFETCH;
use crate::pattern::{Counter, Pattern, Tally, wrong};
use crate::scenarios::{TAKEN, each, last, small};
use crate::streams::{About, ask, pour, read, read_all, read_tally};

/// Nobody reads it to the end.
const ENDLESS: Pattern = Pattern::new(400, 50_000_000);
const BECAUSE: &str = "genug – もう十分 ✋";

/// Code and reason of a writer that breaks off, and what is received of the
/// reason: the second is cut after the last whole rune within 1,024 bytes.
fn reasons() -> [(u32, String, String); 2] {
    let short = "kaputt – 壊れた ✗";
    let long = |n| format!("x{}", "ü".repeat(n));
    [(u32::MAX, short.into(), short.into()), (256, long(600), long(511))]
}

/// Checks that an error is the other side's, with code and reason.
fn broken<T: Debug>(outcome: Result<T, Error>, code: u32, reason: &str) -> Result<(), Error> {
    match &outcome {
        Err(Error::Failed(s) | Error::Closed(s)) if s.code == Code(code) && s.reason == reason => Ok(()),
        _ => Err(wrong(format!("instead of code {code}, {reason:?} of the other side: {outcome:?}"))),
    }
}

fn refused<T: Debug>(outcome: Result<T, Error>, what: &str) -> Result<(), Error> {
    match &outcome {
        Err(Error::Closed(s)) if s.code == Code::REFUSED => Ok(()),
        _ => Err(wrong(format!("{what}: {outcome:?}"))),
    }
}

/// Writes until the stream is canceled.
async fn canceled(out: &mut Writer, about: &About) -> Result<(), Error> {
    let mut written = 0;
    let outcome = pour(out, about.pattern, |items| written = items).await;
    broken(outcome, about.code, &about.reason)?;
    if !(TAKEN..=TAKEN + PREFETCH as u64).contains(&written) {
        return Err(wrong(format!("{written} items were written to a reader that took {TAKEN}")));
    }
    broken(out.closed().await, about.code, &about.reason)
}

/// Checks how a stream ended for the server.
fn ended(saw: &Tally, items: u64, code: u32, reason: &str) -> Result<(), Error> {
    match saw.items == items && saw.code == code && saw.reason == reason {
        true => Ok(()),
        false => {
            Err(wrong(format!("the server saw {saw:?} instead of {items} items, code {code}, {reason:?}")))
        }
    }
}

/// Writes so many items, then fails.
async fn break_off(out: &mut Writer, items: u64, code: u32, reason: &str) -> Result<(), Error> {
    for item in ENDLESS.items().take(items as usize) {
        out.send(item).await?;
    }
    out.fail(code, reason);
    Ok(())
}

/// The server cancels what it reads, of a call and of a one-way stream, and the
/// writer here is told why.
pub async fn cancel_up(s: &Session) -> Result<(), Error> {
    let mut about = About { cancel: TAKEN, code: 300, reason: BECAUSE.into(), ..About::new("sink", ENDLESS) };
    let Call { mut writer, answer } = s.call(about.metadata()).await?;
    canceled(&mut writer, &about).await?;
    ended(&read_tally(&mut answer.await?).await?, TAKEN, 300, BECAUSE)?;
    about.id = "cancel-up".into();
    canceled(&mut s.open(about.metadata()).await?, &about).await?;
    ended(&last(s, &about.id, true).await?, TAKEN, 300, BECAUSE)
}

/// This side cancels an answer, and the server's writer is told why.
pub async fn cancel_down(s: &Session) -> Result<(), Error> {
    let about = About::with_id("source", ENDLESS, "cancel-down");
    let mut answer = ask(s, &about).await?.answer.await?;
    read(&mut answer, &mut Counter::new(ENDLESS), TAKEN).await?;
    answer.cancel(301, BECAUSE);
    let saw = last(s, &about.id, true).await?;
    if !(TAKEN..=TAKEN + PREFETCH as u64).contains(&saw.items) {
        return Err(wrong(format!("the writer whose reader canceled saw {saw:?}")));
    }
    ended(&saw, saw.items, 301, BECAUSE)
}

/// This side gives up a call that has no answer yet.
pub async fn give_up(s: &Session) -> Result<(), Error> {
    let about = About::with_id("source", ENDLESS, "give-up");
    s.call(about.metadata()).await?.cancel(302, BECAUSE);
    ended(&last(s, &about.id, true).await?, 0, 302, BECAUSE)
}

/// This side breaks off what it writes; the server reads what came before, then why.
pub async fn fail_up(s: &Session) -> Result<(), Error> {
    for (i, (code, reason, received)) in reasons().into_iter().enumerate() {
        let mut about = About::with_id("sink", ENDLESS, format!("fail-up {i}"));
        let Call { mut writer, answer } = s.call(about.metadata()).await?;
        let mut answer = answer.await?;
        break_off(&mut writer, TAKEN, code, &reason).await?;
        ended(&last(s, &about.id, true).await?, TAKEN, code, &received)?;
        // The sink breaks off its answer with what it saw.
        broken(answer.next().await.transpose(), code, &received)?;

        about.id += " one-way";
        break_off(&mut s.open(about.metadata()).await?, TAKEN, code, &reason).await?;
        ended(&last(s, &about.id, true).await?, TAKEN, code, &received)?;
    }
    Ok(())
}

/// The server breaks off what it writes.
pub async fn fail_down(s: &Session) -> Result<(), Error> {
    for (i, (code, reason, received)) in reasons().into_iter().enumerate() {
        let about = About {
            fail: TAKEN,
            code,
            reason,
            ..About::with_id("source", ENDLESS, format!("fail-down {i}"))
        };
        let mut answer = ask(s, &about).await?.answer.await?;
        read(&mut answer, &mut Counter::new(ENDLESS), TAKEN).await?;
        broken(answer.next().await.transpose(), code, &received)?;
    }
    Ok(())
}

/// Names that nobody serves, and metadata without one, are refused.
pub async fn refuse(s: &Session) -> Result<(), Error> {
    for metadata in
        [r#"{"name":"nobody"}"#, r#"{"Name":"echo"}"#, r#"{"name":7}"#, r#"["name"]"#, "not JSON", ""]
    {
        let Call { mut writer, answer } = s.call(metadata).await?;
        refused(answer.await, &format!("a call of {metadata}"))?;
        refused(pour(&mut writer, ENDLESS, |_| {}).await, &format!("the question of {metadata}"))?;
        refused(s.open(metadata).await?.closed().await, &format!("a stream of {metadata}"))?;
    }
    Ok(())
}

/// Streams that break off in all ways and at all times, more than there are
/// slots, leave nothing behind.
pub async fn churn(s: &Session) -> Result<(), Error> {
    each((0..400).map(|i| {
        let s = s.clone();
        async move {
            let items = 1 + i % 19;
            match i % 4 {
                0 => churn_cancel(&s, items).await,
                1 => churn_canceled(&s, items).await,
                2 => churn_give_up(&s).await,
                _ => churn_fail(&s, items).await,
            }
        }
    }))
    .await?;
    small(s).await
}

/// Cancels an answer after so many items.
async fn churn_cancel(s: &Session, items: u64) -> Result<(), Error> {
    let mut answer = ask(s, &About::new("source", ENDLESS)).await?.answer.await?;
    read(&mut answer, &mut Counter::new(ENDLESS), items).await?;
    answer.cancel(303, BECAUSE);
    Ok(())
}

/// Writes until it is canceled after so many items.
async fn churn_canceled(s: &Session, items: u64) -> Result<(), Error> {
    let reason = BECAUSE.into();
    let about = About { cancel: items, code: 304, reason, ..About::new("sink", ENDLESS) };
    let mut out = s.open(about.metadata()).await?;
    broken(pour(&mut out, ENDLESS, |_| {}).await, 304, BECAUSE)
}

/// Gives up a call at once.
async fn churn_give_up(s: &Session) -> Result<(), Error> {
    s.call(About::new("source", ENDLESS).metadata()).await?.cancel(305, BECAUSE);
    Ok(())
}

/// Breaks off a question after so many items.
async fn churn_fail(s: &Session, items: u64) -> Result<(), Error> {
    let Call { mut writer, answer } = s.call(About::new("sink", ENDLESS).metadata()).await?;
    let mut answer = answer.await?;
    break_off(&mut writer, items, 306, BECAUSE).await?;
    broken(answer.next().await.transpose(), 306, BECAUSE)
}

/// Of a session that is broken off the server tells otherwise.
pub async fn abrupt(s: &Session) -> Result<(), Error> {
    let mut answer = ask(s, &About::new("source", ENDLESS)).await?.answer.await?;
    let mut counter = Counter::new(ENDLESS);
    read(&mut answer, &mut counter, 1).await?;
    s.close(1, "closed");
    match read_all(&mut answer, &mut counter).await {
        Err(Error::Lost(_)) => {}
        outcome => return Err(wrong(format!("a stream of a session that was closed: {outcome:?}"))),
    }
    s.closed().await.expect_err("it was closed");
    Ok(())
}
