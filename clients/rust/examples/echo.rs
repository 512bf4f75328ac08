//! Answers every call with what it sends: the same metadata, items and end, taken
//! only as fast as the answer is read. One-way streams are refused. At SIGTERM or
//! SIGINT it lets what lives come to its end, for ten seconds at most.
//!
//! ```text
//! echo -l tcp://127.0.0.1:0      waits at a URL, and says where on standard output
//! echo -c ws://127.0.0.1:9000/   connects to the other side
//! ```

use std::error::Error;
use std::time::Duration;

use omnistreams::{Code, Incoming, Listener, Options, Session, connect, pipe};
use tokio::sync::watch;
use tokio::task::{JoinError, JoinSet};
use tokio::time::timeout;

const DRAIN: Duration = Duration::from_secs(10);

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let stop = on_signal()?;
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["-l", url] => Ok(listen(url, stop).await?),
        ["-c", url] => Ok(serve(connect(url, options()).await?, stop).await?),
        _ => Err("usage: echo -l URL | -c URL".into()),
    }
}

/// No credit in its own name: what is asked of the answer is asked of the call.
fn options() -> Options {
    Options { items: 0, bytes: 0, prefetch: 0, ..Options::default() }
}

/// Serves whoever connects until it is told to stop, and then to the end.
async fn listen(url: &str, mut stop: watch::Receiver<()>) -> std::io::Result<()> {
    let mut listener = Listener::bind(url).await?;
    println!("listening on {}", listener.url());
    let mut sessions = JoinSet::new();
    loop {
        let stopping = stop.clone();
        tokio::select! {
            session = listener.accept(options()) => { sessions.spawn(serve(session?, stopping)); }
            Some(ended) = sessions.join_next() => tell(ended),
            _ = stop.changed() => break,
        }
    }
    drop(listener);
    while let Some(ended) = sessions.join_next().await {
        tell(ended);
    }
    Ok(())
}

/// A session that fails ends alone, and is worth a line.
fn tell(ended: Result<Result<(), omnistreams::Error>, JoinError>) {
    match ended {
        Ok(Ok(())) => {}
        Ok(Err(error)) => eprintln!("echo: {error}"),
        Err(error) => eprintln!("echo: {error}"),
    }
}

/// Serves one session to its end, which comes soon once it is told to stop.
async fn serve(session: Session, mut stop: watch::Receiver<()>) -> Result<(), omnistreams::Error> {
    let mut serving = std::pin::pin!(async {
        while let Some(incoming) = session.accept().await {
            tokio::spawn(echo(incoming));
        }
        session.closed().await
    });
    tokio::select! {
        ended = &mut serving => return ended,
        _ = stop.changed() => session.begin_shutdown("the echo was stopped"),
    }
    if let Ok(ended) = timeout(DRAIN, &mut serving).await {
        return ended;
    }
    session.close(Code::SHUTTING_DOWN, "it took too long to drain");
    serving.await
}

async fn echo(mut incoming: Incoming) -> Result<(), omnistreams::Error> {
    if !incoming.is_call() {
        incoming.refuse("echo answers calls, and this is a one-way stream");
        return Ok(());
    }
    let answer = incoming.reply(incoming.metadata().clone())?;
    pipe(incoming.into_reader(), answer).await
}

/// Changes at SIGTERM and SIGINT.
fn on_signal() -> std::io::Result<watch::Receiver<()>> {
    let (tell, told) = watch::channel(());
    #[cfg(unix)]
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    tokio::spawn(async move {
        #[cfg(unix)]
        tokio::select! {
            _ = terminate.recv() => {}
            _ = tokio::signal::ctrl_c() => {}
        }
        #[cfg(not(unix))]
        let _ = tokio::signal::ctrl_c().await;
        let _ = tell.send(()); // nobody may be left to be told
        std::future::pending::<()>().await // a channel that is dropped would be a change, too
    });
    Ok(told)
}
