//! A session: the engine, the task that moves its messages, and the handle that
//! an application holds.
//!
//! One task per session polls three loops: one receives, one sends, one watches
//! the clock. So receiving never waits for sending, and when one of them finds
//! that the session is over, dropping the three closes the transport.

use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::call::{Answer, Call};
use crate::engine::{Engine, Ticket, lost};
use crate::error::{Code, Error, Status};
use crate::frame::{Kind, fault};
use crate::incoming::Incoming;
use crate::options::Options;
use crate::transport::{Ending, MessageReader, MessageWriter, Progress, RecvError};
use crate::writer::Writer;

/// The longest that closing the transport may take.
const CLOSING: Duration = Duration::from_secs(1);

/// What the task and the handles share.
struct Shared {
    engine: Mutex<Engine>,
    /// There is something to send.
    output: Notify,
    /// A time may have changed.
    clock: Notify,
    start: Instant,
}

impl Shared {
    /// Does something with the engine, and wakes who waited for it afterwards,
    /// when the lock is free again.
    fn with<T>(&self, act: impl FnOnce(&mut Engine) -> T) -> T {
        let (result, wakers, output, before, after);
        {
            // A panic inside is a bug of ours, and not worth a second one.
            let mut engine = self.engine.lock().unwrap_or_else(PoisonError::into_inner);
            engine.set_now(self.start.elapsed());
            before = engine.deadline();
            result = act(&mut engine);
            after = engine.deadline();
            wakers = engine.take_wakers();
            output = engine.has_output() || engine.is_over();
        }
        for waker in wakers {
            waker.wake();
        }
        if output {
            self.output.notify_one();
        }
        // Later is no news: the clock finds that out when it looks.
        if after.is_some_and(|after| before.is_none_or(|before| after < before)) {
            self.clock.notify_one();
        }
        result
    }
}

/// What every handle holds; the last one to go ends the session.
pub(crate) struct Link(Arc<Shared>);

impl Link {
    pub(crate) fn with<T>(&self, act: impl FnOnce(&mut Engine) -> T) -> T {
        self.0.with(act)
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.0.with(Engine::abandon);
    }
}

/// One side of a connection with many streams. Cloning it gives another handle
/// of the same session.
///
/// When the last handle, stream and call of a session was dropped, it shuts down
/// by itself, gracefully and for five seconds at most.
#[derive(Clone)]
pub struct Session {
    link: Arc<Link>,
}

impl Session {
    /// Starts a session on the two halves of a connection, in a task of the
    /// current tokio runtime. It says HELLO at once and waits for nothing.
    ///
    /// # Panics
    /// Outside of a tokio runtime, and for `options` beyond the protocol's limits.
    pub fn new(reader: impl MessageReader, writer: impl MessageWriter, options: Options) -> Session {
        let shared = Arc::new(Shared {
            engine: Mutex::new(Engine::new(options)),
            output: Notify::new(),
            clock: Notify::new(),
            start: Instant::now(),
        });
        tokio::spawn(run(Closing(shared.clone()), reader, writer));
        Session { link: Arc::new(Link(shared)) }
    }

    /// The metadata of the peer's HELLO, once it has come.
    ///
    /// # Errors
    /// [`Error::Lost`] if the session ends first.
    pub async fn peer_metadata(&self) -> Result<Bytes, Error> {
        self.watch(|engine| match (engine.peer(), engine.ending()) {
            (Some(hello), _) => Some(Ok(hello.metadata.clone())),
            (None, Some(ending)) => Some(Err(lost(ending))),
            (None, None) => None,
        })
        .await
    }

    /// Opens a one-way stream. Waits for the peer's HELLO and for a slot.
    ///
    /// Dropping the future before it is done opens nothing, or, if the stream has just
    /// got its slot, breaks it off with code 1.
    ///
    /// # Errors
    /// [`Error::TooLong`] for metadata of more than 16 KiB, [`Error::Closed`] when
    /// one side shuts down (code 8 as a rule), [`Error::Lost`].
    pub async fn open(&self, metadata: impl Into<Bytes>) -> Result<Writer, Error> {
        let number = self.open_kind(Kind::OneWay, metadata.into()).await?;
        Ok(Writer::new(self.link.clone(), number))
    }

    /// Opens a call: a stream of questions out, a stream of answers in.
    ///
    /// # Errors
    /// As [`Session::open`].
    pub async fn call(&self, metadata: impl Into<Bytes>) -> Result<Call, Error> {
        let number = self.open_kind(Kind::Call, metadata.into()).await?;
        Ok(Call {
            writer: Writer::new(self.link.clone(), number),
            answer: Answer::new(self.link.clone(), number),
        })
    }

    async fn open_kind(&self, kind: Kind, metadata: Bytes) -> Result<u32, Error> {
        let ticket = self.link.with(|engine| engine.open(kind, metadata))?;
        let opening = Opening { link: &self.link, ticket };
        poll_fn(|cx| match opening.link.with(|engine| engine.poll_open(ticket, cx.waker())) {
            Some(outcome) => Poll::Ready(outcome),
            None => Poll::Pending,
        })
        .await
    }

    /// The peer's next stream or call. `None`: none will come any more, since the
    /// session has ended or the peer shuts down.
    ///
    /// Streams wait in the order in which they came; dropping the future loses none.
    pub async fn accept(&self) -> Option<Incoming> {
        let number = self.watch(Engine::accept).await?;
        Some(Incoming::new(self.link.clone(), number))
    }

    /// Shuts down gracefully: nothing new is opened, what lives goes on to its end,
    /// and both sides say goodbye. Waits for that, as long as it takes; for a
    /// limit, wrap it in a timeout and [`close`](Session::close) afterwards.
    ///
    /// # Errors
    /// [`Error::Lost`] if the session ended in another way.
    pub async fn shutdown(&self, reason: &str) -> Result<(), Error> {
        self.begin_shutdown(reason);
        self.closed().await
    }

    /// The same without the wait.
    pub fn begin_shutdown(&self, reason: &str) {
        self.link.with(|engine| engine.shutdown(reason));
    }

    /// Breaks the session off: what lives is lost, at both sides. Code 0 is for
    /// goodbyes and becomes 1, canceled.
    pub fn close(&self, code: impl Into<Code>, reason: &str) {
        let code = match code.into() {
            Code::DONE => Code::CANCELED,
            code => code,
        };
        self.link.with(|engine| engine.stop(Status::new(code, reason)));
    }

    /// Waits until the session has ended and the transport is closed, so a program
    /// may end then: this side's last word has gone out. `Ok` means with both sides'
    /// goodbyes.
    ///
    /// # Errors
    /// [`Error::Lost`] says how else it ended.
    pub async fn closed(&self) -> Result<(), Error> {
        self.watch(|engine| match engine.ending().filter(|_| engine.is_closed())? {
            Ok(()) => Some(Ok(())),
            ending => Some(Err(lost(ending))),
        })
        .await
    }

    /// Waits until `look` finds something, and leaves nothing behind if it is dropped.
    async fn watch<T>(&self, mut look: impl FnMut(&mut Engine) -> Option<T>) -> T {
        let mut watching = Watching { link: &self.link, ticket: None };
        poll_fn(|cx| {
            watching.link.with(|engine| match look(engine) {
                Some(found) => Poll::Ready(found),
                None => {
                    engine.watch(&mut watching.ticket, cx.waker());
                    Poll::Pending
                }
            })
        })
        .await
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").finish_non_exhaustive()
    }
}

/// An open on its way; dropping it withdraws it.
struct Opening<'a> {
    link: &'a Link,
    ticket: Ticket,
}

impl Drop for Opening<'_> {
    fn drop(&mut self) {
        self.link.with(|engine| engine.forget_open(self.ticket));
    }
}

/// A wait for the session's next news.
struct Watching<'a> {
    link: &'a Link,
    ticket: Option<Ticket>,
}

impl Drop for Watching<'_> {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket {
            self.link.with(|engine| engine.unwatch(ticket));
        }
    }
}

/// Tells who waits that the transport is closed, also when the task ends early
/// because its runtime does.
struct Closing(Arc<Shared>);

impl Drop for Closing {
    fn drop(&mut self) {
        self.0.with(Engine::transport_closed);
    }
}

/// The session's task: from HELLO to the closed transport.
async fn run(closing: Closing, mut reader: impl MessageReader, mut writer: impl MessageWriter) {
    let shared = &*closing.0;
    let mut ending = Ending::Normal;
    {
        let mut watching = pin!(clock_loop(shared, reader.progress(), writer.progress()));
        let mut receiving = pin!(receive_loop(shared, &mut reader, &mut ending));
        let mut sending = pin!(send_loop(shared, &mut writer));
        let mut turn = 0;
        poll_fn(|cx| {
            // Each begins in turn: tokio lets a task do so much at a time, and a peer
            // that sends without a pause would have receiving use it all.
            turn += 1;
            let over = (turn..turn + 3).any(|which| match which % 3 {
                0 => receiving.as_mut().poll(cx).is_ready(),
                1 => sending.as_mut().poll(cx).is_ready(),
                _ => watching.as_mut().poll(cx).is_ready(),
            });
            if over { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }
    if ending == Ending::Normal && shared.with(|engine| engine.broke_a_rule()) {
        ending = Ending::ProtocolError;
    }
    // No news can help a close that hangs: the halves are dropped either way.
    let _ = tokio::time::timeout(CLOSING, writer.close(ending)).await;
}

/// Hands messages to the engine. Each of the three loops returns when the session
/// is over and not before.
async fn receive_loop(shared: &Shared, reader: &mut impl MessageReader, ending: &mut Ending) {
    loop {
        let received = reader.recv().await;
        let ended = matches!(received, Ok(None) | Err(RecvError::Io(_) | RecvError::Text));
        let over = shared.with(|engine| {
            match received {
                Ok(Some(message)) => {
                    engine.receive(message);
                    return engine.is_over();
                }
                Ok(None) => engine.transport_ended("it was closed"),
                Err(RecvError::Io(error)) => engine.transport_ended(&error.to_string()),
                Err(RecvError::TooLong) => {
                    engine.stop(fault(Code::TOO_LARGE, "rule 9: too long"));
                }
                Err(RecvError::TimedOut) => {
                    engine.stop(fault(Code::TIMED_OUT, "rule 0: message timed out"));
                }
                Err(RecvError::Text) => {
                    *ending = Ending::Text;
                    engine.transport_ended("the peer sent a text message");
                }
            }
            engine.is_over()
        });
        if over {
            return;
        }
        if ended {
            return std::future::pending().await; // the other two have something left to do
        }
    }
}

/// Sends what the engine has to say.
async fn send_loop(shared: &Shared, writer: &mut impl MessageWriter) {
    loop {
        let (message, over) = shared.with(|engine| (engine.next_message(), engine.is_over()));
        match message {
            Some(message) => match writer.send(message).await {
                Ok(()) => shared.with(Engine::sent),
                Err(error) => shared.with(|engine| engine.write_failed(&error.to_string())),
            },
            None if over => return,
            None => shared.output.notified().await,
        }
    }
}

/// Tells the engine the time when it wants to know, and what moved until then.
async fn clock_loop(shared: &Shared, came: Option<Progress>, went: Option<Progress>) {
    let last = |progress: &Option<Progress>| {
        progress.as_ref().map_or(Duration::ZERO, |p| p.last().saturating_duration_since(shared.start))
    };
    loop {
        let (deadline, over) = shared.with(|engine| {
            engine.bytes_moved(last(&came), last(&went));
            engine.tick();
            (engine.deadline(), engine.is_over())
        });
        if over {
            return;
        }
        let changed = shared.clock.notified();
        match deadline {
            None => changed.await,
            Some(at) => {
                let _ = tokio::time::timeout_at(shared.start + at, changed).await;
            }
        }
    }
}
