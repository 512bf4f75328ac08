//! WebSocket, by tokio-tungstenite: one binary message each, subprotocol `omni.1`.
//!
//! The library knows no compression, so none can be negotiated; its own pings
//! and fragments are its own business.

use std::future::{Future, poll_fn};
use std::io;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::error::{CapacityError, ProtocolError, SubProtocolError};
use tokio_tungstenite::tungstenite::handshake::server::{Request, Response};
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, WebSocketConfig, frame::coding::CloseCode};
use tokio_tungstenite::tungstenite::{Error, Message};

use super::{Ending, MessageReader, MessageWriter, RecvError};
use crate::options::Options;
use crate::session::Session;

const SUBPROTOCOL: &str = "omni.1";
const HEADER: &str = "Sec-WebSocket-Protocol";
/// A handshake takes no longer than a HELLO may.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// The receiving half of a WebSocket.
pub struct WsReader<S> {
    inner: SplitStream<WebSocketStream<S>>,
    dropping: bool,
}

/// The sending half of a WebSocket.
pub struct WsWriter<S> {
    inner: SplitSink<WebSocketStream<S>, Message>,
}

/// Connects to a `ws://` URL, and starts a session.
///
/// # Errors
/// That of the connection or of the handshake.
pub async fn connect_websocket(url: &str, options: Options) -> io::Result<Session> {
    within(HANDSHAKE, async {
        match dial(url, true, &options).await {
            // A server that chooses no subprotocol is in order, but not to this library.
            Err(Error::Protocol(ProtocolError::SecWebSocketSubProtocolError(
                SubProtocolError::NoSubProtocol,
            ))) => dial(url, false, &options).await,
            result => result,
        }
    })
    .await
    .map(|socket| over_websocket(socket, options))
}

async fn dial(url: &str, offer: bool, options: &Options) -> Result<WebSocketStream<TcpStream>, Error> {
    let mut request = url.into_client_request()?;
    let host = request.uri().host().unwrap_or_default().trim_matches(['[', ']']).to_owned();
    let port = request.uri().port_u16().unwrap_or(80);
    if offer {
        request.headers_mut().insert(HEADER, HeaderValue::from_static(SUBPROTOCOL));
    }
    let stream = TcpStream::connect((host, port)).await?;
    stream.set_nodelay(true)?;
    let config = Some(config(options));
    let (socket, _) = tokio_tungstenite::client_async_with_config(request, stream, config).await?;
    Ok(socket)
}

/// Answers a WebSocket's handshake on a byte stream, and starts a session.
///
/// # Errors
/// That of the handshake; it may take ten seconds.
pub async fn accept_websocket<S>(stream: S, options: Options) -> io::Result<Session>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    // The library says what is in the error, and how large it is.
    #[allow(clippy::result_large_err)]
    let choose = |request: &Request, mut response: Response| {
        let offered = request.headers().get_all(HEADER).iter().filter_map(|value| value.to_str().ok());
        if offered.flat_map(|value| value.split(',')).any(|name| name.trim() == SUBPROTOCOL) {
            response.headers_mut().insert(HEADER, HeaderValue::from_static(SUBPROTOCOL));
        }
        Ok(response)
    };
    let config = Some(config(&options));
    let handshake = tokio_tungstenite::accept_hdr_async_with_config(stream, choose, config);
    Ok(over_websocket(within(HANDSHAKE, handshake).await?, options))
}

/// Connections that shake hands, each in a task, so that a slow one keeps none waiting.
pub(super) struct Handshakes {
    listener: TcpListener,
    tasks: JoinSet<io::Result<Session>>,
}

/// So many at once; further connections wait in the kernel.
const HANDSHAKES: usize = 64;

impl Handshakes {
    pub(super) fn new(listener: TcpListener) -> Handshakes {
        Handshakes { listener, tasks: JoinSet::new() }
    }

    pub(super) async fn accept(&mut self, options: Options) -> io::Result<Session> {
        poll_fn(|cx| {
            while self.tasks.len() < HANDSHAKES {
                let Poll::Ready(accepted) = self.listener.poll_accept(cx) else { break };
                let (stream, _) = accepted?;
                let _ = stream.set_nodelay(true); // if it is gone, the handshake fails
                self.tasks.spawn(accept_websocket(stream, options.clone()));
            }
            while let Poll::Ready(Some(done)) = self.tasks.poll_join_next(cx) {
                if let Ok(Ok(session)) = done {
                    return Poll::Ready(Ok(session));
                }
            }
            Poll::Pending
        })
        .await
    }
}

fn config(options: &Options) -> WebSocketConfig {
    let limit = Some(options.message_limit());
    WebSocketConfig::default().max_message_size(limit).max_frame_size(limit)
}

async fn within<T>(time: Duration, act: impl Future<Output = Result<T, Error>>) -> io::Result<T> {
    match tokio::time::timeout(time, act).await {
        Ok(result) => result.map_err(io_error),
        Err(_) => Err(io::ErrorKind::TimedOut.into()),
    }
}

fn over_websocket<S>(socket: WebSocketStream<S>, options: Options) -> Session
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (write, read) = socket.split();
    Session::new(WsReader { inner: read, dropping: false }, WsWriter { inner: write }, options)
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send + 'static> MessageReader for WsReader<S> {
    async fn recv(&mut self) -> Result<Option<Bytes>, RecvError> {
        if self.dropping {
            // The library reads no further; the session closes within a second.
            std::future::pending::<()>().await;
        }
        loop {
            return match self.inner.next().await {
                None | Some(Ok(Message::Close(_))) => Ok(None),
                Some(Ok(Message::Binary(message))) => Ok(Some(message)),
                Some(Ok(Message::Text(_))) => Err(RecvError::Text),
                Some(Ok(_)) => continue,
                Some(Err(Error::Capacity(CapacityError::MessageTooLong { .. }))) => {
                    self.dropping = true;
                    Err(RecvError::TooLong)
                }
                Some(Err(Error::ConnectionClosed)) => Ok(None),
                Some(Err(error)) => Err(RecvError::Io(io_error(error))),
            };
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send + 'static> MessageWriter for WsWriter<S> {
    async fn send(&mut self, message: Bytes) -> io::Result<()> {
        self.inner.send(Message::Binary(message)).await.map_err(io_error)
    }

    async fn close(&mut self, ending: Ending) {
        let code = match ending {
            Ending::Normal => CloseCode::Normal,
            Ending::ProtocolError => CloseCode::Protocol,
            Ending::Text => CloseCode::Unsupported,
        };
        let frame = CloseFrame { code, reason: Default::default() };
        // If it cannot be sent, dropping closes.
        let _ = self.inner.send(Message::Close(Some(frame))).await;
    }
}

fn io_error(error: Error) -> io::Error {
    match error {
        Error::Io(error) => error,
        error => io::Error::other(error),
    }
}
