//! Against the project's own tool: `omni echo` is called, and `omni pipe` calls
//! this library's echo program.

mod programs;

use std::process::Stdio;
use std::time::Duration;

use omnistreams::{Call, Code, Error, Listener, Options, Session, connect};
use programs::{echo, listening, omni};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, Command};
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(20);

fn transports() -> Vec<String> {
    let mut urls = vec!["tcp://127.0.0.1:0".to_owned()];
    if cfg!(feature = "websocket") {
        urls.push("ws://127.0.0.1:0/".to_owned());
    }
    if cfg!(unix) {
        let name = format!("omnistreams-rust-{}-{:?}.sock", std::process::id(), std::thread::current().id());
        let path = std::env::temp_dir().join(name.replace(['(', ')'], ""));
        let _ = std::fs::remove_file(&path);
        urls.push(format!("unix:{}", path.display()));
    }
    urls
}

/// Runs `act` with a session to `omni echo`, over each transport.
async fn with_omni_echo<F: Future<Output = ()>>(act: impl Fn(Session) -> F) {
    let Some(omni) = omni() else { return };
    for url in transports() {
        println!("{url}");
        let (child, url) = listening(omni, &["echo", "-l", &url], Stdio::inherit()).await;
        let session = connect(&url, Options::default()).await.expect("connects");
        timeout(PATIENCE, act(session.clone())).await.expect("in time");
        let ended = timeout(PATIENCE, session.shutdown("bye")).await.expect("in time");
        assert_eq!(ended, Ok(()), "with goodbyes");
        drop(child);
    }
}

#[tokio::test]
async fn calls_are_answered() {
    with_omni_echo(|session| async move {
        let Call { mut writer, answer } = session.call("what I say").await.expect("a call");
        // More than any window, small ones, empty ones and the longest.
        let lengths: Vec<usize> = (0..3000).map(|n| n % 70).chain([0, 256 * 1024, 100_000]).collect();
        let sizes = lengths.clone();
        let writing = tokio::spawn(async move {
            for (n, len) in sizes.into_iter().enumerate() {
                writer.send(vec![n as u8; len]).await?;
            }
            writer.finish().await
        });
        let mut answer = answer.await.expect("an answer");
        for (n, len) in lengths.into_iter().enumerate() {
            let item = answer.next().await.expect("no end yet").expect("no error");
            assert_eq!(item, vec![n as u8; len], "item {n}");
        }
        assert_eq!(answer.next().await, None);
        assert_eq!(writing.await.expect("no panic"), Ok(()), "all was taken");
    })
    .await;
}

#[tokio::test]
async fn many_calls_share_a_connection() {
    with_omni_echo(|session| async move {
        // More than there are slots: the rest waits for one.
        let calls: Vec<_> = (0..300u32)
            .map(|n| {
                let session = session.clone();
                tokio::spawn(async move {
                    let mut call = session.call("").await?;
                    call.writer.send(n.to_be_bytes().to_vec()).await?;
                    call.writer.end().await?;
                    let mut answer = call.answer.await?;
                    answer.read_to_end(100).await
                })
            })
            .collect();
        for (n, call) in calls.into_iter().enumerate() {
            assert_eq!(call.await.expect("no panic").expect("an answer"), (n as u32).to_be_bytes().to_vec());
        }
    })
    .await;
}

#[tokio::test]
async fn failures_and_cancels_pass_with_code_and_reason() {
    with_omni_echo(|session| async move {
        // The questions fail: so does the answer, after its items.
        let mut call = session.call("").await.expect("a call");
        call.writer.send("one").await.expect("sent");
        let mut answer = call.answer.await.expect("an answer");
        call.writer.fail(300, "no more");
        assert_eq!(answer.next().await.expect("an item").expect("an item"), "one");
        let error = answer.next().await.expect("an error").expect_err("an error");
        assert!(matches!(error, Error::Failed(_)), "{error}");
        assert_eq!((error.code(), error.reason()), (Some(Code(300)), Some("no more")));
        assert_eq!(answer.next().await, None);

        // The answer is canceled: so are the questions.
        let Call { mut writer, answer } = session.call("").await.expect("a call");
        let mut answer = answer.await.expect("an answer");
        answer.cancel(301, "enough");
        let error = writer.closed().await.expect_err("canceled");
        assert!(matches!(error, Error::Closed(_)), "{error}");
        assert_eq!((error.code(), error.reason()), (Some(Code(301)), Some("enough")));
        assert_eq!(writer.send("late").await, Err(error));

        // A one-way stream is refused, and an item that is too long is the writer's affair.
        let mut writer = session.open("").await.expect("a stream");
        assert_eq!(writer.closed().await.expect_err("refused").code(), Some(Code::REFUSED));
        let mut call = session.call("").await.expect("a call");
        let long = call.writer.send(vec![0; 256 * 1024 + 1]).await;
        assert_eq!(long, Err(Error::TooLong { len: 262_145, max: 262_144 }));
        call.writer.send("short").await.expect("the stream goes on");
        call.writer.end().await.expect("ended");
        assert_eq!(call.answer.await.expect("an answer").read_to_end(9).await.expect("all"), "short");
    })
    .await;
}

#[tokio::test]
async fn a_reader_that_stands_still_stops_the_writer() {
    with_omni_echo(|session| async move {
        let Call { mut writer, answer } = session.call("").await.expect("a call");
        let mut answer = answer.await.expect("an answer");
        let mut sent = 0u32;
        while let Ok(outcome) = timeout(Duration::from_millis(300), writer.send(vec![7; 1000])).await {
            outcome.expect("sent");
            sent += 1;
        }
        // So many were granted to the answer; as many on their way to the call, and as
        // many at the echo.
        let ahead = Options::default().items;
        assert!((ahead..=4 * ahead).contains(&sent), "{sent} items went out");
        // Another stream goes on meanwhile (L7).
        let mut other = session.call("").await.expect("a call");
        other.writer.send("quick").await.expect("sent");
        assert_eq!(
            other.answer.await.expect("an answer").next().await.expect("an item").expect("an item"),
            "quick"
        );
        // The item whose send was given up was not written; all the others were.
        let ending = tokio::spawn(async move { writer.finish().await });
        let mut read = 0;
        while let Some(item) = answer.next().await {
            item.expect("an item");
            read += 1;
        }
        assert_eq!(read, sent);
        ending.await.expect("no panic").expect("all was taken");
    })
    .await;
}

#[tokio::test]
async fn a_killed_peer_is_a_loss_and_no_end() {
    let Some(omni) = omni() else { return };
    for url in transports() {
        let (mut child, url) = listening(omni, &["echo", "-l", &url], Stdio::inherit()).await;
        let session = connect(&url, Options::default()).await.expect("connects");
        let mut call = session.call("").await.expect("a call");
        call.writer.send("one").await.expect("sent");
        let mut answer = call.answer.await.expect("an answer");
        assert_eq!(answer.next().await.expect("an item").expect("an item"), "one");
        child.kill().await.expect("killed");
        let error = timeout(PATIENCE, answer.next()).await.expect("in time").expect("no clean end");
        assert!(matches!(error, Err(Error::Lost(_))), "{error:?}");
        assert!(matches!(call.writer.closed().await, Err(Error::Lost(_))));
        assert!(matches!(session.closed().await, Err(Error::Lost(_))));
        assert!(session.accept().await.is_none());
    }
}

#[tokio::test]
async fn omni_pipe_calls_the_echo_program() {
    let Some(omni) = omni() else { return };
    for url in transports() {
        println!("{url}");
        let (server, url) = listening(&echo(), &["-l", &url], Stdio::inherit()).await;
        let mut pipe = Command::new(omni);
        pipe.args(["pipe", "-c", &url]).kill_on_drop(true).stdin(Stdio::piped()).stdout(Stdio::piped());
        through_pipe(pipe.spawn().expect("omni pipe starts")).await;
        drop(server);
    }
}

/// Here the sessions are accepted, and whoever has connected is called.
#[tokio::test]
async fn both_echo_programs_connect_and_are_called() {
    let Some(omni) = omni() else { return };
    for url in transports() {
        for (program, arguments) in [(omni.to_owned(), vec!["echo", "-c"]), (echo(), vec!["-c"])] {
            println!("{url} {}", program.display());
            let _ = url.strip_prefix("unix:").map(std::fs::remove_file);
            let mut listener = Listener::bind(&url).await.expect("listens");
            let mut command = Command::new(program);
            let mut child =
                command.args(arguments).arg(listener.url()).kill_on_drop(true).spawn().expect("starts");
            let session = listener.accept(Options::default()).await.expect("a session");
            let mut call = session.call("hello").await.expect("a call");
            call.writer.send("who connects is called").await.expect("sent");
            call.writer.end().await.expect("ended");
            let item = call.answer.await.expect("an answer").read_to_end(100).await;
            assert_eq!(item.expect("an item"), "who connects is called");
            assert_eq!(timeout(PATIENCE, session.shutdown("bye")).await.expect("in time"), Ok(()));
            let status = timeout(PATIENCE, child.wait()).await.expect("in time").expect("it ends");
            assert!(status.success(), "{status}");
        }
    }
}

/// At SIGTERM the echo opens nothing more and lets what lives come to its end.
#[cfg(unix)]
#[tokio::test]
async fn the_echo_program_drains_at_a_signal() {
    for url in transports() {
        println!("{url}");
        let (mut server, url) = listening(&echo(), &["-l", &url], Stdio::inherit()).await;
        let session = connect(&url, Options::default()).await.expect("connects");
        let mut call = session.call("").await.expect("a call");
        call.writer.send("one").await.expect("sent");
        let mut answer = call.answer.await.expect("an answer");
        assert_eq!(answer.next().await.expect("an item").expect("an item"), "one");
        terminate(&server).await;
        // Calls are answered or given up until its word comes.
        let told = loop {
            match timeout(PATIENCE, session.call("")).await.expect("in time") {
                Ok(early) => early.cancel(1, "never mind"),
                Err(error) => break error,
            }
        };
        assert!(matches!(told, Error::Closed(_)), "{told}");
        assert_eq!(told.code(), Some(Code::SHUTTING_DOWN));
        call.writer.send("two").await.expect("what lives goes on");
        assert_eq!(answer.next().await.expect("an item").expect("an item"), "two");
        assert!(server.try_wait().expect("asked").is_none(), "it waits for the call");
        call.writer.end().await.expect("ended");
        assert_eq!(answer.next().await, None);
        assert_eq!(timeout(PATIENCE, session.closed()).await.expect("in time"), Ok(()));
        let status = timeout(PATIENCE, server.wait()).await.expect("in time").expect("it ends");
        assert!(status.success(), "{status}");
    }
}

/// The same of one that has connected.
#[cfg(unix)]
#[tokio::test]
async fn the_echo_program_drains_what_it_has_connected() {
    let mut listener = Listener::bind("tcp://127.0.0.1:0").await.expect("listens");
    let mut command = Command::new(echo());
    let mut child = command.args(["-c", listener.url()]).kill_on_drop(true).spawn().expect("starts");
    let session = listener.accept(Options::default()).await.expect("a session");
    session.peer_metadata().await.expect("hello came");
    terminate(&child).await;
    assert_eq!(timeout(PATIENCE, session.closed()).await.expect("in time"), Ok(()));
    let status = timeout(PATIENCE, child.wait()).await.expect("in time").expect("it ends");
    assert!(status.success(), "{status}");
}

/// By the shell, which knows the signal's number.
#[cfg(unix)]
async fn terminate(child: &Child) {
    let kill = format!("kill -TERM {}", child.id().expect("it runs"));
    let sent = Command::new("sh").args(["-c", &kill]).status().await.expect("sh");
    assert!(sent.success(), "{sent}");
}

/// A megabyte through `omni pipe` and back.
async fn through_pipe(mut pipe: Child) {
    let data: Vec<u8> = (0..1_000_000u32).map(|n| (n.wrapping_mul(n) >> 7) as u8).collect();
    let mut stdin = pipe.stdin.take().expect("piped");
    let mut stdout = pipe.stdout.take().expect("piped");
    let question = data.clone();
    let writing = tokio::spawn(async move { stdin.write_all(&question).await });
    let mut answer = Vec::new();
    timeout(PATIENCE, stdout.read_to_end(&mut answer)).await.expect("in time").expect("read");
    writing.await.expect("no panic").expect("written");
    assert!(answer == data, "{} bytes came back of {}", answer.len(), data.len());
    let status = timeout(PATIENCE, pipe.wait()).await.expect("in time").expect("it ends");
    assert!(status.success(), "{status}");
}
