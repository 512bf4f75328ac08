//! Connections by URL: `tcp://HOST:PORT`, `unix:PATH` and, with the features
//! `websocket` and `tls`, `ws://HOST:PORT/PATH`, `tls://HOST:PORT`, `wss://HOST:PORT/PATH`.

use std::io;
#[cfg(feature = "tls")]
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
#[cfg(unix)]
use tokio::net::{UnixListener, UnixStream};
#[cfg(feature = "tls")]
use tokio_rustls::rustls::ServerConfig;

#[cfg(any(feature = "websocket", feature = "tls"))]
use super::handshakes::Handshakes;
#[cfg(feature = "tls")]
use super::tls;
use super::{ByteReader, ByteWriter};
use crate::options::Options;
use crate::session::Session;

/// Connects to the other side, and starts a session.
///
/// # Errors
/// That of the connection; `InvalidInput` for a URL of another form. What the
/// peer then says, or does not, is the session's to tell.
pub async fn connect(url: &str, options: Options) -> io::Result<Session> {
    if let Some(address) = url.strip_prefix("tcp://") {
        return Ok(over_tcp(TcpStream::connect(address).await?, options));
    }
    #[cfg(unix)]
    if let Some(path) = url.strip_prefix("unix:") {
        let (read, write) = UnixStream::connect(path).await?.into_split();
        return Ok(over_halves(read, write, options));
    }
    #[cfg(feature = "websocket")]
    if url.starts_with("ws://") {
        return super::connect_websocket(url, options).await;
    }
    #[cfg(feature = "tls")]
    if url.starts_with("tls://") || url.starts_with("wss://") {
        return tls::connect_trusted(url, options).await;
    }
    Err(unknown(url))
}

/// Waits for connections, and starts a session on each.
pub struct Listener {
    socket: Socket,
    url: String,
}

enum Socket {
    Tcp(TcpListener),
    #[cfg(unix)]
    Unix(UnixListener),
    #[cfg(feature = "websocket")]
    Web(Handshakes),
    #[cfg(feature = "tls")]
    Tls {
        connections: Handshakes,
        config: Arc<ServerConfig>,
        web: bool,
    },
}

impl Listener {
    /// Listens at a URL. Port 0 is any that is free; see [`url`](Listener::url). The
    /// file of a Unix socket must not exist, and stays.
    ///
    /// # Errors
    /// That of the socket; `InvalidInput` for a URL of another form.
    pub async fn bind(url: &str) -> io::Result<Listener> {
        if let Some(address) = url.strip_prefix("tcp://") {
            let listener = TcpListener::bind(address).await?;
            let url = format!("tcp://{}", listener.local_addr()?);
            return Ok(Listener { socket: Socket::Tcp(listener), url });
        }
        #[cfg(unix)]
        if let Some(path) = url.strip_prefix("unix:") {
            let listener = UnixListener::bind(path)?;
            return Ok(Listener { socket: Socket::Unix(listener), url: url.to_owned() });
        }
        #[cfg(feature = "websocket")]
        if let Some(rest) = url.strip_prefix("ws://") {
            let (connections, url) = handshakes("ws://", rest).await?;
            return Ok(Listener { socket: Socket::Web(connections), url });
        }
        Err(unknown(url))
    }

    /// Listens at a `tls://` or, with the feature `websocket`, a `wss://` URL, with a
    /// certificate and a key.
    ///
    /// # Errors
    /// Those of [`bind`](Listener::bind).
    #[cfg(feature = "tls")]
    pub async fn bind_tls(url: &str, config: Arc<ServerConfig>) -> io::Result<Listener> {
        let (scheme, rest) = url.split_at(url.len().min(6));
        let web = cfg!(feature = "websocket") && scheme == "wss://";
        if !web && scheme != "tls://" {
            return Err(unknown(url));
        }
        let config = if web { config } else { tls::with_alpn(&config) };
        let (connections, url) = handshakes(scheme, rest).await?;
        Ok(Listener { socket: Socket::Tls { connections, config, web }, url })
    }

    /// Where it listens, with the port that was found.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The next connection, as a session. A stranger whose handshake of TLS or
    /// WebSocket fails or hangs is dropped, and holds up nobody.
    ///
    /// # Errors
    /// That of the socket, such as too many open files.
    pub async fn accept(&mut self, options: Options) -> io::Result<Session> {
        match &mut self.socket {
            Socket::Tcp(listener) => Ok(over_tcp(listener.accept().await?.0, options)),
            #[cfg(unix)]
            Socket::Unix(listener) => {
                let (read, write) = listener.accept().await?.0.into_split();
                Ok(over_halves(read, write, options))
            }
            #[cfg(feature = "websocket")]
            Socket::Web(connections) => {
                connections.accept(|stream| super::accept_websocket(stream, options.clone())).await
            }
            #[cfg(feature = "tls")]
            Socket::Tls { connections, config, web } => {
                connections
                    .accept(|stream| tls::accept_tls(stream, config.clone(), *web, options.clone()))
                    .await
            }
        }
    }
}

/// Listens for connections that shake hands; the rest of the URL has an address and
/// perhaps a path.
#[cfg(any(feature = "websocket", feature = "tls"))]
async fn handshakes(scheme: &str, rest: &str) -> io::Result<(Handshakes, String)> {
    let (address, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let listener = TcpListener::bind(address).await?;
    let url = format!("{scheme}{}{path}", listener.local_addr()?);
    Ok((Handshakes::new(listener), url))
}

fn over_tcp(stream: TcpStream, options: Options) -> Session {
    // Messages are put together here; the kernel need not wait for more.
    let _ = stream.set_nodelay(true); // a connection that is gone already says so soon enough
    let (read, write) = stream.into_split();
    over_halves(read, write, options)
}

#[cfg(feature = "tls")]
pub(super) fn over_stream<S>(stream: S, options: Options) -> Session
where
    S: AsyncRead + AsyncWrite + Send + 'static,
{
    let (read, write) = tokio::io::split(stream);
    over_halves(read, write, options)
}

fn over_halves<R, W>(read: R, write: W, options: Options) -> Session
where
    R: AsyncRead + Unpin + Send + 'static,
    W: AsyncWrite + Unpin + Send + 'static,
{
    Session::new(ByteReader::new(read, &options), ByteWriter::new(write), options)
}

pub(super) fn unknown(url: &str) -> io::Error {
    let (scheme, _) = url.split_once("://").unwrap_or_default();
    let why = match scheme {
        "ws" if !cfg!(feature = "websocket") => "needs the feature \"websocket\"",
        "tls" if !cfg!(feature = "tls") => "needs the feature \"tls\"",
        "wss" => "needs the features \"websocket\" and \"tls\"",
        _ => "is not a URL of tcp://, unix:, ws://, tls:// or wss://",
    };
    io::Error::new(io::ErrorKind::InvalidInput, format!("{url:?} {why}"))
}

#[cfg(test)]
mod tests {
    use super::unknown;

    #[test]
    fn a_missing_feature_is_named() {
        assert!(unknown("127.0.0.1:7000").to_string().contains("tcp://"));
        assert!(unknown("wss://host/").to_string().contains("features"));
        #[cfg(not(feature = "websocket"))]
        assert!(unknown("ws://host/").to_string().contains("\"websocket\""));
    }
}
