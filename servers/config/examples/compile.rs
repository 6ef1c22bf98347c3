// SPDX-License-Identifier: MIT OR Apache-2.0
//! Checks a system description, and writes its compiled form if a second file is named.

use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let Some(path) = arguments.first() else {
        eprintln!("usage: compile DESCRIPTION [OUTPUT]");
        return ExitCode::from(2);
    };
    let result = sawmill_config::compile(Path::new(path)).map_err(|error| error.to_string());
    let written = result.and_then(|bytes| match arguments.get(1) {
        Some(output) => std::fs::write(output, &bytes).map_err(|error| format!("{output}: {error}")),
        None => Ok(()),
    });
    match written {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
