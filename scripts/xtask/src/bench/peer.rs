// SPDX-License-Identifier: MIT OR Apache-2.0
//! The peer of the cases that go through the NIC: a program of the host, as far from both systems.
//!
//! What it understands is told in `servers/bench/cases_nic.c`.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream, UdpSocket};
use std::thread;

use anyhow::{Context, Result, bail};

/// The host, as the network inside of an emulator calls it.
const HOST: Ipv4Addr = Ipv4Addr::new(10, 0, 2, 2);
const BUFFER_BYTES: usize = 65536;
/// Ports that are tried before giving up: a number has to be free for TCP and UDP.
const TRIES: usize = 20;

/// Starts the peer, which serves as long as this process lives; returns its address as the machines see it.
///
/// # Errors
/// No port is free.
pub fn start() -> Result<String> {
    let (listener, datagrams) = open()?;
    let port = listener.local_addr()?.port();
    thread::spawn(move || {
        for connection in listener.incoming().flatten() {
            // A client that goes away in the middle is its own affair.
            thread::spawn(move || serve(connection).ok());
        }
    });
    thread::spawn(move || {
        let mut buffer = [0; BUFFER_BYTES];
        while let Ok((length, from)) = datagrams.recv_from(&mut buffer) {
            datagrams.send_to(&buffer[..length], from).ok();
        }
    });
    Ok(format!("{HOST}:{port}"))
}

fn open() -> Result<(TcpListener, UdpSocket)> {
    for _ in 0..TRIES {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no port for the peer")?;
        if let Ok(datagrams) = UdpSocket::bind((Ipv4Addr::LOCALHOST, listener.local_addr()?.port())) {
            return Ok((listener, datagrams));
        }
    }
    bail!("no port is free for TCP and UDP");
}

fn serve(connection: TcpStream) -> Result<()> {
    connection.set_nodelay(true)?;
    let mut output = connection.try_clone()?;
    let mut input = BufReader::new(connection);
    let mut order = String::new();
    input.read_line(&mut order)?;
    let order = order.trim_end();
    let count = || order.get(1..).and_then(|text| text.parse::<usize>().ok()).context("an order without a number");
    match order.as_bytes().first() {
        Some(b'S') => swallow(&mut input, &mut output, count()?),
        Some(b'G') => give(&mut input, &mut output, count()?),
        Some(b'E') => echo(&mut input, &mut output),
        _ => bail!("unknown order"),
    }
}

fn swallow(input: &mut impl Read, output: &mut impl Write, bytes: usize) -> Result<()> {
    let mut buffer = vec![0; BUFFER_BYTES];
    let mut got = 0;
    loop {
        match input.read(&mut buffer)? {
            0 => return Ok(()),
            length => got += length,
        }
        while bytes != 0 && got >= bytes {
            got -= bytes;
            output.write_all(&[0])?;
        }
    }
}

fn give(input: &mut impl Read, output: &mut impl Write, bytes: usize) -> Result<()> {
    let (mut asked, buffer) = ([0], vec![0x5a; BUFFER_BYTES]);
    while input.read(&mut asked)? == 1 {
        let mut left = bytes;
        while left > 0 {
            let length = left.min(buffer.len());
            output.write_all(&buffer[..length])?;
            left -= length;
        }
    }
    Ok(())
}

fn echo(input: &mut impl Read, output: &mut impl Write) -> Result<()> {
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        match input.read(&mut buffer)? {
            0 => return Ok(()),
            length => output.write_all(&buffer[..length])?,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn local(address: &str) -> String {
        address.replace(&HOST.to_string(), "127.0.0.1")
    }

    #[test]
    fn it_swallows_gives_and_echoes() -> Result<()> {
        let address = local(&start()?);
        let mut byte = [0];
        let mut line = TcpStream::connect(&address)?;
        line.write_all(b"S3\nabcdef")?;
        line.read_exact(&mut byte)?;
        line.read_exact(&mut byte)?;
        let mut line = TcpStream::connect(&address)?;
        line.write_all(b"G100000\nx")?;
        line.read_exact(&mut vec![0; 100_000])?;
        let mut line = TcpStream::connect(&address)?;
        line.write_all(b"E0\ny")?;
        line.read_exact(&mut byte)?;
        assert_eq!(byte, *b"y");
        let datagram = UdpSocket::bind("127.0.0.1:0")?;
        datagram.send_to(b"z", &address)?;
        datagram.recv(&mut byte)?;
        assert_eq!(byte, *b"z");
        Ok(())
    }
}
