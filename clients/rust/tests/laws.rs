//! Random programs of two sessions: whatever each end does, the other sees a
//! prefix of what was written (L2), one end and the right one (L3, L9), nothing
//! stands still (L5, L6, L7), and the sums agree (L11).
//!
//! `OMNI_SEED=n` runs one seed, `OMNI_SEEDS=n` so many.

use std::time::Duration;

use bytes::Bytes;
use omnistreams::transport::{ByteReader, ByteWriter, pair};
use omnistreams::{Code, Error, Options, Reader, Session, Writer};
use tokio::time::{sleep, timeout};

#[derive(Clone)]
struct Random(u64);

impl Random {
    fn next(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % below
    }

    fn split(&mut self) -> Random {
        Random(self.next(1 << 31) ^ (self.0 << 20))
    }

    fn options(&mut self) -> Options {
        let max_item = [0, 1, 16, 1000, 100_000][self.next(5) as usize];
        Options {
            max_item,
            streams: 1 + self.next(5) as u32,
            items: self.next(3) as u32 * 3,
            bytes: max_item + self.next(2000) as u32,
            prefetch: self.next(4) as u32 * 5,
            window: self.next(4000) as u32,
            ..Options::default()
        }
    }

    async fn pause(&mut self) {
        match self.next(8) {
            0 => sleep(Duration::from_millis(self.next(20))).await,
            1 => tokio::task::yield_now().await,
            _ => {}
        }
    }
}

/// How a writer or a reader came to its end.
#[derive(Debug, PartialEq)]
enum End {
    Clean,
    /// By this end's own doing.
    Own(u32),
    /// By the other's.
    Other(u32),
    Refused,
}

/// An item that tells its place and its length.
fn item(n: u64, max: u64) -> Bytes {
    let len = n.wrapping_mul(2_654_435_761) % (max + 1);
    vec![n as u8; len as usize].into()
}

async fn write(mut writer: Writer, mut random: Random, max: u64) -> (u64, End) {
    let count = random.next(60);
    let own = if random.next(4) == 0 { 300 + random.next(9) as u32 } else { 0 };
    for n in 0..count {
        random.pause().await;
        if let Err(error) = writer.send(item(n, max)).await {
            assert!(matches!(error, Error::Closed(_)), "{error}");
            return (n, End::Other(error.code().expect("a code").0));
        }
    }
    if own != 0 {
        writer.fail(own, "broken off");
        let _ = writer.closed().await; // else dropping it is no different
        return (count, End::Own(own));
    }
    match writer.finish().await {
        Ok(()) => (count, End::Clean),
        Err(Error::Closed(status)) => (count, End::Other(status.code.0)),
        Err(error) => panic!("{error}"),
    }
}

async fn read(reader: &mut Reader, mut random: Random, max: u64) -> (u64, End) {
    let stop = if random.next(4) == 0 { random.next(60) } else { u64::MAX };
    let own = 400 + random.next(9) as u32;
    let mut n = 0;
    loop {
        if n == stop {
            reader.cancel(own, "enough");
            return (n, End::Own(own));
        }
        random.pause().await;
        match reader.next().await {
            None => return (n, End::Clean),
            Some(Ok(got)) => assert_eq!(got, item(n, max), "item {n}"),
            Some(Err(Error::Failed(status))) => return (n, End::Other(status.code.0)),
            Some(Err(error)) => panic!("{error}"),
        }
        n += 1;
    }
}

/// What the two ends saw must fit together.
fn check(wrote: &(u64, End), got: &(u64, End)) {
    assert!(got.0 <= wrote.0, "{wrote:?} {got:?}");
    match (&wrote.1, &got.1) {
        (End::Clean, End::Clean) => assert_eq!(wrote.0, got.0),
        (End::Own(a), End::Other(b)) => assert_eq!((a, wrote.0), (b, got.0)),
        (End::Other(a), End::Own(b)) => assert_eq!(a, b),
        // Both broke it off, each in its own way; or the end crossed the cancel.
        (End::Own(_), End::Own(_)) => {}
        _ => panic!("{wrote:?} {got:?}"),
    }
}

/// One side calls and opens; the other answers, reads or refuses. The metadata
/// carries the seeds, so that both know what is to come.
async fn client(session: Session, mut random: Random, max: u64, back: u64) {
    let mut tasks = Vec::new();
    for _ in 0..random.next(12) {
        let (session, mut random) = (session.clone(), random.split());
        tasks.push(tokio::spawn(async move {
            random.pause().await;
            let (seed, ask) = (random.next(1 << 31), random.next(3) > 0);
            let metadata = seed.to_be_bytes().to_vec();
            if !ask {
                return write(session.open(metadata).await.expect("a stream"), random, max).await.1;
            }
            let call = session.call(metadata).await.expect("a call");
            let writing = tokio::spawn(write(call.writer, random.split(), max));
            match call.answer.await {
                Ok(mut answer) => {
                    read(&mut answer, random, back).await;
                }
                Err(Error::Closed(status)) => assert!([Code::REFUSED, Code(299)].contains(&status.code)),
                Err(Error::Ended) => {} // its writer failed first, which gives it up
                Err(error) => panic!("{error}"),
            }
            writing.await.expect("no panic").1
        }));
    }
    for task in tasks {
        task.await.expect("no panic");
    }
}

async fn server(session: Session, mut random: Random, max: u64, back: u64) {
    let mut tasks = Vec::new();
    while let Some(mut incoming) = session.accept().await {
        let mut random = random.split();
        tasks.push(tokio::spawn(async move {
            random.pause().await;
            match random.next(6) {
                0 => incoming.refuse("no"),
                1 => drop(incoming),
                2 => {
                    let _ = incoming.reader().next().await;
                    incoming.close(299, "no");
                }
                _ if incoming.is_call() => {
                    let Ok(answer) = incoming.reply("") else { return };
                    let answering = tokio::spawn(write(answer, random.split(), back));
                    read(incoming.reader(), random, max).await;
                    answering.await.expect("no panic");
                }
                _ => {
                    read(incoming.reader(), random, max).await;
                }
            }
        }));
    }
    for task in tasks {
        task.await.expect("no panic");
    }
}

fn two(random: &mut Random, a: Options, b: Options) -> (Session, Session) {
    if random.next(2) == 0 {
        let ((read_a, write_a), (read_b, write_b)) = pair();
        return (Session::new(read_a, write_a, a), Session::new(read_b, write_b, b));
    }
    // A byte stream that takes little at a time.
    let (near, far) = tokio::io::duplex(1 + random.next(3000) as usize);
    let ((read_a, write_a), (read_b, write_b)) = (tokio::io::split(near), tokio::io::split(far));
    (
        Session::new(ByteReader::new(read_a, &a), ByteWriter::new(write_a), a),
        Session::new(ByteReader::new(read_b, &b), ByteWriter::new(write_b), b),
    )
}

fn seeds() -> std::ops::Range<u64> {
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse().expect("a number"));
    match number("OMNI_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("OMNI_SEEDS").unwrap_or(300),
    }
}

/// Streams, calls and answers in both directions at once, then a shutdown.
#[tokio::test(start_paused = true)]
async fn random_programs_come_to_their_end() {
    for seed in seeds() {
        println!("OMNI_SEED={seed}");
        let mut random = Random(seed);
        let (a, b) = (random.options(), random.options());
        let (max_a, max_b) = (u64::from(a.max_item), u64::from(b.max_item));
        let (a, b) = two(&mut random, a, b);
        let serving = [
            tokio::spawn(server(a.clone(), random.split(), max_a, max_b)),
            tokio::spawn(server(b.clone(), random.split(), max_b, max_a)),
        ];
        let calling = [
            tokio::spawn(client(a.clone(), random.split(), max_b, max_a)),
            tokio::spawn(client(b.clone(), random.split(), max_a, max_b)),
        ];
        let all = async {
            for task in calling {
                task.await.expect("no panic");
            }
            let (ended_a, ended_b) = tokio::join!(a.shutdown("bye"), b.shutdown("bye"));
            assert_eq!((ended_a, ended_b), (Ok(()), Ok(())));
            for task in serving {
                task.await.expect("no panic");
            }
        };
        timeout(Duration::from_secs(600), all).await.expect("something stands still");
    }
}

/// One stream at a time, and both ends compared.
#[tokio::test(start_paused = true)]
async fn both_ends_of_a_stream_agree() {
    for seed in seeds() {
        println!("OMNI_SEED={seed}");
        let mut random = Random(seed);
        let (a, b) = (random.options(), random.options());
        let max = u64::from(b.max_item);
        let (a, b) = two(&mut random, a, b);
        let writer = a.open("").await.expect("a stream");
        let writing = tokio::spawn(write(writer, random.split(), max));
        let mut incoming = b.accept().await.expect("a stream");
        let got = if random.next(9) == 0 {
            incoming.refuse("no");
            (0, End::Refused)
        } else {
            read(incoming.reader(), random.split(), max).await
        };
        let wrote =
            timeout(Duration::from_secs(600), writing).await.expect("it stands still").expect("no panic");
        match got {
            (_, End::Refused) => assert!(matches!(wrote.1, End::Other(5) | End::Own(_)), "{wrote:?}"),
            got => check(&wrote, &got),
        }
        assert_eq!(a.shutdown("bye").await, Ok(()));
    }
}
