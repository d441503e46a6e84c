//! A million live keys in SQLite: how long it takes until the first request, what a look-up
//! costs, and what a key takes in memory.
//!
//! `cargo bench -p palisade-store` prints one line for each; `-- 100000` takes fewer keys.

use palisade_core::{
    ApiKeyEntry, SystemClock,
    companion::{Answer, DatabaseUrl, Databases, KeyStore, KeyTable},
};
use palisade_store::{KeyImport, Store};
use std::{
    env, fs,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

type Failure = Box<dyn std::error::Error>;

/// How many keys one transaction writes.
const PORTION: u64 = 50_000;

/// How many keys are looked up.
const ASKED: u64 = 20_000;

/// How many keys are kept in memory, as `cached_keys` is by default.
const CACHED: u64 = 100_000;

fn main() -> Result<(), Failure> {
    // Cargo passes `--bench`.
    let number = env::args().skip(1).find_map(|arg| arg.parse().ok());
    let keys: u64 = number.unwrap_or(1_000_000);
    let folder = env::temp_dir().join(format!("palisade-million-{}", std::process::id()));
    fs::create_dir_all(&folder)?;
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let measured = runtime.block_on(measure(&folder.join("keys.db"), keys));
    fs::remove_dir_all(&folder)?;
    measured
}

async fn measure(file: &Path, keys: u64) -> Result<(), Failure> {
    let url = format!("sqlite:{}", file.display());
    let started = Instant::now();
    fill(&url, keys).await?;
    println!("keys                     {keys:>12}");
    println!(
        "written in               {:>12.1} s",
        started.elapsed().as_secs_f64()
    );
    let size = fs::metadata(file)?.len();
    println!("file, a key              {:>12} B", size / keys);

    let before = resident()?;
    let started = Instant::now();
    let store = open(&url)?;
    store.ready().await?;
    println!(
        "start to ready           {:>12.2} ms",
        started.elapsed().as_secs_f64() * 1e3
    );
    println!(
        "memory when ready        {:>12} KiB",
        resident()?.saturating_sub(before) >> 10
    );

    let mut cold = Vec::new();
    for number in 0..ASKED.min(keys) {
        let id = id(number.wrapping_mul(keys / ASKED.min(keys)));
        let started = Instant::now();
        ask(&*store, &id).await?;
        cold.push(started.elapsed());
    }
    cold.sort();
    println!("cold look-up, median     {:>12.1} us", at(&cold, 50));
    println!("cold look-up, p99        {:>12.1} us", at(&cold, 99));

    let known = id(0);
    let Answer::Known(Some(key)) = store.by_id(&known) else {
        return Err("the first key is not in memory".into());
    };
    let rounds = 2_000_000_u32;
    let started = Instant::now();
    for _ in 0..rounds {
        std::hint::black_box(store.by_id(std::hint::black_box(&known)));
    }
    println!(
        "warm look-up             {:>12.1} ns",
        each(started.elapsed(), rounds)
    );
    let started = Instant::now();
    for second in 0..rounds {
        store.used(&key, u64::from(second));
    }
    println!(
        "noting its use           {:>12.1} ns",
        each(started.elapsed(), rounds)
    );

    let cached = CACHED.min(keys);
    let before = resident()?;
    for number in ASKED.min(keys)..cached {
        ask(&*store, &id(number.wrapping_mul(7) % keys)).await?;
    }
    let more = cached.saturating_sub(ASKED.min(keys)).max(1);
    println!(
        "memory, a cached key     {:>12} B",
        resident()?.saturating_sub(before) / more
    );
    Ok(())
}

async fn fill(url: &str, keys: u64) -> Result<(), Failure> {
    let store = Store::open(url).await?;
    let mut next = 0;
    while next < keys {
        let end = keys.min(next + PORTION);
        let mut import = KeyImport::new("partners", "shop");
        for number in next..end {
            let digest = format!("sha256:{:016x}{:048x}", scatter(number), number);
            let entry = ApiKeyEntry::new(format!("service{number}"), digest);
            let entry = entry.id(id(number)).scopes(["items:read", "items:write"]);
            import = import.key(entry);
        }
        store.keys().import(import).await?;
        next = end;
    }
    store.close().await?;
    Ok(())
}

fn open(url: &str) -> Result<Arc<dyn KeyStore>, Failure> {
    let table = KeyTable {
        scheme: "partners".to_owned(),
        url: DatabaseUrl::new(url),
        folder: None,
        issuer: "palisade:api_key/partners".into(),
        freshness_seconds: 5,
        cached_keys: usize::try_from(CACHED)?,
        clock: Arc::new(SystemClock::default()),
    };
    let keys = palisade_store::companion().api_keys(table);
    keys.map_err(|unfit| unfit.message.into())
}

async fn ask(store: &dyn KeyStore, id: &str) -> Result<(), Failure> {
    let found = match store.by_id(id) {
        Answer::Known(found) => found,
        Answer::Ask(answer) => answer.await?,
    };
    found
        .map(drop)
        .ok_or_else(|| format!("the key {id} is missing").into())
}

/// Ids as random as real ones.
fn id(number: u64) -> String {
    format!("{:016x}", scatter(number))
}

/// Splitmix64: no two numbers give the same.
fn scatter(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

fn at(sorted: &[Duration], percent: usize) -> f64 {
    let index = sorted.len() * percent / 100;
    sorted
        .get(index)
        .map_or(f64::NAN, |time| time.as_secs_f64() * 1e6)
}

fn each(took: Duration, rounds: u32) -> f64 {
    took.as_secs_f64() * 1e9 / f64::from(rounds)
}

/// The memory that this process uses, in bytes (Linux; elsewhere 0).
fn resident() -> Result<u64, Failure> {
    let Ok(statm) = fs::read_to_string("/proc/self/statm") else {
        return Ok(0);
    };
    let pages = statm.split(' ').nth(1).ok_or("statm has two fields")?;
    Ok(pages.parse::<u64>()? * 4096)
}
