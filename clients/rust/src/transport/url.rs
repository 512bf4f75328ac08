//! Connections by URL: `tcp://HOST:PORT`, `unix:PATH` and, with the feature
//! `websocket`, `ws://HOST:PORT/PATH`.

use std::io;

use tokio::net::{TcpListener, TcpStream};
#[cfg(unix)]
use tokio::net::{UnixListener, UnixStream};

#[cfg(feature = "websocket")]
use super::websocket::Handshakes;
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
        return Ok(over_unix(UnixStream::connect(path).await?, options));
    }
    #[cfg(feature = "websocket")]
    if url.starts_with("ws://") {
        return super::connect_websocket(url, options).await;
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
            let (address, path) = rest.split_once('/').unwrap_or((rest, ""));
            let listener = TcpListener::bind(address).await?;
            let url = format!("ws://{}/{path}", listener.local_addr()?);
            return Ok(Listener { socket: Socket::Web(Handshakes::new(listener)), url });
        }
        Err(unknown(url))
    }

    /// Where it listens, with the port that was found.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The next connection, as a session. A stranger whose WebSocket handshake
    /// fails or hangs is dropped, and holds up nobody.
    ///
    /// # Errors
    /// That of the socket, such as too many open files.
    pub async fn accept(&mut self, options: Options) -> io::Result<Session> {
        match &mut self.socket {
            Socket::Tcp(listener) => Ok(over_tcp(listener.accept().await?.0, options)),
            #[cfg(unix)]
            Socket::Unix(listener) => Ok(over_unix(listener.accept().await?.0, options)),
            #[cfg(feature = "websocket")]
            Socket::Web(handshakes) => handshakes.accept(options).await,
        }
    }
}

fn over_tcp(stream: TcpStream, options: Options) -> Session {
    // Messages are put together here; the kernel need not wait for more.
    let _ = stream.set_nodelay(true); // a connection that is gone already says so soon enough
    let (read, write) = stream.into_split();
    Session::new(ByteReader::new(read, &options), ByteWriter::new(write), options)
}

#[cfg(unix)]
fn over_unix(stream: UnixStream, options: Options) -> Session {
    let (read, write) = stream.into_split();
    Session::new(ByteReader::new(read, &options), ByteWriter::new(write), options)
}

fn unknown(url: &str) -> io::Error {
    let text = format!("{url:?}: not a URL of a transport that is built in");
    io::Error::new(io::ErrorKind::InvalidInput, text)
}
