// SPDX-License-Identifier: MIT OR Apache-2.0
//! The other end of the wire: a small HTTP server of this process, and what it sends and got.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};

use crate::linux::hex;

/// A connection that is silent for so long is given up.
const SILENCE_LIMIT: Duration = Duration::from_secs(60);

/// Bytes that depend on their position only.
pub fn bytes(length: usize) -> Vec<u8> {
    (0..length as u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 23) as u8).collect()
}

/// Their checksum, as `sha256sum` prints it.
pub fn sum(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// Serves on a port of the loopback address until the process ends; returns the port.
///
/// `GET /N` gives `N` [`bytes`]; `PUT` and `POST` give the checksum of the body.
pub fn serve_http() -> Result<u16> {
    serve_http_at(Ipv4Addr::LOCALHOST)
}

/// The same on another address of this host.
pub fn serve_http_at(address: Ipv4Addr) -> Result<u16> {
    let listener = TcpListener::bind((address, 0)).context("cannot listen")?;
    let port = listener.local_addr()?.port();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            // What goes wrong here, the test sees at the other end.
            std::thread::spawn(move || answer(stream));
        }
    });
    Ok(port)
}

fn answer(mut stream: TcpStream) -> Result<()> {
    stream.set_read_timeout(Some(SILENCE_LIMIT))?;
    let mut reader = BufReader::new(stream.try_clone()?);
    let (request, length) = read_head(&mut reader)?;
    let mut words = request.split_whitespace();
    let body = match words.next() {
        Some("GET") => bytes(words.next().unwrap_or_default().trim_start_matches('/').parse()?),
        _ => {
            let mut got = vec![0; length];
            reader.read_exact(&mut got)?;
            sum(&got).into_bytes()
        }
    };
    write!(stream, "HTTP/1.0 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len())?;
    stream.write_all(&body)?;
    Ok(())
}

/// Reads the head of an HTTP message; returns its first line and the length of the body.
pub fn read_head(reader: &mut impl BufRead) -> Result<(String, usize)> {
    let (mut first, mut length) = (String::new(), 0);
    reader.read_line(&mut first)?;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 || line.trim().is_empty() {
            return Ok((first, length));
        }
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse()?;
        }
    }
}

/// A port of the loopback address that nobody uses at the moment.
pub fn free_port() -> Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

/// Connects with an address that leads into the guest, sends `request` and returns what comes back until the end.
///
/// The emulator accepts before the guest listens, and hangs up then: it is tried again until `limit` is over.
pub fn ask_guest(to: (Ipv4Addr, u16), request: &[u8], limit: Duration) -> Result<Vec<u8>> {
    let started = Instant::now();
    while started.elapsed() < limit {
        let answer = attempt(to, request);
        if let Ok(answer) = answer
            && !answer.is_empty()
        {
            return Ok(answer);
        }
        std::thread::sleep(Duration::from_millis(300));
    }
    bail!("the guest did not answer at port {} within {} s", to.1, limit.as_secs())
}

fn attempt(to: (Ipv4Addr, u16), request: &[u8]) -> Result<Vec<u8>> {
    let mut stream = TcpStream::connect(to)?;
    stream.set_read_timeout(Some(SILENCE_LIMIT))?;
    let mut writer = stream.try_clone()?;
    let request = request.to_vec();
    let sender = std::thread::spawn(move || {
        writer.write_all(&request).and_then(|()| writer.shutdown(std::net::Shutdown::Write))
    });
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    sender.join().map_err(|_| anyhow::anyhow!("the sender panicked"))??;
    Ok(answer)
}
