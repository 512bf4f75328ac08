//! WebSocket, by tokio-tungstenite: one binary message each, subprotocol `omni.1`.
//!
//! The library knows no compression, so none can be negotiated; its own pings
//! and fragments are its own business.

use std::future::Future;
use std::io;

use bytes::Bytes;
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::error::{CapacityError, ProtocolError, SubProtocolError};
use tokio_tungstenite::tungstenite::handshake::server::{Request, Response};
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, WebSocketConfig, frame::coding::CloseCode};
use tokio_tungstenite::tungstenite::{Error, Message};

use super::handshakes::in_time;
use super::watched::Watched;
use super::{Ending, MessageReader, MessageWriter, Progress, RecvError};
use crate::frame::MAX_ITEM;
use crate::options::Options;
use crate::session::Session;

const SUBPROTOCOL: &str = "omni.1";
const HEADER: &str = "Sec-WebSocket-Protocol";
/// The most bytes that may wait to be written: room for the longest message of ours, and
/// some for the library's answers to PINGs, with which it waits for nobody.
const UNSENT: usize = MAX_ITEM as usize + 1024 * 1024;

/// The receiving half of a WebSocket.
pub struct WsReader<S> {
    inner: SplitStream<WebSocketStream<Watched<S>>>,
    dropping: bool,
    progress: Progress,
}

/// The sending half of a WebSocket.
pub struct WsWriter<S> {
    inner: SplitSink<WebSocketStream<Watched<S>>, Message>,
    progress: Progress,
}

/// Connects to a `ws://` URL, and starts a session.
///
/// # Errors
/// That of the connection or of the handshake.
pub async fn connect_websocket(url: &str, options: Options) -> io::Result<Session> {
    dial(url, options, |host, port| async move {
        let stream = TcpStream::connect((host, port)).await?;
        stream.set_nodelay(true)?;
        Ok(stream)
    })
    .await
}

/// Shakes hands on a connection to host and port of the URL that `open` opens.
pub(super) async fn dial<S, F>(
    url: &str,
    options: Options,
    open: impl Fn(String, u16) -> F,
) -> io::Result<Session>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    F: Future<Output = io::Result<S>>,
{
    let socket = in_time(async {
        match shake(url, true, &options, &open).await {
            // A server that chooses no subprotocol is in order, but not to this library.
            Err(Error::Protocol(ProtocolError::SecWebSocketSubProtocolError(
                SubProtocolError::NoSubProtocol,
            ))) => shake(url, false, &options, &open).await,
            result => result,
        }
        .map_err(io_error)
    })
    .await?;
    Ok(over_websocket(socket, options))
}

async fn shake<S, F>(
    url: &str,
    offer: bool,
    options: &Options,
    open: impl Fn(String, u16) -> F,
) -> Result<WebSocketStream<Watched<S>>, Error>
where
    S: AsyncRead + AsyncWrite + Unpin,
    F: Future<Output = io::Result<S>>,
{
    let mut request = url.into_client_request()?;
    let uri = request.uri();
    let host = uri.host().unwrap_or_default().trim_matches(['[', ']']).to_owned();
    let port = uri.port_u16().unwrap_or(if uri.scheme_str() == Some("wss") { 443 } else { 80 });
    if offer {
        request.headers_mut().insert(HEADER, HeaderValue::from_static(SUBPROTOCOL));
    }
    let stream = Watched::new(open(host, port).await?);
    let config = Some(config(options));
    Ok(tokio_tungstenite::client_async_with_config(request, stream, config).await?.0)
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
    let stream = Watched::new(stream);
    let handshake = tokio_tungstenite::accept_hdr_async_with_config(stream, choose, config);
    let socket = in_time(async { handshake.await.map_err(io_error) }).await?;
    Ok(over_websocket(socket, options))
}

fn config(options: &Options) -> WebSocketConfig {
    let limit = Some(options.message_limit());
    WebSocketConfig::default().max_message_size(limit).max_frame_size(limit).max_write_buffer_size(UNSENT)
}

fn over_websocket<S>(socket: WebSocketStream<Watched<S>>, options: Options) -> Session
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (came, went) = (socket.get_ref().came.clone(), socket.get_ref().went.clone());
    let (write, read) = socket.split();
    let reader = WsReader { inner: read, dropping: false, progress: came };
    Session::new(reader, WsWriter { inner: write, progress: went }, options)
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send + 'static> MessageReader for WsReader<S> {
    fn progress(&self) -> Option<Progress> {
        Some(self.progress.clone())
    }

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
    fn progress(&self) -> Option<Progress> {
        Some(self.progress.clone())
    }

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
        Error::Http(answer) => {
            io::Error::other(format!("no WebSocket there: HTTP status {}", answer.status()))
        }
        error => io::Error::other(error),
    }
}
