// SPDX-License-Identifier: MIT OR Apache-2.0
//! Compiles and validates system descriptions on the host.
//!
//! `system.toml` (keys: `document.rs`) becomes a [`System`] in postcard
//! encoding, the boot module `system` that root reads. Every error names file,
//! line, column and reason. Neighbours: `sawmill_proto::system` (the result's
//! types), `scripts/xtask` (calls [`compile_with`]), `servers/root` (reads it).
#![forbid(unsafe_code)]

mod connection;
mod document;
mod error;
mod partition;
mod value;
mod whole;

use std::path::Path;

pub use error::Error;
use error::Locator;
use sawmill_proto::system::{SYSTEM_MAGIC, SYSTEM_VERSION, System};

/// What a run changes in a description.
#[derive(Clone, Debug, Default)]
pub struct Overrides {
    /// Memory of partitions, bytes, by name.
    pub memory: Vec<(String, u64)>,
    /// Pool size of connections, bytes, by service.
    pub pool: Vec<(String, u64)>,
    /// Most CPUs that any partition uses.
    pub cpus: Option<u8>,
    /// Text appended to command lines, by partition name.
    pub command_line: Vec<(String, String)>,
    /// Memory of the machine that partitions may use, bytes.
    pub machine_memory: Option<u64>,
    /// Names of the boot modules that will be there; unset = not checked.
    pub modules: Option<Vec<String>>,
}

/// Compiles a description as it is.
///
/// # Errors
/// The first defect found, with its place.
pub fn compile(path: &Path) -> Result<Vec<u8>, Error> {
    compile_with(path, &Overrides::default())
}

/// Compiles a description with changes for one run.
///
/// # Errors
/// The first defect found, with its place.
pub fn compile_with(path: &Path, overrides: &Overrides) -> Result<Vec<u8>, Error> {
    let system = load(path, overrides)?;
    postcard::to_allocvec(&system).map_err(|error| Error::new(path, 1, 1, format!("cannot encode the system: {error}")))
}

/// Reads and validates a description.
///
/// # Errors
/// The first defect found, with its place.
pub fn load(path: &Path, overrides: &Overrides) -> Result<System, Error> {
    let text =
        std::fs::read_to_string(path).map_err(|error| Error::new(path, 0, 0, format!("cannot be read: {error}")))?;
    parse(path, &text, overrides)
}

/// Validates the text of a description; `path` only names it in errors.
///
/// # Errors
/// The first defect found, with its place.
pub fn parse(path: &Path, text: &str, overrides: &Overrides) -> Result<System, Error> {
    let at = Locator::new(path, text);
    let document: document::Document = toml::from_str(text).map_err(|error| at.toml(&error))?;
    let limits = whole::Limits::new(&at, document.machine.as_ref(), overrides)?;
    let mut partitions = Vec::new();
    for entry in &document.partition {
        partitions.push(partition::compile(&at, entry, &limits, overrides)?);
    }
    whole::check_names(&at, &document, &partitions)?;
    let mut connections = Vec::new();
    for (index, entry) in document.connection.iter().enumerate() {
        connections.push(connection::compile(&at, entry, index, &document, overrides)?);
    }
    whole::check(&at, &document, &partitions, &connections, &limits)?;
    let (partitions, connections) = whole::order(&at, &document, partitions, connections)?;
    Ok(System { magic: SYSTEM_MAGIC, version: SYSTEM_VERSION, partitions, connections })
}
