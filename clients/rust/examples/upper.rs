//! Answers each call with what it sends, in capital letters.

use omnistreams::{Error, Incoming, Listener, Options};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let url = std::env::args().nth(1).ok_or("which URL?")?;
    let mut listener = Listener::bind(&url).await?;
    println!("listening on {}", listener.url());
    loop {
        let session = listener.accept(Options::default()).await?;
        tokio::spawn(async move {
            while let Some(incoming) = session.accept().await {
                tokio::spawn(upper(incoming));
            }
        });
    }
}

async fn upper(mut incoming: Incoming) -> Result<(), Error> {
    let mut answer = incoming.reply("")?; // or incoming.refuse("why not")
    while let Some(word) = incoming.reader().next().await {
        answer.send(word?.to_ascii_uppercase()).await?;
    }
    answer.end().await // left out, or an error above: the caller gets an error, never an end
}
