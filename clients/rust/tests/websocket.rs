//! What is particular to WebSocket, against a bare WebSocket.
#![cfg(feature = "websocket")]

mod vectors;

use std::time::Duration;

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use omnistreams::frame::{Frame, Hello, decode};
use omnistreams::transport::accept_websocket;
use omnistreams::{Code, Error, Listener, Options, Session, connect};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use vectors::encode;

fn hello() -> Bytes {
    let metadata = Bytes::new();
    encode(&[Frame::Hello(Hello { version: 1, max_item: 16, streams: 4, items: 4, bytes: 64, metadata })])
}

fn options() -> Options {
    Options { max_item: 70_000, ..Options::default() }
}

/// A session that was accepted, and the bare WebSocket that connected.
async fn accepted() -> (Session, WebSocketStream<TcpStream>) {
    let mut listener = Listener::bind("ws://127.0.0.1:0/path").await.expect("listens");
    let url = listener.url().to_owned();
    let dialing = tokio::spawn(async move {
        let mut request = url.as_str().into_client_request().expect("a request");
        let offer = "other, omni.1".parse().expect("a header");
        request.headers_mut().insert("Sec-WebSocket-Protocol", offer);
        request
            .headers_mut()
            .insert("Sec-WebSocket-Extensions", "permessage-deflate".parse().expect("a header"));
        let address = request.uri().authority().expect("an address").to_string();
        let stream = TcpStream::connect(address).await.expect("connects");
        let (socket, response) = tokio_tungstenite::client_async(request, stream).await.expect("a handshake");
        assert_eq!(response.headers()["Sec-WebSocket-Protocol"], "omni.1");
        assert!(response.headers().get("Sec-WebSocket-Extensions").is_none(), "no compression");
        socket
    });
    let session = listener.accept(options()).await.expect("a session");
    (session, dialing.await.expect("no panic"))
}

async fn frame<S: AsyncRead + AsyncWrite + Unpin>(socket: &mut WebSocketStream<S>) -> Frame {
    loop {
        match socket.next().await.expect("a message").expect("no error") {
            Message::Binary(mut message) => {
                return decode(&mut message, 1 << 24, false).expect("a good frame");
            }
            Message::Ping(_) | Message::Pong(_) => {}
            other => panic!("{other:?}"),
        }
    }
}

async fn close_code(socket: &mut WebSocketStream<TcpStream>) -> CloseCode {
    let next = timeout(Duration::from_secs(5), socket.next()).await.expect("in time");
    match next.expect("a message").expect("no error") {
        Message::Close(Some(frame)) => frame.code,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn text_closes_with_1003() {
    let (session, mut socket) = accepted().await;
    assert!(matches!(frame(&mut socket).await, Frame::Hello(_)));
    socket.send(Message::Binary(hello())).await.expect("sent");
    socket.send(Message::Text("text".into())).await.expect("sent");
    assert_eq!(close_code(&mut socket).await, CloseCode::Unsupported);
    assert!(matches!(session.closed().await, Err(Error::Lost(_))));
}

#[tokio::test]
async fn a_broken_rule_closes_with_1002() {
    let (session, mut socket) = accepted().await;
    assert!(matches!(frame(&mut socket).await, Frame::Hello(_)));
    socket.send(Message::Binary(Bytes::new())).await.expect("sent");
    let Frame::Fail { stream: 0, status } = frame(&mut socket).await else { panic!("no FAIL") };
    assert_eq!(status.code, Code::PROTOCOL);
    assert_eq!(close_code(&mut socket).await, CloseCode::Protocol);
    assert_eq!(session.closed().await.expect_err("lost").reason(), Some("rule 0: empty message"));
}

#[tokio::test]
async fn goodbyes_close_with_1000_and_without_them_it_is_a_cut() {
    let (session, mut socket) = accepted().await;
    frame(&mut socket).await;
    socket.send(Message::Binary(hello())).await.expect("sent");
    session.begin_shutdown("bye");
    let end = Frame::End { stream: 0 };
    let bye = Frame::Fail { stream: 0, status: omnistreams::Status::new(0, "") };
    socket.send(Message::Binary(encode(&[end, bye]))).await.expect("sent");
    while !matches!(socket.next().await.expect("a message").expect("no error"), Message::Close(_)) {}
    assert_eq!(session.closed().await, Ok(()));

    let (session, mut socket) = accepted().await;
    frame(&mut socket).await;
    socket.send(Message::Binary(hello())).await.expect("sent");
    socket.close(None).await.expect("closed");
    assert!(matches!(session.closed().await, Err(Error::Lost(_))), "a close frame is no goodbye");
}

#[tokio::test]
async fn lengths_of_messages() {
    let longest = 9 + 70_000;
    for extra in [0, 1] {
        let (_session, mut socket) = accepted().await;
        frame(&mut socket).await;
        socket.send(Message::Binary(hello())).await.expect("sent");
        let ignored = Frame::Ignored { kind: 200, stream: 0, payload: vec![0; longest - 9 + extra].into() };
        socket.send(Message::Binary(encode(&[ignored]))).await.expect("sent");
        socket.send(Message::Binary(encode(&[Frame::Ping([1; 8])]))).await.expect("sent");
        match frame(&mut socket).await {
            Frame::Pong(payload) => assert_eq!((payload, extra), ([1; 8], 0)),
            Frame::Fail { stream: 0, status } => assert_eq!((status.code, extra), (Code::TOO_LARGE, 1)),
            other => panic!("{other:?}"),
        }
    }
}

/// A server that chooses no subprotocol is taken all the same: HELLO decides.
#[tokio::test]
async fn a_missing_subprotocol_is_in_order() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("listens");
    let url = format!("ws://{}/", listener.local_addr().expect("an address"));
    let server = tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.expect("a connection");
            if let Ok(mut socket) = tokio_tungstenite::accept_async(stream).await {
                if socket.send(Message::Binary(hello())).await.is_ok()
                    && socket.next().await.is_some_and(|m| m.is_ok())
                {
                    return socket;
                }
            }
        }
    });
    let session = connect(&url, options()).await.expect("connects");
    session.peer_metadata().await.expect("hello came");
    drop(server.await.expect("no panic"));
}

/// Strangers that say nothing or nonsense keep nobody waiting.
#[tokio::test]
async fn strangers_at_the_door() {
    let mut listener = Listener::bind("ws://127.0.0.1:0/").await.expect("listens");
    let address = listener.url().trim_start_matches("ws://").trim_end_matches('/').to_owned();
    let _silent = TcpStream::connect(&address).await.expect("connects");
    let mut loud = TcpStream::connect(&address).await.expect("connects");
    loud.write_all(b"nonsense\r\n\r\n").await.expect("written");
    let url = listener.url().to_owned();
    let dialing = tokio::spawn(async move { connect(&url, Options::default()).await });
    let accepted = timeout(Duration::from_secs(5), listener.accept(Options::default())).await;
    let session = accepted.expect("in time").expect("a session");
    let other = dialing.await.expect("no panic").expect("connects");
    assert_eq!(other.peer_metadata().await, session.peer_metadata().await);
    let _ = timeout(Duration::from_secs(5), loud.read_to_end(&mut Vec::new())).await.expect("it is closed");
}

/// Bytes of a long message are a sign of life, and the peer's reading of one is, too.
#[tokio::test(start_paused = true)]
async fn bytes_inside_of_messages_are_life() {
    let (ours, theirs) = tokio::io::duplex(1000);
    let request = "ws://here/".into_client_request().expect("a request");
    let shaking = tokio::spawn(tokio_tungstenite::client_async(request, theirs));
    let session = accept_websocket(ours, options()).await.expect("a session");
    let (mut socket, _) = shaking.await.expect("no panic").expect("a handshake");
    frame(&mut socket).await;
    let (max_item, metadata) = (1 << 20, Bytes::new());
    let large = Hello { version: 1, max_item, streams: 4, items: 4, bytes: max_item, metadata };
    socket.send(Message::Binary(encode(&[Frame::Hello(large)]))).await.expect("sent");
    let mut writer = session.open("").await.expect("a slot");
    writer.send(vec![7; 50_000]).await.expect("queued");

    let mut raw = socket.into_inner();
    // A binary message of 100 bytes, masked by zeros, a byte at a time.
    for byte in [0x82, 0x80 | 100, 0, 0, 0, 0, 200, 0, 0, 0] {
        for _ in 0..2 {
            tokio::time::sleep(Duration::from_secs(14)).await;
            raw.read_exact(&mut [0; 1000]).await.expect("it is still there");
        }
        raw.write_all(&[byte]).await.expect("written");
    }
    let start = Instant::now();
    assert_eq!(session.closed().await.expect_err("lost").reason(), Some("rule 11: the peer did not read"));
    // And one second for FAIL, another for the close frame, which cannot go out either.
    assert!((31..33).contains(&start.elapsed().as_secs()), "{:?}", start.elapsed());
}

/// Each PING of WebSocket is answered by the library below, which waits for nobody
/// with that. What a peer that reads nothing can pile up so is bounded.
#[tokio::test]
async fn pings_of_websocket_that_are_not_read_take_bounded_memory() {
    let (near, mut far) = tokio::io::duplex(16 * 1024);
    let accepting = tokio::spawn(accept_websocket(near, options()));
    let upgrade = b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
        Sec-WebSocket-Key: MDEyMzQ1Njc4OTAxMjM0NQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
    far.write_all(upgrade).await.expect("sent");
    let session = accepting.await.expect("no panic").expect("a handshake");
    // All masks are zeros.
    let framed = |kind: u8, payload: &[u8]| {
        let length = u8::try_from(payload.len()).expect("short");
        [&[kind, 0x80 | length, 0, 0, 0, 0], payload].concat()
    };
    far.write_all(&framed(0x82, &hello())).await.expect("sent");
    let pings = framed(0x89, &[0; 125]).repeat(1000);
    for _ in 0..150 {
        far.write_all(&pings).await.expect("it is read"); // 19 MB in all
    }
    // There is no room left for anything else.
    let _stream = session.open(vec![0; 1000]).await.expect("a slot");
    let lost = timeout(Duration::from_secs(10), session.closed()).await.expect("it ends").expect_err("lost");
    assert!(lost.to_string().contains("buffer is full"), "{lost}");
}
