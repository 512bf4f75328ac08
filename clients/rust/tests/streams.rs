//! Two sessions of this library with each other: what an application sees.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt, TryStreamExt, stream};
use omnistreams::transport::{ByteReader, ByteWriter, pair};
use omnistreams::{
    Answer, Call, Code, Error, Listener, Loss, Options, Reader, Session, Status, connect, pipe,
};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;

fn two(a: Options, b: Options) -> (Session, Session) {
    let ((read_a, write_a), (read_b, write_b)) = pair();
    (Session::new(read_a, write_a, a), Session::new(read_b, write_b, b))
}

fn both() -> (Session, Session) {
    two(Options::default(), Options::default())
}

#[tokio::test]
async fn the_ends_are_a_sink_and_a_stream() {
    let (a, b) = both();
    let mut writer = a.open("numbers").await.expect("a stream");
    let incoming = b.accept().await.expect("a stream");
    assert_eq!(incoming.metadata(), "numbers");
    assert!(!incoming.is_call());
    let items = (0..1000u32).map(|n| Ok(Bytes::copy_from_slice(&n.to_be_bytes())));
    let sending = tokio::spawn(async move {
        writer.send_all(&mut stream::iter(items)).await?;
        SinkExt::close(&mut writer).await?;
        writer.closed().await
    });
    let got: Vec<Bytes> = incoming.into_reader().try_collect().await.expect("a clean end");
    assert_eq!(got.len(), 1000);
    assert!(got.iter().enumerate().all(|(n, item)| item[..] == (n as u32).to_be_bytes()));
    assert_eq!(sending.await.expect("no panic"), Ok(()));
    let (ended_a, ended_b) = tokio::join!(a.shutdown("bye"), b.closed());
    assert_eq!((ended_a, ended_b), (Ok(()), Ok(())));
    assert!(b.accept().await.is_none());
    assert_eq!(b.open("").await.expect_err("over").code(), Some(Code::SHUTTING_DOWN));
}

#[tokio::test]
async fn dropped_ends_are_errors_at_the_other() {
    let (a, b) = both();
    // The writer is dropped: no clean end, and the items before come first.
    let mut writer = a.open("").await.expect("a stream");
    writer.send("one").await.expect("sent");
    drop(writer);
    let mut incoming = b.accept().await.expect("a stream");
    assert_eq!(incoming.reader().next().await.expect("an item").expect("an item"), "one");
    let error = incoming.reader().next().await.expect("an error").expect_err("an error");
    assert_eq!(error.code(), Some(Code::CANCELED));

    // The reader is dropped.
    let mut writer = a.open("").await.expect("a stream");
    drop(b.accept().await.expect("a stream").into_reader());
    assert_eq!(writer.closed().await.expect_err("canceled").code(), Some(Code::CANCELED));

    // A call nobody looked at, and one whose answer is not wanted.
    let mut call = a.call("").await.expect("a call");
    drop(b.accept().await.expect("a call"));
    assert_eq!(call.answer.await.expect_err("no answer").code(), Some(Code::REFUSED));
    assert_eq!(call.writer.closed().await.expect_err("refused").code(), Some(Code::REFUSED));

    let call = a.call("").await.expect("a call");
    drop(call.answer);
    let mut answer = b.accept().await.expect("a call").reply("").expect("an answer");
    assert_eq!(answer.closed().await.expect_err("given up").code(), Some(Code::CANCELED));
    drop(call.writer);
    assert_eq!(a.shutdown("").await, Ok(()));
}

#[tokio::test(start_paused = true)]
async fn opens_wait_for_slots_and_can_be_withdrawn() {
    let (a, b) = two(Options::default(), Options { streams: 1, ..Options::default() });
    let mut first = a.open("first").await.expect("a stream");
    let short = Duration::from_millis(10);
    assert!(timeout(short, a.open("withdrawn")).await.is_err(), "there is one slot");
    let waiting = tokio::spawn({
        let a = a.clone();
        async move { a.open("second").await }
    });
    let mut incoming = b.accept().await.expect("a stream");
    first.end().await.expect("ended");
    // END alone frees nothing: the application still holds it.
    assert!(timeout(short, b.accept()).await.is_err());
    assert!(incoming.reader().next().await.is_none());
    assert_eq!(b.accept().await.expect("the second").metadata(), "second");
    drop(waiting.await.expect("no panic").expect("a stream"));
}

#[tokio::test(start_paused = true)]
async fn waiting_opens_fail_at_shutdown() {
    let (a, b) = two(Options::default(), Options { streams: 0, ..Options::default() });
    let waiting = tokio::spawn({
        let a = a.clone();
        async move { a.call("").await.expect_err("no slot ever") }
    });
    tokio::task::yield_now().await;
    b.begin_shutdown("restart");
    let error = waiting.await.expect("no panic");
    assert_eq!((error.code(), error.reason()), (Some(Code::SHUTTING_DOWN), Some("restart")));
    assert_eq!(a.closed().await, Ok(()));
}

#[tokio::test(start_paused = true)]
async fn a_writer_stops_at_both_totals() {
    let short = Duration::from_millis(10);
    for (items, bytes, len, fit) in [(10, 1 << 20, 5, 10), (1000, 400, 100, 4), (5, 1 << 20, 0, 5)] {
        let options = Options { max_item: 400, items, bytes, prefetch: 0, window: 400, ..Options::default() };
        let (a, b) = two(Options::default(), options);
        let mut writer = a.open("").await.expect("a stream");
        let mut sent = 0;
        while timeout(short, writer.send(vec![0; len])).await.is_ok() {
            sent += 1;
        }
        assert_eq!(sent, fit, "items {items}, bytes {bytes}, items of {len}");
        // Taking them makes room for as many, one after the other.
        let mut incoming = b.accept().await.expect("a stream");
        let writing = tokio::spawn(async move {
            for _ in 0..2 * fit {
                writer.send(vec![1; len]).await?;
            }
            writer.end().await
        });
        let mut read = 0;
        while let Some(item) = incoming.reader().next().await {
            assert_eq!(item.expect("an item"), vec![u8::from(read >= fit); len]);
            read += 1;
        }
        assert_eq!((read, writing.await.expect("no panic")), (3 * fit, Ok(())));
    }
}

/// The transport is stuck and the peer generous: what waits here is bounded all the same.
#[tokio::test(start_paused = true)]
async fn a_stuck_transport_stops_the_writer() {
    let generous = Options { items: u32::MAX, bytes: u32::MAX, ..Options::default() };
    let (near, far) = tokio::io::duplex(100_000);
    let (read, write) = tokio::io::split(near);
    let options = Options::default();
    let a = Session::new(ByteReader::new(read, &options), ByteWriter::new(write), options);
    // The far end says HELLO, and never reads.
    let (_read, write) = tokio::io::split(far);
    let ((silent, _), _never) = pair();
    let _b = Session::new(silent, ByteWriter::new(write), Options { keepalive: None, ..generous });
    let mut writer = a.open("").await.expect("a stream");
    let mut written = 0;
    while timeout(Duration::from_millis(10), writer.send(vec![0; 1000])).await.is_ok() {
        written += 1;
    }
    // What the transport takes, one message on its way, and 64 KiB behind it.
    assert!((100..400).contains(&written), "{written}");
}

#[tokio::test]
async fn a_duplex_call_of_many_items() {
    let (a, b) = both();
    let server = tokio::spawn(async move {
        let mut incoming = b.accept().await.expect("a call");
        let answer = incoming.reply("as you like").expect("an answer");
        let outcome = pipe(incoming.into_reader(), answer).await;
        (outcome, b)
    });
    let call = a.call("echo").await.expect("a call");
    let (mut writer, answer) = (call.writer, call.answer);
    let writing = tokio::spawn(async move {
        for n in 0..5000u32 {
            writer.send(n.to_be_bytes().to_vec()).await?;
        }
        writer.finish().await
    });
    let answer = answer.await.expect("an answer");
    let got: Vec<u32> = answer
        .map(|item| u32::from_be_bytes(item.expect("an item")[..].try_into().expect("4 bytes")))
        .collect()
        .await;
    assert!(got.into_iter().eq(0..5000));
    assert_eq!(writing.await.expect("no panic"), Ok(()));
    let (outcome, b) = server.await.expect("no panic");
    assert_eq!(outcome, Ok(()));
    drop(b);
    assert_eq!(a.closed().await, Ok(()), "the other side has left, with goodbyes");
}

/// Awaits a call's answer in a task of its own, and returns when that has begun to wait.
async fn awaited(answer: Answer) -> JoinHandle<Result<Reader, Error>> {
    let (tell, told) = oneshot::channel();
    let (mut answer, mut tell) = (answer, Some(tell));
    let waiting = tokio::spawn(poll_fn(move |cx| {
        let outcome = Pin::new(&mut answer).poll(cx);
        tell.take().map(|tell| tell.send(outcome.is_pending()));
        outcome
    }));
    assert!(told.await.expect("it was polled"), "the answer is not there yet");
    waiting
}

async fn woken<T>(waiting: JoinHandle<T>) -> T {
    timeout(Duration::from_secs(5), waiting).await.expect("woken").expect("no panic")
}

/// Whoever waits for an answer is woken: by the answer, by a refusal, by a loss.
#[tokio::test]
async fn an_awaited_answer_wakes_whoever_waits() {
    let (a, b) = both();
    let Call { writer: _question, answer } = a.call("").await.expect("a call");
    let waiting = awaited(answer).await;
    let mut reply = b.accept().await.expect("a call").reply("here").expect("an answer");
    reply.end().await.expect("ended");
    assert_eq!(woken(waiting).await.expect("an answer").next().await, None);

    let Call { writer: _question, answer } = a.call("").await.expect("a call");
    let waiting = awaited(answer).await;
    b.accept().await.expect("a call").refuse("no");
    assert_eq!(woken(waiting).await.expect_err("refused").code(), Some(Code::REFUSED));

    let Call { writer: _question, answer } = a.call("").await.expect("a call");
    let waiting = awaited(answer).await;
    let _incoming = b.accept().await.expect("a call");
    b.close(300, "enough");
    assert_eq!(woken(waiting).await.expect_err("lost").code(), Some(Code(300)));
}

/// Whoever has awaited `closed` may end its runtime: the last word has gone out.
#[test]
fn the_last_word_goes_out_before_closed_returns() {
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let there = runtime();
    let mut listener = there.block_on(Listener::bind("tcp://127.0.0.1:0")).expect("listens");
    let url = listener.url().to_owned();
    let here = std::thread::spawn(move || {
        runtime().block_on(async {
            let session = connect(&url, Options::default()).await.expect("connects");
            session.peer_metadata().await.expect("hello came");
            session.close(300, "I leave");
            session.closed().await
        })
    });
    there.block_on(async {
        let session = listener.accept(Options::default()).await.expect("a session");
        let lost = timeout(Duration::from_secs(5), session.closed()).await.expect("in time");
        assert_eq!(lost, Err(Error::Lost(Loss::ByPeer(Status::new(300, "I leave")))));
    });
    let left = here.join().expect("no panic").expect_err("it left");
    assert_eq!(left.code(), Some(Code(300)));
}

/// A session does not outlive its runtime, and who waits elsewhere learns that.
#[test]
fn a_session_ends_with_its_runtime() {
    let runtime = || tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    let (ours, theirs) = (runtime(), runtime());
    let (a, _b) = ours.block_on(async { both() });
    let watching = theirs.spawn(async move { timeout(Duration::from_secs(5), a.closed()).await });
    ours.shutdown_background();
    let ended = theirs.block_on(watching).expect("no panic").expect("in time");
    assert!(matches!(ended, Err(Error::Lost(Loss::Cut(_)))), "{ended:?}");
}

#[tokio::test]
async fn breaking_off_loses_what_lives() {
    let (a, b) = both();
    let mut writer = a.open("").await.expect("a stream");
    writer.send("one").await.expect("sent");
    writer.end().await.expect("ended");
    let mut incoming = b.accept().await.expect("a stream");
    b.peer_metadata().await.expect("hello");
    // END is here, but the session is lost before the reader came to it.
    a.close(400, "out of patience");
    let lost = b.closed().await.expect_err("lost");
    assert_eq!((lost.code(), lost.reason()), (Some(Code(400)), Some("out of patience")));
    let mut last = None;
    while let Some(item) = incoming.reader().next().await {
        last = Some(item);
    }
    assert_eq!(last, Some(Err(lost)), "never a clean end");
    assert!(matches!(writer.closed().await, Err(Error::Lost(_))));
    assert!(matches!(incoming.reply(""), Err(Error::Lost(_))));
}

#[cfg(feature = "json")]
#[tokio::test]
async fn items_as_json() {
    let (a, b) = both();
    let mut writer = a.open("").await.expect("a stream");
    writer.send_json(&vec![1, 2, 3]).await.expect("sent");
    writer.send("not JSON").await.expect("sent");
    writer.send_json("text").await.expect("sent");
    writer.end().await.expect("ended");
    let mut reader = b.accept().await.expect("a stream").into_reader();
    assert_eq!(reader.next_json::<Vec<u8>>().await, Some(Ok(vec![1, 2, 3])));
    assert!(matches!(reader.next_json::<Vec<u8>>().await, Some(Err(Error::Json(_)))));
    assert_eq!(reader.next_json::<String>().await, Some(Ok("text".to_owned())));
    assert_eq!(reader.next_json::<String>().await, None);
}

#[tokio::test]
async fn limits_of_metadata_and_whole_answers() {
    let (a, b) = both();
    let long = a.open(vec![b'x'; 16 * 1024 + 1]).await.expect_err("too long");
    assert_eq!(long, Error::TooLong { len: 16_385, max: 16_384 });
    let mut writer = a.open(vec![b'x'; 16 * 1024]).await.expect("a stream");
    writer.send("12345").await.expect("sent");
    writer.send("6").await.expect("sent");
    let mut incoming = b.accept().await.expect("a stream");
    assert_eq!(incoming.metadata().len(), 16 * 1024);
    assert!(matches!(incoming.reply(""), Err(Error::Ended)), "it is no call");
    let all = incoming.reader().read_to_end(5).await;
    assert_eq!(all, Err(Error::TooLong { len: 6, max: 5 }));
}

#[tokio::test]
async fn urls_that_are_none_of_ours() {
    for url in ["", "http://x/", "tcp:127.0.0.1:1", "nonsense"] {
        assert!(connect(url, Options::default()).await.is_err(), "{url}");
        assert!(Listener::bind(url).await.is_err(), "{url}");
    }
}

#[tokio::test]
async fn each_reader_has_its_streams_metadata() {
    let (a, b) = both();
    let call = a.call("question").await.expect("a call");
    let mut incoming = b.accept().await.expect("a call");
    assert_eq!(incoming.metadata(), "question");
    assert_eq!(incoming.reader().metadata(), "question");
    let mut written = incoming.reply("answer").expect("an answer");
    written.end().await.expect("ended");
    let mut answer = call.answer.await.expect("an answer");
    assert_eq!(answer.metadata(), "answer");
    assert!(answer.next().await.is_none());
    assert_eq!(answer.metadata(), "answer", "after the end");
    let _one_way = a.open("one way").await.expect("a stream");
    assert_eq!(b.accept().await.expect("a stream").into_reader().metadata(), "one way");
}
