// SPDX-License-Identifier: MIT OR Apache-2.0
//! One `[[connection]]` table: checked and compiled.

use sawmill_proto::root::ROOT_SERVICE;
use sawmill_proto::system::{Connection, Name};
use toml::Spanned;

use crate::Overrides;
use crate::document::{self, Document};
use crate::error::{Error, Locator};
use crate::value::{self, LARGE_PAGE};

/// Largest control region: it holds rings and slots, no data.
const CONTROL_MAX: u64 = 16 << 20;
/// Longest budget of a call: nobody waits longer for a server that must not block.
const BUDGET_MAX_NS: u64 = 10_000_000_000;

/// Compiles the connection at a position of the file.
pub(crate) fn compile(
    at: &Locator,
    entry: &document::Connection,
    index: usize,
    document: &Document,
    overrides: &Overrides,
) -> Result<Connection, Error> {
    let service: Name = value::name(at, "service name", &entry.service)?;
    if service.as_str() == ROOT_SERVICE {
        return Err(at.error(entry.service.span(), "the service `root` is given to every partition by root itself"));
    }
    let client = partition(at, document, "client", &service, &entry.client)?;
    let server = partition(at, document, "server", &service, &entry.server)?;
    if client == server {
        return Err(at.error(entry.server.span(), format!("connection `{service}` leads from a partition to itself")));
    }
    let control_bytes = match &entry.control {
        Some(control) => value::size_in(at, "control", control, 4096)?,
        None => 0,
    };
    if let Some(control) = entry.control.as_ref().filter(|_| control_bytes > CONTROL_MAX) {
        return Err(at.error(control.span(), format!("control is larger than {} MiB", CONTROL_MAX >> 20)));
    }
    Ok(Connection {
        service,
        client,
        server,
        badge: match &entry.badge {
            Some(badge) => value::integer_in(at, "badge", badge, 1, i64::from(u32::MAX))?,
            None => index as u64 + 1,
        },
        control_bytes,
        pool_bytes: pool(at, entry, &service, overrides)?,
        server_writes_pool: match entry.server_rights.as_ref().map(|rights| (rights.get_ref().as_str(), rights.span()))
        {
            None | Some(("read-write", _)) => true,
            Some(("read-only", _)) => false,
            Some((other, span)) => {
                return Err(at.error(span, format!("server_rights \"{other}\" is not read-write or read-only")));
            }
        },
        budget_ns: budget(at, entry)?,
    })
}

fn partition(
    at: &Locator,
    document: &Document,
    what: &str,
    service: &str,
    name: &Spanned<String>,
) -> Result<u8, Error> {
    document
        .partition
        .iter()
        .position(|partition| partition.name.get_ref() == name.get_ref())
        .and_then(|index| u8::try_from(index).ok())
        .ok_or_else(|| {
            let shown = name.get_ref();
            at.error(name.span(), format!("{what} of connection `{service}`: there is no partition `{shown}`"))
        })
}

fn pool(at: &Locator, entry: &document::Connection, service: &str, overrides: &Overrides) -> Result<u64, Error> {
    let Some(pool) = &entry.pool else { return Ok(0) };
    let bytes = match overrides.pool.iter().find(|(name, _)| name == service) {
        Some((_, bytes)) => *bytes,
        None => value::size(at, pool)?,
    };
    value::check_grain("pool", bytes, LARGE_PAGE).map_err(|reason| at.error(pool.span(), reason))?;
    if entry.control.is_none() {
        return Err(at.error(pool.span(), format!("connection `{service}` has a pool but no control region")));
    }
    Ok(bytes)
}

fn budget(at: &Locator, entry: &document::Connection) -> Result<u64, Error> {
    let Some(budget) = &entry.budget else { return Ok(0) };
    match value::duration_ns(at, budget)? {
        ns @ 1..=BUDGET_MAX_NS => Ok(ns),
        _ => Err(at.error(budget.span(), "budget is out of range (1 ns to 10 s)")),
    }
}
