//! What handlers and scenarios do with streams.

use bytes::Bytes;
use omnistreams::{Call, Error, Reader, Session, Writer};
use serde::{Deserialize, Serialize};

use crate::pattern::{Counter, Pattern, Tally, status, wrong};

/// The metadata of a stream, all names together.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct About {
    pub name: String,
    #[serde(flatten)]
    pub pattern: Pattern,
    /// Under which last tells of the stream.
    pub id: String,
    /// sink: stand still after so many items.
    pub stop: u64,
    /// sink: cancel after so many items.
    pub cancel: u64,
    /// source: break off after so many items.
    pub fail: u64,
    /// With which.
    pub code: u32,
    pub reason: String,
    /// last: wait until the stream is over.
    pub wait: bool,
}

impl About {
    pub fn new(name: &str, pattern: Pattern) -> About {
        About { name: name.into(), pattern, ..About::default() }
    }

    pub fn with_id(name: &str, pattern: Pattern, id: impl Into<String>) -> About {
        About { id: id.into(), ..About::new(name, pattern) }
    }

    pub fn metadata(&self) -> Bytes {
        to_json(self)
    }
}

pub fn to_json(value: &impl Serialize) -> Bytes {
    serde_json::to_vec(value).expect("has a JSON form").into()
}

/// Writes all items of a pattern and the end, and tells of each.
pub async fn pour(out: &mut Writer, pattern: Pattern, mut wrote: impl FnMut(u64)) -> Result<Tally, Error> {
    let mut counter = Counter::new(pattern);
    for item in pattern.items() {
        out.send(item.clone()).await?;
        counter.add(&item);
        wrote(counter.items);
    }
    out.end().await?;
    Ok(counter.tally(None))
}

/// Reads the next item if it is due.
async fn read_one(reader: &mut Reader, counter: &mut Counter) -> Result<bool, Error> {
    let Some(item) = reader.next().await else { return Ok(false) };
    let outcome = counter.take(&item?);
    if let Err(error) = &outcome {
        let status = status(error);
        reader.cancel(status.code, &status.reason);
    }
    outcome.map(|()| true)
}

/// Reads n items of a pattern.
pub async fn read(reader: &mut Reader, counter: &mut Counter, n: u64) -> Result<(), Error> {
    for i in 0..n {
        if !read_one(reader, counter).await? {
            return Err(wrong(format!("the stream ends, and {} more items should come", n - i)));
        }
    }
    Ok(())
}

/// Reads the rest of a pattern and the end.
pub async fn read_all(reader: &mut Reader, counter: &mut Counter) -> Result<(), Error> {
    while read_one(reader, counter).await? {}
    counter.complete()
}

/// Reads a pattern to the end.
pub async fn drain(reader: &mut Reader, pattern: Pattern) -> Result<Tally, Error> {
    let mut counter = Counter::new(pattern);
    read_all(reader, &mut counter).await?;
    Ok(counter.tally(None))
}

/// Calls without items.
pub async fn ask(session: &Session, about: &About) -> Result<Call, Error> {
    let mut call = session.call(about.metadata()).await?;
    call.writer.end().await?;
    Ok(call)
}

/// Reads the end, and nothing before it.
pub async fn read_end(reader: &mut Reader) -> Result<(), Error> {
    match reader.next().await.transpose()? {
        None => Ok(()),
        Some(item) => Err(wrong(format!("instead of the end: {} bytes", item.len()))),
    }
}

/// Reads one tally and the end.
pub async fn read_tally(reader: &mut Reader) -> Result<Tally, Error> {
    let Some(item) = reader.next().await.transpose()? else {
        return Err(wrong("the stream ends before the tally"));
    };
    read_end(reader).await?;
    serde_json::from_slice(&item).map_err(|e| wrong(e.to_string()))
}

pub fn same(saw: &Tally, want: &Tally) -> Result<(), Error> {
    match saw == want {
        true => Ok(()),
        false => Err(wrong(format!("the other side saw {saw:?} instead of {want:?}"))),
    }
}

/// Writes a pattern to a sink that was called.
pub async fn fill(mut call: Call, pattern: Pattern) -> Result<(), Error> {
    let sent = pour(&mut call.writer, pattern, |_| {}).await?;
    call.writer.closed().await?;
    same(&read_tally(&mut call.answer.await?).await?, &sent)
}

/// Sends a pattern to the other side's sink, and checks what that says.
pub async fn up(session: &Session, pattern: Pattern) -> Result<(), Error> {
    fill(session.call(About::new("sink", pattern).metadata()).await?, pattern).await
}

/// Reads a pattern from the other side's source.
pub async fn down(session: &Session, pattern: Pattern) -> Result<(), Error> {
    let call = ask(session, &About::new("source", pattern)).await?;
    drain(&mut call.answer.await?, pattern).await.map(drop)
}

/// Sends a pattern and reads it again.
pub async fn echo(session: &Session, metadata: Bytes, pattern: Pattern) -> Result<(), Error> {
    let Call { mut writer, answer } = session.call(metadata.clone()).await?;
    let reading = async {
        let mut answer = answer.await?;
        if *answer.metadata() != metadata {
            return Err(wrong("the answer has other metadata than the call"));
        }
        drain(&mut answer, pattern).await
    };
    tokio::try_join!(pour(&mut writer, pattern, |_| {}), reading).map(drop)
}
