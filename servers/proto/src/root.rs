// SPDX-License-Identifier: MIT OR Apache-2.0
//! Calls that partitions make to root, over their connection named `root`.
//!
//! Word 0 is the request. The reply's status is the answer; its words are as
//! the request says. Neighbours: `sawmill-root` (`serve.rs`), the Linux glue.

/// Name of the connection to root in every partition's information page.
pub const ROOT_SERVICE: &str = "root";

/// The partition serves: its clients may start. No arguments.
pub const ROOT_REPORT_READY: u64 = 1;
/// w1 = exit status of the run, reported before the partition ends.
pub const ROOT_REPORT_STATUS: u64 = 2;
/// w1, w2 = service name. Reply: w0 = index of that connection in the information page.
pub const ROOT_LOOKUP_NAME: u64 = 3;
/// w1 = pages, w2 = GPA. Allocates memory on the caller's quota and maps it there. Reply: w0 = Region selector;
/// `NO_SLOT` after [`ROOT_ALLOCATIONS_MAX`].
pub const ROOT_REGION_ALLOCATE: u64 = 4;
/// Most regions that a partition can allocate in its life: root has to keep them all.
pub const ROOT_ALLOCATIONS_MAX: u64 = 8;
/// w1, w2 = service name. Connects the caller with a server that was started again: the selectors and regions of
/// the information page are good again, the control region keeps its contents. `BUSY` while the server is on its way,
/// `PEER_DEAD` if it stays dead.
/// A connection without a control region is connected again without being asked for.
pub const ROOT_RECONNECT: u64 = 5;
/// w1 = place, 0 = root, then the partitions of the description. Needs `statistics` in the description (`NO_RIGHT`);
/// `BAD_ARGUMENT` past the last. Reply: w0 = Partition selector with the right INFO, for `partition_statistics` (0 while
/// there is none), w1, w2 = name, w3 = number, w4 = `LIFE_*`, w5 = restarts.
pub const ROOT_PARTITION: u64 = 6;
/// w1, w2 = name of a number on the hypervisor's command line (`NAME=NUMBER`), an option for tests. Reply: w0 = the
/// number; `UNSUPPORTED` if it is not there.
pub const ROOT_NUMBER_OPTION: u64 = 7;
/// w1 = badge. The caller, a server, has let go of the control region and the pool of that connection, whose client died
/// (its `peer_deaths` were raised). If root starts the client again, the entry of the information page is good again,
/// and the connection's event comes.
pub const ROOT_LET_GO: u64 = 8;

/// Life of a partition: not started.
pub const LIFE_NEW: u64 = 0;
/// Life of a partition: runs, but does not serve yet.
pub const LIFE_STARTED: u64 = 1;
/// Life of a partition: its clients may start.
pub const LIFE_READY: u64 = 2;
/// Life of a partition: ended.
pub const LIFE_DEAD: u64 = 3;
