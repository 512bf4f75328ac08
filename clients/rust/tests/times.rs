//! Everything that takes time, in virtual time: HELLO, keepalive, parting, and
//! what a byte stream does when it stalls or lies.

mod vectors;

use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use omnistreams::frame::{Frame, Hello, decode};
use omnistreams::transport::{
    ByteReader, ByteWriter, MemoryReader, MemoryWriter, MessageReader, MessageWriter, pair,
};
use omnistreams::{Code, Error, Loss, Options, Session, Status};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::time::{Instant, timeout};
use vectors::encode;

fn hello() -> Frame {
    Frame::Hello(Hello { version: 1, max_item: 16, streams: 4, items: 4, bytes: 64, metadata: Bytes::new() })
}

/// A session, and the other end of its transport.
fn session(options: Options) -> (Session, MemoryReader, MemoryWriter) {
    let ((reader, writer), (peer_reader, peer_writer)) = pair();
    (Session::new(reader, writer, options), peer_reader, peer_writer)
}

async fn frames(reader: &mut MemoryReader) -> Vec<Frame> {
    let mut message = reader.recv().await.expect("memory does not fail").expect("a message");
    let mut frames = Vec::new();
    while !message.is_empty() {
        frames.push(decode(&mut message, 1 << 24, false).expect("good frames"));
    }
    frames
}

fn fail(code: Code, reason: &str) -> Frame {
    Frame::Fail { stream: 0, status: Status::new(code, reason) }
}

fn seconds(start: Instant) -> f64 {
    start.elapsed().as_secs_f64()
}

#[tokio::test(start_paused = true)]
async fn a_late_hello_ends_the_session() {
    let start = Instant::now();
    let (session, mut reader, _writer) = session(Options::default());
    assert!(matches!(frames(&mut reader).await[..], [Frame::Hello(_)]));
    assert_eq!(frames(&mut reader).await, [fail(Code::TIMED_OUT, "rule 1: hello timed out")]);
    assert!((9.99..10.1).contains(&seconds(start)), "{}", seconds(start));
    // The peer does not close, so this side does, a second later.
    assert!(reader.recv().await.expect("memory does not fail").is_none());
    assert!((10.99..11.1).contains(&seconds(start)), "{}", seconds(start));
    let status = Status::new(Code::TIMED_OUT, "rule 1: hello timed out");
    assert_eq!(session.closed().await, Err(Error::Lost(Loss::ByUs(status))));
}

#[tokio::test(start_paused = true)]
async fn a_silent_peer_is_asked_and_given_up() {
    let start = Instant::now();
    let (session, mut reader, mut writer) = session(Options::default());
    frames(&mut reader).await;
    writer.send(encode(&[hello()])).await.expect("sent");
    for round in 1..=2 {
        let asked = frames(&mut reader).await;
        let [Frame::Ping(payload)] = asked[..] else { panic!("{asked:?}") };
        assert!((seconds(start) - 15.0 * f64::from(round)).abs() < 0.1, "{}", seconds(start));
        if round == 1 {
            writer.send(encode(&[Frame::Pong(payload)])).await.expect("sent");
        } else {
            // Another PONG proves nothing.
            writer.send(encode(&[Frame::Pong([9; 8])])).await.expect("sent");
        }
    }
    assert_eq!(frames(&mut reader).await, [fail(Code::TIMED_OUT, "rule 11: keepalive timed out")]);
    assert!((seconds(start) - 45.0).abs() < 0.1, "{}", seconds(start));
    assert!(matches!(session.closed().await, Err(Error::Lost(Loss::ByUs(_)))));
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_takes_nothing_and_says_nothing_is_given_up() {
    let start = Instant::now();
    // By default both times are up at once, and either may be told.
    let patient = Options { write_timeout: Duration::from_secs(60), ..Options::default() };
    let (session, _reader, mut writer) = session(patient);
    writer.send(encode(&[hello()])).await.expect("sent");
    // HELLO waits in the transport, a stream's OPEN is stuck behind it.
    let mut stream = session.open("").await.expect("a slot");
    let lost = session.closed().await.expect_err("lost");
    assert_eq!(lost.reason(), Some("rule 11: keepalive timed out"));
    // 30 seconds, and one for FAIL, which cannot go out either.
    assert!((30.9..31.1).contains(&seconds(start)), "{}", seconds(start));
    assert_eq!(stream.closed().await, Err(lost));
}

#[tokio::test(start_paused = true)]
async fn reading_goes_on_while_sending_is_blocked() {
    let (session, mut reader, mut writer) = session(Options::default());
    // HELLO fills the transport; the OPEN is given and blocks.
    writer.send(encode(&[hello()])).await.expect("sent");
    let _stream = session.open("").await.expect("a slot");
    for number in 1..=100 {
        writer.send(encode(&[Frame::Ping([number; 8])])).await.expect("it goes on reading");
    }
    let mut said = Vec::new();
    while let Ok(more) = timeout(Duration::from_secs(1), frames(&mut reader)).await {
        said.extend(more);
    }
    assert!(matches!(said[0], Frame::Hello(_)));
    // A flood of PINGs is one PONG for each message that could be sent.
    assert_eq!(said.last(), Some(&Frame::Pong([100; 8])));
    assert!(said.len() <= 5, "{said:?}");
}

#[tokio::test(start_paused = true)]
async fn a_goodbye_that_does_not_come_is_not_waited_for() {
    let (session, mut reader, mut writer) = session(Options::default());
    frames(&mut reader).await;
    writer.send(encode(&[hello(), Frame::End { stream: 0 }])).await.expect("sent");
    let start = Instant::now();
    let ending = session.shutdown("bye").await.expect_err("no goodbye came");
    assert!(matches!(ending, Error::Lost(Loss::Cut(_))), "{ending}");
    assert!((4.9..5.1).contains(&seconds(start)), "{}", seconds(start));
}

/// The second after FAIL counts from then, however long nothing had happened.
#[tokio::test(start_paused = true)]
async fn breaking_off_after_a_long_silence() {
    let (session, mut reader, mut writer) = session(Options { keepalive: None, ..Options::default() });
    frames(&mut reader).await;
    writer.send(encode(&[hello()])).await.expect("sent");
    tokio::time::sleep(Duration::from_secs(3600)).await;
    let start = Instant::now();
    session.close(6, "bug");
    assert_eq!(frames(&mut reader).await, [fail(Code::INTERNAL, "bug")]);
    writer.send(encode(&[Frame::Ping([1; 8])])).await.expect("it reads and drops");
    assert!(reader.recv().await.expect("memory does not fail").is_none());
    assert!((0.99..1.01).contains(&seconds(start)), "{}", seconds(start));
}

#[tokio::test(start_paused = true)]
async fn dropping_everything_shuts_down() {
    let (session, mut reader, mut writer) = session(Options::default());
    frames(&mut reader).await;
    writer.send(encode(&[hello()])).await.expect("sent");
    session.peer_metadata().await.expect("hello came");
    drop(session);
    let said = frames(&mut reader).await;
    assert!(matches!(said[..], [Frame::Close { stream: 0, .. }, Frame::End { stream: 0 }]), "{said:?}");
    writer.send(encode(&[Frame::End { stream: 0 }])).await.expect("sent");
    assert_eq!(frames(&mut reader).await, [fail(Code::DONE, "")]);
    writer.send(encode(&[fail(Code::DONE, "")])).await.expect("sent");
    assert!(reader.recv().await.expect("memory does not fail").is_none());
}

// ---- byte streams

fn over_bytes(options: Options) -> (Session, DuplexStream) {
    let (ours, theirs) = tokio::io::duplex(1 << 20);
    let (read, write) = tokio::io::split(ours);
    (Session::new(ByteReader::new(read, &options), ByteWriter::new(write), options), theirs)
}

fn message(frames: &[Frame]) -> Bytes {
    let body = encode(frames);
    let mut out = BytesMut::new();
    out.put_u32(body.len() as u32);
    out.put_slice(&body);
    out.freeze()
}

async fn message_from(stream: &mut DuplexStream) -> Frame {
    let mut body = vec![0; stream.read_u32().await.expect("a length") as usize];
    stream.read_exact(&mut body).await.expect("a body");
    decode(&mut body.into(), 1 << 24, false).expect("a good frame")
}

#[tokio::test(start_paused = true)]
async fn lengths_of_messages_on_a_byte_stream() {
    let longest = 65_536u32;
    let filler = |len: u32| {
        let mut out = BytesMut::new();
        out.put_u32(len);
        out.put_u8(200); // an ignored type, as long as the message
        out.put_u32(0);
        out.put_u32(len - 9);
        out.resize(4 + len as usize, 0);
        out
    };
    let options = || Options { max_item: 1000, keepalive: None, ..Options::default() };

    // Exactly the limit is in order, and cut up anyhow.
    let (_session, mut stream) = over_bytes(options());
    message_from(&mut stream).await;
    let mut all = message(&[hello()]).to_vec();
    all.extend(filler(longest));
    all.extend(message(&[Frame::Ping([1; 8])]));
    for piece in all.chunks(7) {
        stream.write_all(piece).await.expect("written");
    }
    assert_eq!(message_from(&mut stream).await, Frame::Pong([1; 8]));

    // One byte more is found by the length alone; none at all is an error too.
    for (length, code) in [(longest + 1, Code::TOO_LARGE), (u32::MAX, Code::TOO_LARGE), (0, Code::PROTOCOL)] {
        let (session, mut stream) = over_bytes(options());
        message_from(&mut stream).await;
        stream.write_all(&message(&[hello()])).await.expect("written");
        stream.write_all(&length.to_be_bytes()).await.expect("written");
        let Frame::Fail { stream: 0, status } = message_from(&mut stream).await else { panic!("no FAIL") };
        assert_eq!(status.code, code);
        // It reads and drops for a second, then closes.
        let start = Instant::now();
        let _ = stream.write_all(&[0; 100_000]).await;
        assert_eq!(stream.read(&mut [0; 10]).await.expect("closed"), 0);
        assert!((0.9..1.1).contains(&seconds(start)), "{}", seconds(start));
        assert_eq!(session.closed().await.expect_err("lost").code(), Some(code));
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_that_stalls_ends_the_session() {
    let (session, mut stream) = over_bytes(Options { keepalive: None, ..Options::default() });
    stream.write_all(&message(&[hello()])).await.expect("written");
    session.peer_metadata().await.expect("hello came");
    // Between messages there is time without end.
    tokio::time::sleep(Duration::from_secs(3600)).await;
    let start = Instant::now();
    stream.write_all(&[0, 0, 0]).await.expect("written");
    tokio::time::sleep(Duration::from_secs(20)).await;
    stream.write_all(&[9, 7]).await.expect("written");
    let lost = session.closed().await.expect_err("lost");
    assert_eq!(lost.reason(), Some("rule 0: message timed out"));
    assert_eq!(lost.code(), Some(Code::TIMED_OUT));
    // And a second for the peer to close the connection.
    assert!((30.9..31.1).contains(&seconds(start)), "{}", seconds(start));
}

/// Any byte of a message is a sign of life, before a PING and after it, and from the
/// last one on the two times run.
#[tokio::test(start_paused = true)]
async fn bytes_of_a_message_are_life() {
    let hour = Duration::from_secs(3600);
    let (session, mut stream) = over_bytes(Options { message_timeout: hour, ..Options::default() });
    stream.write_all(&message(&[hello()])).await.expect("written");
    for byte in &message(&[Frame::Ping([1; 8])])[..10] {
        tokio::time::sleep(Duration::from_secs(29)).await;
        stream.write_all(&[*byte]).await.expect("written");
    }
    let start = Instant::now();
    let lost = session.closed().await.expect_err("lost");
    assert_eq!(lost.reason(), Some("rule 11: keepalive timed out"));
    assert!((30.9..31.1).contains(&seconds(start)), "{}", seconds(start));
}

/// The transport took a PING only when it took the whole message that it is in: until
/// then the peer need not answer, as long as it reads.
#[tokio::test(start_paused = true)]
async fn a_ping_behind_a_long_message_is_not_counted() {
    let (session, mut stream) = over_narrow_bytes(1000);
    stream.write_all(&message(&[large_hello()])).await.expect("written");
    let mut writer = session.open("").await.expect("a slot");
    writer.send(vec![7; 50_000]).await.expect("queued");
    for _ in 0..10 {
        tokio::time::sleep(Duration::from_secs(14)).await; // 140 s of silence
        stream.read_exact(&mut [0; 1000]).await.expect("it is still there");
    }
    let start = Instant::now();
    assert_eq!(session.closed().await.expect_err("lost").reason(), Some("rule 11: keepalive timed out"));
    assert!((15.9..16.1).contains(&seconds(start)), "{}", seconds(start));
}

/// Nor is one inside of a long message that is on its way.
#[tokio::test(start_paused = true)]
async fn a_ping_in_a_long_message_is_not_counted() {
    let (session, mut stream) = over_narrow_bytes(1000);
    stream.write_all(&message(&[large_hello()])).await.expect("written");
    assert!(matches!(message_from(&mut stream).await, Frame::Hello(_)));
    let mut writer = session.open(vec![1; 10_000]).await.expect("a slot");
    tokio::time::sleep(Duration::from_secs(1)).await; // OPEN has a message of its own
    writer.send(vec![7; 25_000]).await.expect("queued");
    writer.send(vec![7; 25_000]).await.expect("queued");
    tokio::time::sleep(Duration::from_secs(15)).await; // the PING is due
    assert!(matches!(message_from(&mut stream).await, Frame::Open { .. }));
    for _ in 0..10 {
        tokio::time::sleep(Duration::from_secs(14)).await;
        stream.read_exact(&mut [0; 1000]).await.expect("it is still there");
    }
    let start = Instant::now();
    assert_eq!(session.closed().await.expect_err("lost").reason(), Some("rule 11: keepalive timed out"));
    assert!((15.9..16.1).contains(&seconds(start)), "{}", seconds(start));
}

/// A peer that says much and reads nothing is given up, one that reads a little now
/// and then is not.
#[tokio::test(start_paused = true)]
async fn a_peer_that_does_not_read_is_given_up() {
    let (session, mut stream) = over_narrow_bytes(1000);
    stream.write_all(&message(&[large_hello()])).await.expect("written");
    let mut writer = session.open("").await.expect("a slot");
    writer.send(vec![7; 50_000]).await.expect("queued");
    let sign = message(&[Frame::Ignored { kind: 200, stream: 0, payload: Bytes::new() }]);
    for _ in 0..10 {
        for _ in 0..2 {
            tokio::time::sleep(Duration::from_secs(14)).await;
            stream.write_all(&sign).await.expect("written");
        }
        stream.read_exact(&mut [0; 1000]).await.expect("it is still there");
    }
    let start = Instant::now();
    let talking = async {
        loop {
            tokio::time::sleep(Duration::from_secs(1)).await;
            let _ = stream.write_all(&sign).await;
        }
    };
    let lost = tokio::select! {
        ended = session.closed() => ended.expect_err("lost"),
        () = talking => unreachable!(),
    };
    assert_eq!(lost.reason(), Some("rule 11: the peer did not read"));
    assert_eq!(lost.code(), Some(Code::TIMED_OUT));
    assert!((30.9..31.1).contains(&seconds(start)), "{}", seconds(start));
}

/// A peer that lets a large item come, and a connection that takes so many bytes ahead.
fn large_hello() -> Frame {
    let (max_item, metadata) = (1 << 20, Bytes::new());
    Frame::Hello(Hello { version: 1, max_item, streams: 4, items: 4, bytes: max_item, metadata })
}

fn over_narrow_bytes(room: usize) -> (Session, DuplexStream) {
    let (ours, theirs) = tokio::io::duplex(room);
    let (read, write) = tokio::io::split(ours);
    let options = Options::default();
    (Session::new(ByteReader::new(read, &options), ByteWriter::new(write), options), theirs)
}
