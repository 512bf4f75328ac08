//! What a peer cannot do to this side, nor a busy application to itself: take
//! memory beyond what was granted, or the turn of others.

mod vectors;

use std::collections::HashMap;
use std::future::Future;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Wake, Waker};
use std::time::Duration;

use bytes::Bytes;
use omnistreams::frame::{Frame, Hello, Kind, decode};
use omnistreams::transport::{
    Ending, MemoryReader, MemoryWriter, MessageReader, MessageWriter, RecvError, pair,
};
use omnistreams::{Code, Options, Reader, Session, pipe};
use tokio::sync::mpsc;
use tokio::task::consume_budget;
use tokio::time::timeout;
use vectors::encode;

/// Says HELLO in the peer's name: 16 streams, and this much credit.
fn hello(max_item: u32, items: u32) -> Frame {
    let bytes = if items > 0 { u32::MAX } else { 0 };
    Frame::Hello(Hello { version: 1, max_item, streams: 16, items, bytes, metadata: Bytes::new() })
}

/// A session, and the other end of its transport.
fn session(options: Options) -> (Session, MemoryReader, MemoryWriter) {
    let ((reader, writer), (peer_reader, peer_writer)) = pair();
    (Session::new(reader, writer, options), peer_reader, peer_writer)
}

async fn say(writer: &mut MemoryWriter, frames: &[Frame]) {
    writer.send(encode(frames)).await.expect("it is read");
}

async fn frames(reader: &mut MemoryReader) -> Vec<Frame> {
    let mut message = reader.recv().await.expect("memory does not fail").expect("a message");
    let mut frames = Vec::new();
    while !message.is_empty() {
        frames.push(decode(&mut message, 1 << 24, false).expect("good frames"));
    }
    frames
}

/// What is empty takes room, too: the queue's.
#[tokio::test(start_paused = true)]
async fn empty_items_do_not_pile_up_behind_a_peer_that_reads_nothing() {
    let (session, _reader, mut writer) = session(Options { keepalive: None, ..Options::default() });
    say(&mut writer, &[hello(16, u32::MAX)]).await;
    let mut out = session.open("").await.expect("a stream");
    let mut written = 0;
    while written < 100_000 && timeout(Duration::from_millis(10), out.send("")).await.is_ok() {
        written += 1;
    }
    assert!((1000..30_000).contains(&written), "{written}");
}

struct Count;

impl Wake for Count {
    fn wake(self: Arc<Self>) {}
}

/// A program may wait for the session's end beside each thing that it does.
#[tokio::test]
async fn a_wait_that_was_dropped_leaves_nothing_behind() {
    let (session, _reader, _writer) = session(Options::default());
    let counts: Vec<_> = (0..100).map(|_| Arc::new(Count)).collect();
    for count in &counts {
        let waker = Waker::from(count.clone());
        let mut context = Context::from_waker(&waker);
        assert!(pin!(session.closed()).poll(&mut context).is_pending());
        assert!(pin!(session.accept()).poll(&mut context).is_pending());
        assert!(pin!(session.peer_metadata()).poll(&mut context).is_pending());
        assert!(pin!(session.open("")).poll(&mut context).is_pending());
    }
    assert!(counts.iter().all(|count| Arc::strong_count(count) == 1));
}

/// The bytes of a message, which tell when nobody holds them any more.
struct Owned(Bytes, Arc<AtomicBool>);

impl AsRef<[u8]> for Owned {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        self.1.store(true, Ordering::Relaxed);
    }
}

/// A message is longer than what is kept of it, by frames that mean nothing.
#[tokio::test]
async fn what_is_kept_of_a_message_does_not_keep_all_of_it() {
    let (session, mut reader, mut writer) = session(Options::default());
    let kept = [
        hello(16, 4),
        Frame::Open { stream: 1, kind: Kind::OneWay, metadata: Bytes::from(vec![1; 100]) },
        Frame::Data { stream: 1, item: Bytes::from(vec![2; 100]) },
        Frame::Data { stream: 1, item: Bytes::from(vec![3; 40_000]) },
    ];
    let mut gone = Vec::new();
    for frame in kept {
        let gap = Frame::Ignored { kind: 200, stream: 0, payload: Bytes::from(vec![0; 200_000]) };
        let flag = Arc::new(AtomicBool::new(false));
        let message = Bytes::from_owner(Owned(encode(&[frame, gap]), flag.clone()));
        writer.send(message).await.expect("it is read");
        gone.push(flag);
    }
    // The answer to a PING: all before it has been taken.
    say(&mut writer, &[Frame::Ping([7; 8])]).await;
    while !frames(&mut reader).await.contains(&Frame::Pong([7; 8])) {}
    assert!(gone.iter().all(|flag| flag.load(Ordering::Relaxed)), "{gone:?}");
    let mut incoming = session.accept().await.expect("a stream");
    assert_eq!(incoming.metadata(), &vec![1; 100]);
    assert_eq!(incoming.reader().next().await.expect("an item").expect("an item"), vec![2; 100]);
    assert_eq!(incoming.reader().next().await.expect("an item").expect("an item"), vec![3; 40_000]);
}

/// However much was asked for, what may come at once is bounded, and all of it comes.
#[tokio::test]
async fn items_are_granted_65536_ahead_at_most() {
    let (session, mut reader, mut writer) = session(Options { items: 0, prefetch: 0, ..Options::default() });
    say(&mut writer, &[hello(16, 4), Frame::Open { stream: 1, kind: Kind::OneWay, metadata: Bytes::new() }])
        .await;
    let mut incoming: Reader = session.accept().await.expect("a stream").into_reader();
    incoming.request(u64::MAX);
    let (mut granted, mut sent, mut taken, mut requests) = (0, 0, 0, 0);
    while taken < 200_000 {
        while granted == sent {
            for frame in frames(&mut reader).await {
                if let Frame::Request { items, .. } = frame {
                    granted = items;
                    requests += 1;
                }
            }
        }
        assert!(granted <= taken + 65_536, "{granted} with {taken} taken");
        while sent < granted {
            let many = (granted - sent).min(5000);
            say(&mut writer, &vec![Frame::Data { stream: 1, item: Bytes::new() }; many as usize]).await;
            sent += many;
        }
        // Some stay, so the next credit comes before they are gone.
        while taken + 20_000 < sent {
            incoming.next().await.expect("an item").expect("an item");
            taken += 1;
        }
    }
    assert!(requests < 20, "{requests}");
}

/// A relay passes on a demand without bounds, and holds no more for it.
#[tokio::test]
async fn a_demand_without_bounds_is_passed_on_in_steps() {
    let no_credit = Options { items: 0, prefetch: 0, ..Options::default() };
    let two = |options: &Options| {
        let ((read_a, write_a), (read_b, write_b)) = pair();
        (Session::new(read_a, write_a, options.clone()), Session::new(read_b, write_b, options.clone()))
    };
    let ((source, near), (far, sink)) = (two(&no_credit), two(&no_credit));
    let mut out = source.open("").await.expect("a stream");
    let from = near.accept().await.expect("a stream").into_reader();
    let relay = tokio::spawn(pipe(from, far.open("").await.expect("a stream")));
    let mut end = sink.accept().await.expect("a stream").into_reader();
    end.request(u64::MAX);
    let writing = tokio::spawn(async move {
        for n in 0..200_000u32 {
            out.send(n.to_be_bytes().to_vec()).await?;
        }
        out.finish().await
    });
    for n in 0..200_000u32 {
        assert_eq!(end.next().await.expect("an item").expect("an item"), n.to_be_bytes()[..]);
    }
    assert!(end.next().await.is_none());
    assert_eq!(relay.await.expect("no panic"), Ok(()));
    assert_eq!(writing.await.expect("no panic"), Ok(()));
}

/// Each message that goes out finds another PING to be answered, and an item
/// that needs a message of its own.
#[tokio::test]
async fn pings_do_not_hold_up_a_large_item() {
    let (session, mut reader, mut writer) = session(Options::default());
    say(&mut writer, &[hello(70_000, 4)]).await;
    let mut out = session.open("").await.expect("a stream");
    out.send(vec![0; 70_000]).await.expect("credit");
    let mut pings = HashMap::new();
    for n in 0..20u64 {
        say(&mut writer, &[Frame::Ping(n.to_be_bytes())]).await;
        // It was taken when the next message was: there is room for one.
        say(&mut writer, &[Frame::Ping(n.to_be_bytes())]).await;
        say(&mut writer, &[Frame::Ping(n.to_be_bytes())]).await;
        for frame in frames(&mut reader).await {
            match frame {
                Frame::Data { .. } => return,
                frame => *pings.entry(format!("{frame:?}")).or_insert(0) += 1,
            }
        }
    }
    panic!("the item still waits, after {pings:?}");
}

/// A socket on which there is always something to read.
struct Flood(Option<Bytes>);

impl MessageReader for Flood {
    async fn recv(&mut self) -> Result<Option<Bytes>, RecvError> {
        consume_budget().await;
        let ignored = || encode(&[Frame::Ignored { kind: 200, stream: 0, payload: Bytes::new() }]);
        Ok(Some(self.0.take().unwrap_or_else(ignored)))
    }
}

/// A socket that takes whatever is written.
struct Sent(mpsc::UnboundedSender<Bytes>);

impl MessageWriter for Sent {
    async fn send(&mut self, message: Bytes) -> io::Result<()> {
        consume_budget().await;
        self.0.send(message).map_err(|_| io::ErrorKind::BrokenPipe.into())
    }

    async fn close(&mut self, _: Ending) {}
}

/// A peer that sends without a pause does not keep this side from sending, nor
/// from looking at the clock.
#[tokio::test]
async fn a_flood_that_comes_leaves_time_to_send() {
    let (sent, mut messages) = mpsc::unbounded_channel();
    let hello = encode(&[hello(16, 4)]);
    let session = Session::new(Flood(Some(hello)), Sent(sent), Options::default());
    let sending = async {
        let mut out = session.open("").await?;
        out.send("x").await?;
        out.closed().await
    };
    let reading = async {
        while let Some(mut message) = messages.recv().await {
            while !message.is_empty() {
                if let Frame::Data { .. } = decode(&mut message, 16, false).expect("good frames") {
                    session.close(300, "seen");
                }
            }
        }
    };
    let (outcome, ()) = timeout(Duration::from_secs(20), async { tokio::join!(sending, reading) })
        .await
        .expect("nothing was sent");
    assert_eq!(outcome.expect_err("closed").code(), Some(Code(300)));
}
