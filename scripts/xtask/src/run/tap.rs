// SPDX-License-Identifier: MIT OR Apache-2.0
//! A tap device of the host: whether a machine can be connected to it, found out before the emulator starts.

use std::fs::File;
use std::os::fd::AsRawFd;
use std::path::Path;

use anyhow::{Context, Result, bail};

/// What gives access to all tap devices.
pub const DEVICE: &str = "/dev/net/tun";
/// How Linux shows numbers of devices.
const DEVICES: &str = "/sys/class/net";

/// Fails unless `name` is a tap device that is up and that this user may use, and says what to do.
pub fn check(name: &str) -> Result<()> {
    let device = Path::new(DEVICES).join(name);
    if !device.exists() {
        bail!(
            "there is no network device `{name}`; as the superuser: ip tuntap add dev {name} mode tap user $USER; \
             ip addr add 192.168.77.1/24 dev {name}; ip link set {name} up"
        );
    }
    let kind = number(&device.join("tun_flags"));
    if kind.is_none_or(|flags| flags & libc::IFF_TAP == 0) {
        bail!("`{name}` is not a tap device");
    }
    if number(&device.join("flags")).is_none_or(|flags| flags & libc::IFF_UP == 0) {
        bail!("`{name}` is down; as the superuser: ip link set {name} up");
    }
    attach(name)
}

/// Attaches to the device as the emulator will, and lets go of it.
fn attach(name: &str) -> Result<()> {
    let file = File::options().read(true).write(true).open(DEVICE).with_context(|| format!("cannot open {DEVICE}"))?;
    // SAFETY: a request is numbers, of which all zero is one.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(name.bytes().take(libc::IFNAMSIZ - 1)) {
        *to = from as libc::c_char;
    }
    request.ifr_ifru.ifru_flags = (libc::IFF_TAP | libc::IFF_NO_PI) as libc::c_short;
    // SAFETY: the request is of the type that this ioctl takes, and outlives it.
    if unsafe { libc::ioctl(file.as_raw_fd(), libc::TUNSETIFF as _, &mut request) } == 0 {
        return Ok(());
    }
    let error = std::io::Error::last_os_error();
    match error.raw_os_error() {
        Some(libc::EPERM) => {
            bail!("`{name}` is another user's; make it with `user $USER`, or run this as the superuser")
        }
        Some(libc::EBUSY) => bail!("`{name}` is in use by another program"),
        _ => Err(error).with_context(|| format!("cannot use `{name}`")),
    }
}

/// The number in a file, as Linux writes flags: hexadecimal.
fn number(file: &Path) -> Option<i32> {
    let text = std::fs::read_to_string(file).ok()?;
    i32::from_str_radix(text.trim().trim_start_matches("0x"), 16).ok()
}
