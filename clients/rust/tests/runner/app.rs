//! Handles of the scripts: each has a task that does its operations in order.

use bytes::Bytes;
use omnistreams::{Answer, Call, Error, Incoming, Reader, Session, Writer};
use serde_json::Value;
use tokio::sync::{mpsc, oneshot};
use tokio::task::{JoinError, JoinHandle};

use crate::vectors::{bytes, known, number, text};

#[derive(Debug, PartialEq)]
pub enum Outcome {
    Item(Bytes),
    End,
    Error(u32, String),
    Done,
    Lost,
}

impl From<Error> for Outcome {
    fn from(error: Error) -> Outcome {
        match error {
            Error::Closed(status) | Error::Failed(status) => Outcome::Error(status.code.0, status.reason),
            Error::Lost(_) => Outcome::Lost,
            other => panic!("the application sees {other}"),
        }
    }
}

enum Operation {
    Write(Bytes, bool),
    End,
    Fail(u32, String),
    GiveUp(u32),
    Answer(oneshot::Sender<Reader>),
    Reply(Bytes, oneshot::Sender<Writer>),
    Read,
    Refuse(u32, String),
    Cancel(u32, String),
    /// The outcome of a writer.
    See,
}

pub struct Handle {
    operations: mpsc::UnboundedSender<Operation>,
    outcomes: mpsc::UnboundedReceiver<Outcome>,
    task: JoinHandle<()>,
    reads: bool,
    /// A read whose outcome nobody has seen yet.
    reading: bool,
}

impl Handle {
    fn spawn<F>(
        reads: bool,
        act: impl FnOnce(mpsc::UnboundedReceiver<Operation>, mpsc::UnboundedSender<Outcome>) -> F,
    ) -> Handle
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let (operations, todo) = mpsc::unbounded_channel();
        let (tell, outcomes) = mpsc::unbounded_channel();
        let task = tokio::spawn(act(todo, tell));
        Handle { operations, outcomes, task, reads, reading: false }
    }

    pub fn open(session: Session, metadata: Bytes) -> Handle {
        Handle::spawn(false, |todo, tell| async move {
            write(session.open(metadata).await.map(|writer| (writer, None)), todo, tell).await;
        })
    }

    pub fn call(session: Session, metadata: Bytes) -> Handle {
        Handle::spawn(false, |todo, tell| async move {
            let call = session.call(metadata).await;
            write(call.map(|Call { writer, answer }| (writer, Some(answer))), todo, tell).await;
        })
    }

    pub fn writer(writer: oneshot::Receiver<Writer>) -> Handle {
        Handle::spawn(false, |todo, tell| async move {
            write(Ok((writer.await.expect("the reply failed"), None)), todo, tell).await;
        })
    }

    pub fn incoming(incoming: Incoming) -> Handle {
        Handle::spawn(true, |todo, tell| read(Source::Incoming(incoming), todo, tell))
    }

    pub fn reader(reader: Reader) -> Handle {
        Handle::spawn(true, |todo, tell| read(Source::Reader(reader), todo, tell))
    }

    pub async fn answer(&mut self) -> Reader {
        let (tell, answer) = oneshot::channel();
        self.act(Operation::Answer(tell));
        answer.await.expect("there was no answer")
    }

    pub fn reply(&mut self, metadata: Bytes) -> oneshot::Receiver<Writer> {
        let (tell, writer) = oneshot::channel();
        self.act(Operation::Reply(metadata, tell));
        writer
    }

    pub fn operate(&mut self, name: &str, step: &Value) {
        let code = || number(&step["code"]) as u32;
        let reason = || text(&step["reason"]).to_owned();
        let (operation, fields): (_, &[&str]) = match name {
            "write" => {
                let too_long = step.get("too_long").is_some();
                (Operation::Write(bytes(&step["item"]), too_long), &["item", "too_long"])
            }
            "end" => (Operation::End, &[]),
            "fail" => (Operation::Fail(code(), reason()), &["code", "reason"]),
            "give_up" => (Operation::GiveUp(code()), &["code"]),
            "read" => {
                self.reading = true;
                (Operation::Read, &[])
            }
            "refuse" => (Operation::Refuse(code(), reason()), &["code", "reason"]),
            "cancel" => (Operation::Cancel(code(), reason()), &["code", "reason"]),
            other => panic!("unknown operation {other}"),
        };
        known(step, &[&["app", "on"], fields].concat());
        self.act(operation);
    }

    pub async fn outcome(&mut self) -> Outcome {
        if !self.reads {
            self.act(Operation::See);
        } else if !std::mem::take(&mut self.reading) {
            self.act(Operation::Read);
        }
        self.outcomes.recv().await.expect("the handle's task has ended")
    }

    pub async fn join(self) -> Result<(), JoinError> {
        drop(self.operations);
        self.task.await
    }

    fn act(&mut self, operation: Operation) {
        self.operations.send(operation).unwrap_or_else(|_| panic!("the handle's task has ended"));
    }
}

type Todo = mpsc::UnboundedReceiver<Operation>;
type Tell = mpsc::UnboundedSender<Outcome>;

async fn write(opened: Result<(Writer, Option<Answer>), Error>, mut todo: Todo, tell: Tell) {
    let (mut writer, mut answer) = match opened {
        Ok(opened) => opened,
        Err(error) => {
            // What waits on it is moot.
            let mut error = Some(error);
            while let Some(operation) = todo.recv().await {
                if let (Operation::See, Some(error)) = (operation, error.take()) {
                    let _ = tell.send(error.into());
                }
            }
            return;
        }
    };
    while let Some(operation) = todo.recv().await {
        match operation {
            Operation::Write(item, too_long) => {
                let result = writer.send(item).await;
                assert_eq!(matches!(result, Err(Error::TooLong { .. })), too_long, "{result:?}");
            }
            Operation::End => {
                let _ = writer.end().await; // the reader may have left
            }
            Operation::Fail(code, reason) => writer.fail(code, &reason),
            Operation::GiveUp(code) => {
                writer.fail(code, "");
                answer = None;
            }
            Operation::Answer(tell) => {
                let reader = answer.take().expect("a call").await.expect("an answer");
                let _ = tell.send(reader);
            }
            Operation::See => {
                let outcome = writer.closed().await.map_or_else(Outcome::from, |()| Outcome::Done);
                let _ = tell.send(outcome);
            }
            _ => panic!("not an operation of a writer"),
        }
    }
}

enum Source {
    Incoming(Incoming),
    Reader(Reader),
}

impl Source {
    fn reader(&mut self) -> &mut Reader {
        match self {
            Source::Incoming(incoming) => incoming.reader(),
            Source::Reader(reader) => reader,
        }
    }
}

async fn read(source: Source, mut todo: Todo, tell: Tell) {
    let mut source = Some(source);
    while let Some(operation) = todo.recv().await {
        let held = source.as_mut().expect("it was let go");
        match operation {
            Operation::Read => {
                // At the end of the script nobody waits for it any more.
                let outcome = tokio::select! {
                    next = held.reader().next() => match next {
                        Some(Ok(item)) => Outcome::Item(item),
                        Some(Err(error)) => error.into(),
                        None => Outcome::End,
                    },
                    () = tell.closed() => return,
                };
                let _ = tell.send(outcome);
            }
            Operation::Cancel(code, reason) => held.reader().cancel(code, &reason),
            Operation::Refuse(code, reason) => match source.take() {
                Some(Source::Incoming(incoming)) => incoming.close(code, &reason),
                _ => panic!("refuse is for what was accepted"),
            },
            Operation::Reply(metadata, tell) => match held {
                Source::Incoming(incoming) => {
                    let _ = tell.send(incoming.reply(metadata).expect("a reply"));
                }
                Source::Reader(_) => panic!("reply is for calls"),
            },
            _ => panic!("not an operation of a reader"),
        }
    }
}
