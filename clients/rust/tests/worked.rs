//! The worked session of SPEC.md, cut after every byte: no clean end is ever
//! reported before its END came, nothing hangs, nothing panics.

mod vectors;

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use omnistreams::transport::{ByteReader, ByteWriter};
use omnistreams::{Error, Options, Session};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::time::timeout;
use vectors::bytes;

fn messages(all: &[&str]) -> (Vec<u8>, Vec<usize>) {
    let (mut out, mut ends) = (Vec::new(), Vec::new());
    for hex in all {
        let message = bytes(&json!(hex));
        out.extend((message.len() as u32).to_be_bytes());
        out.extend(&message);
        ends.push(out.len());
    }
    (out, ends)
}

/// What B says to A.
const ANSWERS: [&str; 4] = [
    "000000000000000017 4f4d4e490100000400000000040000000400001000 6869",
    "010000000100000005 0200000001 060000000100000004 00000000",
    "020000000100000002 3432 030000000100000000",
    "030000000000000000 040000000000000004 00000000",
];

/// What A says to B.
const QUESTIONS: [&str; 3] = [
    "000000000000000015 4f4d4e490100000400000000040000000000000000",
    "010000000100000013 0100000000 7b226e616d65223a2273756d227d 020000000100000001 32 \
     020000000100000002 3430 030000000100000000",
    "050000000100000010 00000000000000010000000000000400",
];

fn start(options: Options) -> (Session, DuplexStream) {
    let (ours, theirs) = tokio::io::duplex(1 << 16);
    let (read, write) = tokio::io::split(ours);
    (Session::new(ByteReader::new(read, &options), ByteWriter::new(write), options), theirs)
}

/// The caller of the session: what it saw of the answer.
async fn caller(session: Session) -> Result<Bytes, Error> {
    let mut call = session.call(r#"{"name":"sum"}"#).await?;
    call.writer.send("2").await?;
    call.writer.send("40").await?;
    call.writer.end().await?;
    let all = call.answer.await?.read_to_end(100).await?;
    session.shutdown("bye").await?;
    Ok(all)
}

#[tokio::test(start_paused = true)]
async fn the_answer_is_cut_anywhere() {
    let (all, _) = messages(&ANSWERS);
    for cut in 0..=all.len() {
        let options = Options { max_item: 1024, streams: 4, items: 0, bytes: 0, ..Options::default() };
        let (session, mut peer) = start(options);
        let calling = tokio::spawn(caller(session.clone()));
        // The peer speaks in turn: a word too early would be an error of its own.
        let mut at = 0;
        for end in messages(&ANSWERS).1 {
            tokio::time::sleep(Duration::from_millis(10)).await;
            peer.write_all(&all[at..end.min(cut)]).await.expect("written");
            at = end.min(cut);
        }
        peer.shutdown().await.expect("cut");
        drain(peer).await;
        let outcome = timeout(Duration::from_secs(5), calling).await.expect("it ends").expect("no panic");
        match outcome {
            Ok(sum) => assert_eq!((&sum[..], cut), (&b"42"[..], all.len())),
            Err(Error::Lost(_)) => assert!(cut < all.len(), "{cut}"),
            Err(other) => panic!("cut after {cut}: {other}"),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_call_is_cut_anywhere() {
    let (all, ends) = messages(&QUESTIONS);
    for cut in 0..=all.len() {
        let options = Options { max_item: 1024, streams: 4, items: 4, bytes: 4096, ..Options::default() };
        let (session, mut peer) = start(options);
        let serving = tokio::spawn(async move {
            let mut incoming = session.accept().await?;
            let mut sum = BytesMut::new();
            while let Some(item) = incoming.reader().next().await {
                match item {
                    Ok(item) => sum.extend_from_slice(&item),
                    Err(Error::Lost(_)) => return Some(None),
                    Err(other) => panic!("{other}"),
                }
            }
            Some(Some(sum))
        });
        let mut at = 0;
        for end in &ends[..2] {
            tokio::time::sleep(Duration::from_millis(10)).await;
            peer.write_all(&all[at..cut.clamp(at, *end)]).await.expect("written");
            at = cut.clamp(at, *end);
        }
        peer.shutdown().await.expect("cut");
        drain(peer).await;
        let outcome = timeout(Duration::from_secs(5), serving).await.expect("it ends").expect("no panic");
        if let Some(Some(sum)) = outcome {
            assert!(cut >= ends[1], "a clean end after {cut} bytes");
            assert_eq!(sum, "240");
        }
    }
}

async fn drain(mut peer: DuplexStream) {
    tokio::spawn(async move {
        let mut sink = [0; 4096];
        while peer.read(&mut sink).await.is_ok_and(|n| n > 0) {}
    });
}
