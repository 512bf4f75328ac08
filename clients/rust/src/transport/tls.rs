//! TLS, by rustls: `tls://`, with the protocol `omni/1` offered, and `wss://`.

use std::io;
use std::sync::Arc;

use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::{CryptoProvider, ring};
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::handshakes::in_time;
use super::url::{over_stream, unknown};
use crate::options::Options;
use crate::session::Session;

const ALPN: &[u8] = b"omni/1";

/// Connects to a `tls://` or, with the feature `websocket`, a `wss://` URL with
/// certificates of your choice, and starts a session. [`connect`](super::connect)
/// trusts the system's authorities instead.
///
/// # Errors
/// That of the connection or of the handshake: `InvalidData` for a certificate that
/// is not trusted. `InvalidInput` for a URL of another form.
pub async fn connect_tls(url: &str, options: Options, config: Arc<ClientConfig>) -> io::Result<Session> {
    if let Some(address) = url.strip_prefix("tls://") {
        let (host, _) = address.rsplit_once(':').ok_or_else(|| unknown(url))?;
        let host = host.trim_matches(['[', ']']).to_owned();
        return in_time(async {
            let stream = TcpStream::connect(address).await?;
            let mut config = (*config).clone();
            config.alpn_protocols = vec![ALPN.to_vec()];
            Ok(over_stream(shake(stream, host, Arc::new(config)).await?, options))
        })
        .await;
    }
    #[cfg(feature = "websocket")]
    if url.starts_with("wss://") {
        let open = |host: String, port| {
            let config = config.clone();
            async move { shake(TcpStream::connect((&*host, port)).await?, host, config).await }
        };
        return super::websocket::dial(url, options, open).await;
    }
    Err(unknown(url))
}

/// The same with the authorities that the system trusts, or those of the file that the
/// environment variable `SSL_CERT_FILE` names.
pub(super) async fn connect_trusted(url: &str, options: Options) -> io::Result<Session> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    // A few bad ones among the system's are usual.
    let (good, _) = roots.add_parsable_certificates(found.certs);
    if good == 0 {
        return Err(found.errors.into_iter().next().map_or(io::ErrorKind::NotFound.into(), io::Error::other));
    }
    let provider = CryptoProvider::get_default().cloned().unwrap_or_else(|| ring::default_provider().into());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    connect_tls(url, options, Arc::new(config)).await
}

async fn shake(
    stream: TcpStream,
    host: String,
    config: Arc<ClientConfig>,
) -> io::Result<TlsStream<TcpStream>> {
    let _ = stream.set_nodelay(true); // a connection that is gone already says so soon enough
    let name =
        ServerName::try_from(host).map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
    TlsConnector::from(config).connect(name, stream).await
}

/// Answers a handshake of TLS, and with `web` that of WebSocket inside it.
pub(super) async fn accept_tls(
    stream: TcpStream,
    config: Arc<ServerConfig>,
    web: bool,
    options: Options,
) -> io::Result<Session> {
    let stream = TlsAcceptor::from(config).accept(stream).await?;
    #[cfg(feature = "websocket")]
    if web {
        return super::accept_websocket(stream, options).await;
    }
    debug_assert!(!web, "BUG: a scheme that is not built in");
    Ok(over_stream(stream, options))
}

/// What a listener at `tls://` needs in addition.
pub(super) fn with_alpn(config: &ServerConfig) -> Arc<ServerConfig> {
    let mut config = config.clone();
    config.alpn_protocols = vec![ALPN.to_vec()];
    Arc::new(config)
}
