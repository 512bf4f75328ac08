//! What both sides of a session serve.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use omnistreams::{Code, Error, Incoming, Session, Status, Writer, pipe};
use serde_json::Value;
use tokio::sync::watch;

use crate::pattern::{Counter, Tally, status, wrong};
use crate::streams::{About, down, read_end, to_json, up};

/// What a session knows of one of its streams, which may not have begun.
struct Record {
    tally: Mutex<Tally>,
    /// go was called.
    going: watch::Sender<bool>,
    over: watch::Sender<bool>,
}

impl Record {
    fn new() -> Record {
        Record { tally: Mutex::default(), going: watch::Sender::new(false), over: watch::Sender::new(false) }
    }

    fn moved(&self, counter: &Counter) {
        let mut tally = self.tally.lock().unwrap();
        tally.items = counter.items;
        tally.bytes = counter.bytes;
    }

    fn ended(&self, counter: &Counter, error: Option<&Error>) {
        *self.tally.lock().unwrap() = counter.tally(error);
        self.over.send_replace(true);
    }
}

async fn set(flag: &watch::Sender<bool>) {
    // The sender lives as long as the wait.
    let _ = flag.subscribe().wait_for(|set| *set).await;
}

/// The handlers of one session.
#[derive(Clone)]
struct Handlers {
    session: Session,
    records: Arc<Mutex<HashMap<String, Arc<Record>>>>,
}

/// Serves a session until no more streams come.
pub async fn serve(session: Session) {
    let handlers = Handlers { session: session.clone(), records: Arc::default() };
    while let Some(incoming) = session.accept().await {
        tokio::spawn(handlers.clone().handle(incoming));
    }
}

impl Handlers {
    async fn handle(self, mut incoming: Incoming) {
        let Some(about) = named(incoming.metadata()) else {
            return incoming.refuse("the metadata is not a JSON object with a name");
        };
        if about.name == "echo" {
            return echo(incoming).await;
        }
        let mut out = None;
        let outcome = match about.name.as_str() {
            "sink" => self.sink(&mut incoming, &mut out, &about).await,
            "source" => self.source(&mut incoming, &mut out, &about).await,
            "go" => self.go(&mut incoming, &about).await,
            "last" => self.last(&mut incoming, &about).await,
            "back" => self.back(&mut incoming, &about).await,
            "leave" => self.leave(&mut incoming).await,
            name => return incoming.refuse(&format!("there is no {name:?} here")),
        };
        if let Err(error) = outcome {
            // What is open ends with why it failed.
            let Status { code, reason } = status(&error);
            if let Some(mut out) = out {
                out.fail(code, &reason);
            }
            incoming.close(code, &reason);
        }
    }

    fn record(&self, id: &str) -> Arc<Record> {
        if id.is_empty() {
            return Arc::new(Record::new());
        }
        let mut records = self.records.lock().unwrap();
        records.entry(id.into()).or_insert_with(|| Arc::new(Record::new())).clone()
    }

    /// Reads all, checks it, and answers with a tally.
    async fn sink(
        &self,
        incoming: &mut Incoming,
        out: &mut Option<Writer>,
        about: &About,
    ) -> Result<(), Error> {
        let record = self.record(&about.id);
        let mut counter = Counter::new(about.pattern);
        if incoming.is_call() {
            *out = Some(incoming.reply("")?);
        }
        let outcome = drain(incoming, out, about, &record, &mut counter).await;
        let cause = outcome.as_ref().err();
        record.ended(&counter, cause);
        if cause.is_some() && counter.items != about.cancel {
            return outcome;
        }
        match out {
            Some(out) => answer(out, &counter.tally(cause)).await,
            None => outcome,
        }
    }

    /// Answers with the items of a pattern.
    async fn source(
        &self,
        incoming: &mut Incoming,
        out: &mut Option<Writer>,
        about: &About,
    ) -> Result<(), Error> {
        let record = self.record(&about.id);
        let mut counter = Counter::new(about.pattern);
        let outcome = pour(incoming, out, about, &record, &mut counter).await;
        record.ended(&counter, outcome.as_ref().err());
        outcome
    }

    /// Lets a sink that stands still read on.
    async fn go(&self, incoming: &mut Incoming, about: &About) -> Result<(), Error> {
        read_end(incoming.reader()).await?;
        self.record(&about.id).going.send_replace(true);
        incoming.reply("")?.end().await
    }

    /// Tells of another stream of the session.
    async fn last(&self, incoming: &mut Incoming, about: &About) -> Result<(), Error> {
        read_end(incoming.reader()).await?;
        let record = self.record(&about.id);
        if about.wait {
            set(&record.over).await;
        }
        let tally = record.tally.lock().unwrap().clone();
        answer(&mut incoming.reply("")?, &tally).await
    }

    /// Sends a stream to the other side and has one sent from there.
    async fn back(&self, incoming: &mut Incoming, about: &About) -> Result<(), Error> {
        read_end(incoming.reader()).await?;
        up(&self.session, about.pattern).await.map_err(|e| wrong(format!("up: {e}")))?;
        down(&self.session, about.pattern).await.map_err(|e| wrong(format!("down: {e}")))?;
        incoming.reply("")?.end().await
    }

    /// Shuts the session down.
    async fn leave(&self, incoming: &mut Incoming) -> Result<(), Error> {
        read_end(incoming.reader()).await?;
        incoming.reply("")?.end().await?;
        self.session.begin_shutdown("the server leaves");
        Ok(())
    }
}

/// Parses metadata; `None` if it has no name.
fn named(metadata: &[u8]) -> Option<About> {
    let about: Value = serde_json::from_slice(metadata).ok()?;
    about.as_object()?.get("name")?.as_str()?;
    serde_json::from_value(about).ok()
}

/// Answers with what is sent.
async fn echo(mut incoming: Incoming) {
    if let Ok(out) = incoming.reply(incoming.metadata().clone()) {
        let _ = pipe(incoming.into_reader(), out).await; // both ends know
    }
}

async fn answer(out: &mut Writer, tally: &Tally) -> Result<(), Error> {
    out.send(to_json(tally)).await?;
    out.end().await
}

/// Reads for sink. The error is what ended the stream if that was not its clean end.
async fn drain(
    incoming: &mut Incoming,
    out: &mut Option<Writer>,
    about: &About,
    record: &Record,
    counter: &mut Counter,
) -> Result<(), Error> {
    while let Some(item) = incoming.reader().next().await.transpose()? {
        counter.take(&item)?;
        record.moved(counter);
        if let (true, Some(out)) = (counter.items == about.stop, out.as_mut()) {
            out.send("still").await?;
            set(&record.going).await;
        }
        if counter.items == about.cancel {
            incoming.reader().cancel(about.code, &about.reason);
            return Err(Error::Closed(Status::new(about.code, &about.reason)));
        }
    }
    counter.complete()
}

/// Writes for source, until the reader is through. The error is what ended the
/// stream if that was not its clean end.
async fn pour(
    incoming: &mut Incoming,
    out: &mut Option<Writer>,
    about: &About,
    record: &Record,
    counter: &mut Counter,
) -> Result<(), Error> {
    read_end(incoming.reader()).await?;
    let out = out.insert(incoming.reply("")?);
    for item in about.pattern.items() {
        out.send(item.clone()).await?;
        counter.add(&item);
        record.moved(counter);
        if counter.items == about.fail {
            out.fail(about.code, &about.reason);
            return Err(Error::Failed(Status::new(Code(about.code), &about.reason)));
        }
    }
    out.finish().await
}
