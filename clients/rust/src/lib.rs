//! Many pull-based streams over one connection: the omnistreams protocol, wire
//! version 1, for tokio.
//!
//! ```text
//!   Writer: Sink<Bytes>                                Reader: Stream<Bytes>
//!   +-----------+     DATA DATA END ========>          +-----------+
//!   |  Session  |                                      |  Session  |
//!   +-----------+     <-------- REQUEST CLOSE          +-----------+
//!                     one connection, many streams
//! ```
//!
//! A [`Session`] joins two programs, which are equals: each may [`open`](Session::open)
//! a one-way stream, [`call`](Session::call) the other (questions out, answers in), and
//! [`accept`](Session::accept) what the other opens. Nothing is written that the reader
//! has not asked for, so a slow reader slows its writer, and only that one.
//!
//! ```no_run
//! use omnistreams::{Options, connect};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let session = connect("tcp://127.0.0.1:9000", Options::default()).await?;
//! let mut call = session.call(r#"{"name":"upper"}"#).await?;
//! call.writer.send("pull").await?;
//! call.writer.end().await?;
//! let mut answer = call.answer.await?;
//! while let Some(item) = answer.next().await {
//!     println!("{:?}", item?);
//! }
//! session.shutdown("bye").await?;
//! # Ok(())
//! # }
//! ```
//!
//! The other side:
//!
//! ```no_run
//! use omnistreams::{Error, Listener, Options};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let mut listener = Listener::bind("tcp://127.0.0.1:9000").await?;
//! let session = listener.accept(Options::default()).await?;
//! while let Some(mut incoming) = session.accept().await {
//!     let mut answer = incoming.reply("")?; // or incoming.refuse("why not")
//!     tokio::spawn(async move {
//!         while let Some(word) = incoming.reader().next().await {
//!             answer.send(word?.to_ascii_uppercase()).await?;
//!         }
//!         answer.end().await
//!     });
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # What can be relied on
//!
//! - A stream ends cleanly only if its writer ended it and every item was delivered:
//!   then [`Reader::next`] yields `None`. A dropped writer, a failure, a lost session
//!   are errors with code and reason.
//! - Dropping is canceling: of a [`Reader`] with code 1, of a [`Writer`] likewise, of an
//!   [`Incoming`] call that was not looked at with code 5, "refused".
//! - What is buffered here for a stream is at most what was granted: [`Options::window`].
//! - A peer that breaks a rule is told which one, and the session ends.
//! - Futures may be dropped at any time; what they lose is said with each.
//!
//! # Features
//!
//! - `websocket`: `ws://` URLs, by tokio-tungstenite.
//! - `tls`: `tls://` URLs and, with `websocket`, `wss://`, by rustls; `connect_tls` and
//!   `Listener::bind_tls` for certificates of your choice.
//! - `json`: `Writer::send_json` and `Reader::next_json`.
//!
//! TCP, Unix sockets and any pair of [`AsyncRead`](tokio::io::AsyncRead) and
//! [`AsyncWrite`](tokio::io::AsyncWrite) (pipes, another TLS) are always there, the latter
//! by [`transport::ByteReader`] and [`Session::new`].

mod call;
mod engine;
mod error;
#[doc(hidden)] // the wire, for tests and tools
pub mod frame;
mod incoming;
#[cfg(feature = "json")]
mod json;
mod options;
mod pipe;
mod reader;
mod session;
pub mod transport;
mod writer;

pub use call::{Answer, Call};
pub use error::{Code, Error, Loss, Status};
pub use incoming::Incoming;
pub use options::Options;
pub use pipe::pipe;
pub use reader::Reader;
pub use session::Session;
#[cfg(feature = "tls")]
pub use transport::connect_tls;
pub use transport::{Listener, connect};
pub use writer::Writer;

/// The README's programs compile.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
