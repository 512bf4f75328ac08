//! `tls://` and `wss://`, both ways, and against the project's own tool.
#![cfg(feature = "tls")]

mod programs;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command as StdCommand, Stdio};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use omnistreams::transport::rustls;
use omnistreams::transport::rustls::crypto::ring;
use omnistreams::transport::rustls::pki_types::pem::PemObject;
use omnistreams::transport::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use omnistreams::transport::rustls::{ClientConfig, RootCertStore, ServerConfig, ServerConnection};
use omnistreams::{Error, Listener, Loss, Options, Session, connect, connect_tls};
use programs::{example, listening, omni};
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::process::Command;
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(20);

fn urls() -> Vec<&'static str> {
    match cfg!(feature = "websocket") {
        true => vec!["tls://127.0.0.1:0", "wss://127.0.0.1:0/path"],
        false => vec!["tls://127.0.0.1:0"],
    }
}

/// The files of a certificate for 127.0.0.1 and of its key; `None`: no openssl.
fn files() -> Option<&'static (PathBuf, PathBuf)> {
    static MADE: OnceLock<Option<(PathBuf, PathBuf)>> = OnceLock::new();
    let make = || {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let (certificate, key) = (folder.join("certificate.pem"), folder.join("key.pem"));
        let mut openssl = StdCommand::new("openssl");
        openssl.args("req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2".split(' '));
        openssl.args(["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"]);
        openssl.args(["-addext", "basicConstraints=critical,CA:FALSE"]);
        openssl.arg("-out").arg(&certificate).arg("-keyout").arg(&key);
        match openssl.output() {
            Ok(output) => {
                assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
                Some((certificate, key))
            }
            Err(error) => {
                assert!(std::env::var("OMNI_REQUIRE").as_deref() != Ok("all"), "no openssl: {error}");
                writeln!(std::io::stderr(), "skipped: no openssl: {error}").expect("written");
                None
            }
        }
    };
    MADE.get_or_init(make).as_ref()
}

fn server() -> Option<Arc<ServerConfig>> {
    let (certificate, key) = files()?;
    let chain = CertificateDer::pem_file_iter(certificate).expect("a file");
    let chain = chain.collect::<Result<Vec<_>, _>>().expect("certificates");
    let key = PrivateKeyDer::from_pem_file(key).expect("a key");
    let config = ServerConfig::builder_with_provider(ring::default_provider().into())
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .expect("they match");
    Some(Arc::new(config))
}

/// Trusts the certificate, or nobody.
fn client(trusting: bool) -> Option<Arc<ClientConfig>> {
    let mut roots = RootCertStore::empty();
    if trusting {
        roots.add(CertificateDer::from_pem_file(&files()?.0).expect("a certificate")).expect("a root");
    }
    let config = ClientConfig::builder_with_provider(ring::default_provider().into())
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    Some(Arc::new(config))
}

/// A call whose answer is what it sends: more than a record of TLS, and an empty item.
async fn ask(session: &Session) {
    let items: Vec<Vec<u8>> = vec![b"one".to_vec(), vec![], vec![7; 200_000]];
    let mut call = session.call("").await.expect("a call");
    let asked = items.clone();
    let asking = tokio::spawn(async move {
        for item in asked {
            call.writer.send(item).await?;
        }
        call.writer.finish().await
    });
    let mut answer = call.answer.await.expect("an answer");
    for item in items {
        assert_eq!(answer.next().await.expect("no end yet").expect("no error"), item);
    }
    assert_eq!(answer.next().await, None);
    asking.await.expect("no panic").expect("all was taken");
}

#[tokio::test]
async fn both_sides_of_this_library() {
    let (Some(config), Some(trusting), Some(distrusting)) = (server(), client(true), client(false)) else {
        return;
    };
    for url in urls() {
        let mut listener = Listener::bind_tls(url, config.clone()).await.expect("listens");
        let url = listener.url().to_owned();
        assert!(!url.contains(":0"), "{url}");
        let answering = tokio::spawn(async move {
            // Who shakes hands in vain is not seen here.
            let session = listener.accept(Options::default()).await.expect("a session");
            let mut incoming = session.accept().await.expect("a call");
            let answer = incoming.reply("").expect("an answer");
            omnistreams::pipe(incoming.into_reader(), answer).await.expect("a clean end");
            session.closed().await
        });
        let error = connect_tls(&url, Options::default(), distrusting.clone()).await.expect_err("unknown");
        assert_eq!(error.kind(), std::io::ErrorKind::InvalidData, "{error}");
        // With the system's authorities it is no better.
        assert!(connect(&url, Options::default()).await.is_err());
        let session = connect_tls(&url, Options::default(), trusting.clone()).await.expect("connects");
        ask(&session).await;
        assert_eq!(session.shutdown("bye").await, Ok(()));
        assert_eq!(answering.await.expect("no panic"), Ok(()));
    }
}

#[tokio::test]
async fn calls_to_omni_echo() {
    let (Some(omni), Some((certificate, key)), Some(trusting)) = (omni(), files(), client(true)) else {
        return;
    };
    let (certificate, key) = (certificate.to_str().expect("text"), key.to_str().expect("text"));
    for url in urls() {
        let arguments = ["echo", "-l", url, "--tls-cert", certificate, "--tls-key", key];
        let (_child, url) = listening(omni, &arguments, Stdio::inherit()).await;
        let session = connect_tls(&url, Options::default(), trusting.clone()).await.expect("connects");
        ask(&session).await;
        assert_eq!(timeout(PATIENCE, session.shutdown("bye")).await.expect("in time"), Ok(()));

        // A plain `connect` trusts the system's authorities: here by a file.
        let mut caller = Command::new(example("caller"));
        let output = caller.arg(&url).env("SSL_CERT_FILE", certificate).kill_on_drop(true).output();
        let output = timeout(PATIENCE, output).await.expect("in time").expect("it runs");
        assert_eq!(String::from_utf8_lossy(&output.stdout), "pull\nnot\npush\n", "{output:?}");
    }
}

#[tokio::test]
async fn omni_calls_a_listener_with_the_echo_of_this_library() {
    let (Some(omni), Some((certificate, _)), Some(config)) = (omni(), files(), server()) else { return };
    for url in urls() {
        let mut listener = Listener::bind_tls(url, config.clone()).await.expect("listens");
        let url = listener.url().to_owned();
        let mut suite = Command::new(omni);
        suite.args([
            "conform",
            "-c",
            &url,
            "--tls-ca",
            certificate.to_str().expect("text"),
            "--timeout",
            "10s",
        ]);
        suite.args(["--run", "^(R7|R11|W)"]).kill_on_drop(true).stdin(Stdio::null());
        let serving = tokio::spawn(async move {
            let options = Options { items: 0, bytes: 0, prefetch: 0, ..Options::default() };
            while let Ok(session) = listener.accept(options.clone()).await {
                tokio::spawn(async move {
                    while let Some(mut incoming) = session.accept().await {
                        if let Ok(answer) = incoming.reply(incoming.metadata().clone()) {
                            tokio::spawn(omnistreams::pipe(incoming.into_reader(), answer));
                        }
                    }
                });
            }
        });
        let output =
            timeout(Duration::from_secs(100), suite.output()).await.expect("in time").expect("it runs");
        serving.abort();
        let report = String::from_utf8_lossy(&output.stdout);
        let failed: Vec<&str> = report.lines().filter(|line| line.starts_with("failed ")).collect();
        assert!(
            output.status.success(),
            "{}\n{}",
            failed.join("\n"),
            String::from_utf8_lossy(&output.stderr)
        );
    }
}

/// `omni/1` is offered, and chosen when offered; whoever offers nothing is served too.
#[tokio::test]
async fn the_name_of_the_protocol() {
    let (Some(config), Some(trusting)) = (server(), client(true)) else { return };
    // This library's offer, as a bare server sees it.
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("listens");
    let url = format!("tls://{}", listener.local_addr().expect("an address"));
    let connecting = tokio::spawn(async move { connect_tls(&url, Options::default(), trusting).await });
    let (mut stream, _) = listener.accept().await.expect("a connection");
    let mut choosing = (*config).clone();
    choosing.alpn_protocols = vec![b"other".to_vec(), b"omni/1".to_vec()];
    let mut bare = ServerConnection::new(Arc::new(choosing)).expect("a connection");
    while bare.alpn_protocol().is_none() {
        let mut bytes = [0; 4096];
        let count = stream.read(&mut bytes).await.expect("it speaks");
        assert!(count > 0, "it left");
        bare.read_tls(&mut &bytes[..count]).expect("taken");
        bare.process_new_packets().expect("TLS");
    }
    assert_eq!(bare.alpn_protocol(), Some(&b"omni/1"[..]));
    drop(stream);
    assert!(connecting.await.expect("no panic").is_err(), "the handshake was cut");

    // This library's choice, as bare clients see it.
    for (offer, choice) in [(Some("omni/1"), Some(&b"omni/1"[..])), (None, None)] {
        let mut listener = Listener::bind_tls("tls://127.0.0.1:0", config.clone()).await.expect("listens");
        let address = listener.url().trim_start_matches("tls://").to_owned();
        let accepting = tokio::spawn(async move { listener.accept(Options::default()).await });
        let mut offering = (*client(true).expect("as above")).clone();
        offering.alpn_protocols = offer.iter().map(|name| name.as_bytes().to_vec()).collect();
        let stream = TcpStream::connect(&address).await.expect("connects").into_std().expect("a socket");
        let chosen = tokio::task::spawn_blocking(move || {
            stream.set_nonblocking(false).expect("a socket");
            let name = rustls::pki_types::ServerName::try_from("127.0.0.1").expect("a name");
            let mut bare = rustls::ClientConnection::new(Arc::new(offering), name).expect("a connection");
            let mut stream = stream;
            bare.complete_io(&mut stream).expect("a handshake");
            bare.alpn_protocol().map(<[u8]>::to_vec)
        });
        assert_eq!(chosen.await.expect("no panic").as_deref(), choice);
        let session = accepting.await.expect("no panic").expect("a session");
        // The bare client has left without goodbyes.
        assert!(matches!(session.closed().await, Err(Error::Lost(Loss::Cut(_)))));
    }
}

/// Strangers that say nothing or nonsense keep nobody waiting.
#[tokio::test]
async fn strangers_at_the_door() {
    let (Some(config), Some(trusting)) = (server(), client(true)) else { return };
    let mut listener = Listener::bind_tls("tls://127.0.0.1:0", config).await.expect("listens");
    let url = listener.url().to_owned();
    let _silent = TcpStream::connect(url.trim_start_matches("tls://")).await.expect("connects");
    let connecting = tokio::spawn(async move { connect_tls(&url, Options::default(), trusting).await });
    let session = timeout(PATIENCE, listener.accept(Options::default())).await.expect("in time");
    let other = connecting.await.expect("no panic").expect("connects");
    assert_eq!(other.peer_metadata().await, session.expect("a session").peer_metadata().await);
}

#[tokio::test]
async fn urls_that_are_none_of_ours() {
    let (Some(config), Some(trusting)) = (server(), client(true)) else { return };
    for url in ["tcp://127.0.0.1:0", "tls", "", "ws://127.0.0.1:0/"] {
        let error = Listener::bind_tls(url, config.clone()).await.err().expect("no such URL");
        assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput);
        let error = connect_tls(url, Options::default(), trusting.clone()).await.expect_err("no such URL");
        assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput);
    }
}
