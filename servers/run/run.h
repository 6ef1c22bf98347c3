/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Frames between the app partition's init and the host tool.
 *
 * Generated from servers/proto/src/run.rs by `cargo xtask generate`; do not edit.
 */
#ifndef SAWMILL_RUN_H
#define SAWMILL_RUN_H

/**
 * Revision of this protocol, the first payload byte of HELLO.
 */
#define RUN_VERSION 1

/**
 * Bytes before the payload.
 */
#define RUN_HEADER_BYTES 3

/**
 * Most payload bytes of one frame.
 */
#define RUN_PAYLOAD_MAX 1024

/**
 * Standard input that the guest buffers, and so the first credit.
 */
#define RUN_INPUT_BUFFER_BYTES 2048

/**
 * Guest: init is there. Payload: version (1 byte).
 */
#define RUN_HELLO 72

/**
 * Guest: the program's standard output.
 */
#define RUN_OUTPUT 79

/**
 * Guest: the program's standard error.
 */
#define RUN_ERROR_OUTPUT 69

/**
 * Guest: that many more bytes of standard input are welcome (32 bits, little-endian).
 */
#define RUN_CREDIT 67

/**
 * Guest: the program ended with this exit status (1 byte).
 */
#define RUN_EXITED 88

/**
 * Guest: the program was killed by this signal (1 byte).
 */
#define RUN_SIGNALED 83

/**
 * Guest: the program could not be started or the root not be mounted; payload: why, as text.
 */
#define RUN_FAILED 70

/**
 * Guest: file systems are in order, power goes off next. Empty.
 */
#define RUN_FINISHED 81

/**
 * Host: standard input.
 */
#define RUN_INPUT 73

/**
 * Host: standard input has ended. Empty.
 */
#define RUN_INPUT_END 90

/**
 * Host: send this signal to the program (1 byte).
 */
#define RUN_KILL 75

/**
 * Host: the terminal's size: rows, columns (16 bits each, little-endian).
 */
#define RUN_TERMINAL_SIZE 87

#endif
