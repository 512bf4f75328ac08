//! Answers every call with what it sends: the same metadata, items and end, taken
//! only as fast as the answer is read. One-way streams are refused.
//!
//! ```text
//! echo -l tcp://127.0.0.1:0      waits at a URL, and says where on standard output
//! echo -c ws://127.0.0.1:9000/   connects to the other side
//! ```

use std::error::Error;

use omnistreams::{Incoming, Listener, Options, Session, connect, pipe};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["-l", url] => {
            let mut listener = Listener::bind(url).await?;
            println!("listening on {}", listener.url());
            loop {
                let session = listener.accept(options()).await?;
                tokio::spawn(async move {
                    // It ends alone, and is worth a line.
                    if let Err(error) = serve(session).await {
                        eprintln!("echo: {error}");
                    }
                });
            }
        }
        ["-c", url] => Ok(serve(connect(url, options()).await?).await?),
        _ => Err("usage: echo -l URL | -c URL".into()),
    }
}

/// No credit in its own name: what is asked of the answer is asked of the call.
fn options() -> Options {
    Options { items: 0, bytes: 0, prefetch: 0, ..Options::default() }
}

/// Serves one session to its end.
async fn serve(session: Session) -> Result<(), omnistreams::Error> {
    while let Some(incoming) = session.accept().await {
        tokio::spawn(echo(incoming));
    }
    session.closed().await
}

async fn echo(mut incoming: Incoming) -> Result<(), omnistreams::Error> {
    if !incoming.is_call() {
        incoming.refuse("echo answers calls, and this is a one-way stream");
        return Ok(());
    }
    let answer = incoming.reply(incoming.metadata().clone())?;
    pipe(incoming.into_reader(), answer).await
}
