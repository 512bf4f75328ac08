//! Calls what answers at a URL, such as the example `upper` or `omni echo`.

use omnistreams::{Options, connect};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let url = std::env::args().nth(1).ok_or("which URL?")?; // such as tcp://127.0.0.1:9000
    let session = connect(&url, Options::default()).await?;
    let mut call = session.call(r#"{"name":"upper"}"#).await?;
    for word in ["pull", "not", "push"] {
        call.writer.send(word).await?; // waits until it is asked for
    }
    call.writer.end().await?;
    let mut answer = call.answer.await?;
    while let Some(word) = answer.next().await {
        println!("{}", String::from_utf8_lossy(&word?)); // `None` is the clean end, nothing else is
    }
    Ok(session.shutdown("bye").await?) // goodbyes both ways: nothing is lost
}
