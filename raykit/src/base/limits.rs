//! Every bound in the system, with its unit in the name and the reason beside it.

/// Calls not yet finished before an outside thread has to wait when it submits another. At the 400
/// bytes or less that a queued call takes this is at most 400 MB.
pub(crate) const PENDING_TASKS_MAX: usize = 1 << 20;

/// Threads of a node, blocked ones included. Each costs address space for a stack, and memory for
/// the part of it that was used.
pub(crate) const THREADS_MAX: usize = 1024;

/// Address space for the stack of a pool thread; memory is taken only where it is touched.
pub(crate) const STACK_BYTES: usize = 16 << 20;

/// What a task finds free of its stack at the least when it is run inside another one's wait: as
/// much as a plain thread of std has.
pub(crate) const STACK_FREE_BYTES_MIN: usize = 4 << 20;

/// Tasks stacked upon each other inside waits on one thread, where the stack would allow more.
pub(crate) const INLINE_DEPTH_MAX: usize = 512;

/// Entries of a worker's own queue before half of them go to the common one. Bounds what has to be
/// carried over when the worker turns to another job.
pub(crate) const LOCAL_QUEUE_LEN_MAX: usize = 256;

/// For how long a worker serves one job while others of the same priority wait.
pub(crate) const SLICE_US: u64 = 1_000;

/// Calls that an actor's turn takes out of the inbox at once.
pub(crate) const ACTOR_TURN_CALLS: usize = 32;

/// For how long a thread looks for work before it sleeps: about what waking it would cost.
pub(crate) const SPIN_US: u64 = 20;

/// For how long a woken task waits for a CPU to come free before it borrows that of a task which
/// has kept one all the while (and may be waiting for something that the woken task holds, such as
/// a lock).
pub(crate) const REACQUIRE_MS: u64 = 100;

/// How often a wait that is written down looks again whether it can ever end. It did when it began;
/// what has changed since then may have closed a circle that no single step could see.
pub(crate) const LOOK_AGAIN_MS: u64 = 1_000;

/// How often waits are followed to other nodes, and for how long one must have lasted before that.
pub(crate) const CIRCLE_ROUND_MS: u64 = 500;

/// Of such a round: the waits that are followed, the places that are asked for each, how long one
/// has for its answer, and tasks and ways to other nodes in one answer.
pub(crate) const CIRCLE_WAITS_MAX: usize = 256;
pub(crate) const CIRCLE_NODES_MAX: usize = 64;
pub(crate) const CIRCLE_ANSWER_MS: u64 = 300;
pub(crate) const CIRCLE_STEPS_MAX: usize = 1_000;
pub(crate) const CIRCLE_WAYS_MAX: usize = 64;

/// Attempts of a task in all cases, so that `max_retries = u32::MAX` still ends.
pub(crate) const ATTEMPTS_MAX: u32 = 1 << 20;

/// First pause before a retry; it doubles with each further one.
pub(crate) const RETRY_PAUSE_MS: u64 = 2;

/// Longest pause before a retry.
pub(crate) const RETRY_PAUSE_MS_MAX: u64 = 1_000;

/// Text that one error carries, its causes included; the same bound that Ray has.
pub(crate) const ERROR_TEXT_BYTES_MAX: usize = 512 << 10;

/// Causes that one error carries.
pub(crate) const ERROR_CAUSES_MAX: usize = 64;

/// Asynchronous tasks that run at once on a node, unless the configuration says otherwise.
pub(crate) const ASYNC_TASKS_MAX: usize = 1_000;

/// Items that a stream's task may be ahead of who takes them, unless the call says otherwise:
/// enough that neither side waits for the other's every step.
pub(crate) const STREAM_ITEMS_AHEAD: u32 = 1_000;

/// Bytes that it may be ahead, unless the call says otherwise.
pub(crate) const STREAM_BYTES_AHEAD: u64 = 64 << 20;

/// Items of one stream in all: as many as the ids of one task's objects can count, but for its own
/// id and that of an actor.
pub(crate) const STREAM_ITEMS_MAX: u32 = u32::MAX - 2;

/// For how long a closing node waits for the functions that are running.
pub(crate) const GRACE_MS: u64 = 5_000;

/// Nesting of an archive, when it is written as well as when it is opened.
pub(crate) const ARCHIVE_DEPTH_MAX: usize = 128;

/// Nesting of a user's types up to which an archive is certainly within `ARCHIVE_DEPTH_MAX`, even
/// if each level takes eight pointers; deeper ones are checked when they are written.
pub(crate) const DEPTH_TRUSTED_MAX: usize = 16;

/// Scratch memory that a thread keeps between encodings.
pub(crate) const ARENA_BYTES_MAX: usize = 1 << 20;

/// The typed value inside an error that travels; a larger one is told by its text.
pub(crate) const ERROR_VALUE_BYTES_MAX: usize = 1 << 20;

/// Smallest buffer that is kept for the next archive; smaller ones the allocator keeps by itself.
pub(crate) const BUFFER_BYTES_MIN: usize = 1 << 20;

/// Memory in buffers kept: one of a gibibyte, or many small ones.
pub(crate) const BUFFERS_KEPT_BYTES_MAX: usize = (1 << 30) + (64 << 20);

/// Entries of one list in a frame between nodes: references of one call, members of a cluster.
pub(crate) const FRAME_ITEMS_MAX: usize = 100_000;

/// Names, addresses and reasons that nodes tell each other.
pub(crate) const NAME_BYTES_MAX: usize = 64 << 10;

/// How often a node says that it is there.
pub(crate) const BEAT_MS: u64 = 500;

/// After so long a silence nothing new is given to a node, and others are asked for it.
pub(crate) const SUSPECT_MS: u64 = 2_000;

/// After so long a silence a node is dead: longer than a link that is cut for five seconds takes to
/// be made again.
pub(crate) const DEAD_MS: u64 = 10_000;

/// How long a node has for its first word after it was let in.
pub(crate) const JOIN_MS: u64 = 30_000;

/// How long a node whose process seems to be gone has to say that it is not.
pub(crate) const DOUBT_MS: u64 = 300;

/// The same on the head's own host, where the sign is the kernel's word.
pub(crate) const DOUBT_NEAR_MS: u64 = 30;

/// After so long a silence of the head a node has no cluster any more.
pub(crate) const HEAD_LOST_MS: u64 = 10_000;

/// How long changes of what nodes have to do are gathered before others are told.
pub(crate) const LOADS_MS: u64 = 5;

/// How long it takes at the most until the word on what a node has free has come, mostly.
pub(crate) const UNHEARD_MS: u64 = 100;

/// How long an acknowledgement waits for something that it can travel with.
pub(crate) const ACK_MS: u64 = 20;

/// How many frames are acknowledged at once at the most.
pub(crate) const ACKS_OWED_MAX: u64 = 256;

/// After so long without an acknowledgement frames are sent again on a living link.
pub(crate) const RESEND_MS: u64 = 2_000;

/// First pause before a lost link is tried again; it doubles with each further one.
pub(crate) const REDIAL_MS: u64 = 50;

/// Longest such pause.
pub(crate) const REDIAL_MS_MAX: u64 = 2_000;

/// How long a node has to answer a question of another one.
pub(crate) const ASK_MS: u64 = 10_000;

/// How often a name is asked for again that was given to an actor which has ended meanwhile.
pub(crate) const CLAIMS_MAX: u32 = 1_000;

/// How long a task that no present node could ever run waits for one that can.
pub(crate) const INFEASIBLE_MS: u64 = 30_000;

/// How long nodes have to set aside what the bundles of a placement group ask for; tasks that run
/// have to end first.
pub(crate) const RESERVE_MS: u64 = 2_000;

/// First pause before a placement group is tried again; it doubles with each further one.
pub(crate) const RESERVE_AGAIN_MS: u64 = 20;

/// Longest such pause.
pub(crate) const RESERVE_AGAIN_MS_MAX: u64 = 1_000;

/// Placement groups at a time, each of which all nodes know.
pub(crate) const GROUPS_MAX: usize = 10_000;

/// Placement groups that have ended and are remembered as such.
pub(crate) const ENDED_GROUPS_KEPT: usize = 1_000;

/// Bundles of one placement group.
pub(crate) const BUNDLES_MAX: usize = 1_000;

/// Tasks that a node may have of another one beyond those that it can run at once: as many as it
/// has finished within so long.
pub(crate) const AHEAD_MS: u64 = 10;

/// The same at the most.
pub(crate) const AHEAD_TASKS_MAX: u32 = 4_096;

/// Bytes on their way to a node before it is given more.
pub(crate) const LINE_BYTES_MAX: usize = 64 << 20;

/// A value that goes to another node with the word that it is there; a larger one is fetched.
pub(crate) const INLINE_BYTES_MAX: usize = 64 << 10;

/// A result of that size stays on the node that has made it until somebody elsewhere wants it; a
/// smaller one is brought to whoever has made the call.
pub(crate) const LEFT_BYTES_MIN: u64 = 1 << 20;

/// What a call that waits takes beside what it is written down in.
pub(crate) const CALL_BYTES: usize = 512;

/// What calls of one node may take on another one at the most, in parts of its memory.
pub(crate) const BURDEN_PART: u64 = 4;

/// And so much in any case.
pub(crate) const BURDEN_BYTES_MIN: u64 = 64 << 20;

/// Bytes of arguments that are kept for results which were left elsewhere, so that these can be
/// made again. Beyond that the oldest go without.
pub(crate) const LINEAGE_BYTES_MAX: u64 = 1 << 30;

/// How often one looks at what was left on other nodes.
pub(crate) const LEFT_LOOK_MS: u64 = 200;

/// Bytes of arguments up to which a queued task is given to another node that has nothing to do.
pub(crate) const LEAVING_BYTES_MAX: usize = 1 << 20;

/// Of the road between nodes.
#[cfg(feature = "cluster")]
pub(crate) mod net {
    /// One packet between two nodes. What is larger goes as bulk, beside the packets.
    pub(crate) const FRAME_BYTES_MAX: usize = 16 << 20;

    /// Packets for one peer that it has not made room for; beyond this it is given up. A peer that
    /// reads at all is never so far behind.
    pub(crate) const OUTBOX_BYTES_MAX: usize = 256 << 20;

    /// A message of a handshake, and a small file.
    pub(crate) const CONTROL_BYTES_MAX: usize = 1 << 20;

    /// What is said about the bulk bytes that are asked for.
    pub(crate) const REQUEST_BYTES_MAX: usize = 64 << 10;

    /// Bulk bytes of one request; a longer answer is a lie.
    pub(crate) const BULK_BYTES_MAX: u64 = 1 << 40;

    /// Room made for bulk bytes on the word of the peer alone; more is made as they arrive. The
    /// system gives memory for it only where it is touched. An archive of a gibibyte has some bytes
    /// beside that.
    pub(crate) const BULK_TRUST_BYTES: usize = (1 << 30) + (1 << 20);

    /// Streams that one peer may have open at once.
    pub(crate) const STREAMS_MAX: u32 = 128;

    /// Bytes that a stream or a link may carry ahead of its reader: a fast link's bandwidth times
    /// its delay, with room to spare.
    pub(crate) const WINDOW_BYTES: u32 = 64 << 20;

    /// What is read at once of the shortcut that the packets of a link take on one host.
    pub(crate) const SHORTCUT_READ_BYTES: usize = 64 << 10;

    /// Buffers of a socket; the system may grant less.
    pub(crate) const SOCKET_BUFFER_BYTES: usize = 4 << 20;

    /// Connections whose handshake is not done, of all strangers together.
    pub(crate) const HANDSHAKES_MAX: usize = 256;

    /// From this many on a stranger has to show first that its address is its own.
    pub(crate) const HANDSHAKES_TRUSTED: usize = 32;

    /// Of them those from one address.
    pub(crate) const HANDSHAKES_PER_ADDRESS: usize = 64;

    /// Handshakes that one address may begin at once, and then in a second: enough for a hundred
    /// nodes of one host that start together. Whoever begins more is not answered for now.
    pub(crate) const HANDSHAKES_AT_ONCE: f64 = 512.0;
    pub(crate) const HANDSHAKES_PER_S: f64 = 64.0;

    /// The same for all addresses together, at each socket: a quarter of what the road's thread
    /// could do.
    pub(crate) const HANDSHAKES_AT_ONCE_ALL: f64 = 2_048.0;
    pub(crate) const HANDSHAKES_PER_S_ALL: f64 = 256.0;

    /// Addresses of which is known how many handshakes they have begun.
    pub(crate) const HANDSHAKE_ADDRESSES_MAX: usize = 4_096;

    /// Bytes kept of connections that nobody has looked at: of one, and of all.
    pub(crate) const INCOMING_BYTES: u64 = 64 << 10;
    pub(crate) const INCOMING_BYTES_ALL: u64 = 8 << 20;

    /// For a handshake, its messages included, and for one address that is dialled.
    pub(crate) const HANDSHAKE_MS: u64 = 5_000;

    /// A silent link is asked for a sign of life so often, and is lost after so long without one:
    /// where only its way is gone, as when a router has forgotten it, there must be time to make
    /// another one before a node that is not heard of is dead.
    pub(crate) const KEEP_ALIVE_MS: u64 = 2_500;
    pub(crate) const IDLE_MS_MAX: u64 = 6_000;

    /// A node that leaves waits for a peer's answer to its goodbye until the peer was silent for so
    /// long, and looks so often. A living one answers at once.
    pub(crate) const GOODBYE_MS: u64 = 2_000;
    pub(crate) const GOODBYE_LOOK_MS: u64 = 50;

    /// The same where there are signs that the peer's process is gone.
    pub(crate) const GOODBYE_DOUBT_MS: u64 = 300;

    /// How long what was sent to a node before it was declared dead has to reach it.
    pub(crate) const LAST_WORD_MS: u64 = 300;

    /// Sockets that have not shown yet whose they are, at the door for signs of life.
    pub(crate) const PULSES_UNPROVEN_MAX: usize = 64;

    /// Refused attempts to join from one address within `JOIN_LOCK_MS`, before it is locked out for
    /// as long.
    pub(crate) const JOIN_FAILURES_MAX: u32 = 10;
    pub(crate) const JOIN_LOCK_MS: u64 = 60_000;

    /// Addresses whose failures are remembered.
    pub(crate) const JOIN_ADDRESSES_MAX: usize = 4_096;

    /// Tokens that a head keeps in its list.
    pub(crate) const TOKENS_MAX: usize = 4_096;

    /// How long a node's certificate holds: short, since it cannot be called back.
    pub(crate) const CERTIFICATE_HOURS: u64 = 24;

    /// How long the cluster's own holds.
    pub(crate) const AUTHORITY_DAYS: u64 = 3_650;

    /// How far a clock may be behind the head's.
    pub(crate) const CLOCK_SKEW_S_MAX: u64 = 300;

    /// Pause before a certificate is asked for again.
    pub(crate) const RENEW_AGAIN_MS: u64 = 60_000;

    /// Pause after a panic on the road's thread, before what panicked begins again.
    pub(crate) const PANIC_PAUSE_MS: u64 = 100;
}

/// Of the machine's memory, what a node may share with others of its host, unless the settings say
/// otherwise; the same as Ray's object store has.
pub(crate) const OBJECT_MEMORY_PERCENT: u64 = 30;

/// Of memory that processes of one host share.
#[cfg(all(feature = "cluster", target_os = "linux"))]
pub(crate) mod shm {
    /// A segment, where no single object needs a longer one: few enough files, and small enough to
    /// be let go when its objects are gone. The system gives memory only where it is written to.
    pub(crate) const SEGMENT_BYTES: usize = 256 << 20;

    /// A segment of another process; a longer one is a lie.
    pub(crate) const SEGMENT_BYTES_MAX: u64 = 1 << 42;

    /// Segments of another process that are mapped here, each of them a mapping of the 65,530 that
    /// the system allows a process.
    pub(crate) const SEGMENTS_MAX: usize = 4_096;

    /// How long a segment that nothing lies in is kept for what comes next: warm memory is worth
    /// more than the copy into it, and a node that does nothing should be small.
    pub(crate) const SEGMENT_IDLE_MS: u64 = 10_000;

    /// One message between two processes of a host; what is longer goes by the road.
    pub(crate) const MESSAGE_BYTES_MAX: usize = 4 << 10;

    /// Objects that one reader may hold here at once.
    pub(crate) const CLAIMS_MAX: usize = 1 << 20;

    /// Invitations that nobody has made use of yet.
    pub(crate) const INVITATIONS_MAX: usize = 1_024;

    /// Connections that have not shown an invitation yet.
    pub(crate) const UNPROVEN_MAX: usize = 64;

    /// Connections of readers. A peer needs one for each link to it, and keeps those of earlier
    /// links as long as it reads what came on them; a process may often have no more than 1,024
    /// files.
    pub(crate) const READERS_MAX: usize = 512;

    /// Links whose packets go by a socket of their own, each of them a file; those of the others go
    /// by QUIC.
    pub(crate) const SHORTCUTS_MAX: usize = 256;
}

/// How long a node tries to join, and then to reach the head.
pub(crate) const JOIN_WAIT_MS: u64 = 10_000;

/// What a node says of itself and of its program when it joins.
pub(crate) const REGISTRY_BYTES_MAX: usize = 900 << 10;

/// An item of a stream that goes to another node: it travels in a packet of its own.
pub(crate) const ITEM_BYTES_MAX: usize = 8 << 20;

/// Failures that a node remembers, for whoever asks what went wrong: with their texts 10 MB.
pub(crate) const FAILURES_KEPT_MAX: usize = 10_000;

/// Of an error's text in that list.
pub(crate) const FAILURE_TEXT_BYTES_MAX: usize = 512;

/// Actors that have ended and of which a node still tells why.
pub(crate) const DEAD_ACTORS_KEPT_MAX: usize = 1_000;

/// Rows of one answer about a node's state at the most, so that it is written within milliseconds.
pub(crate) const REPORT_ROWS_MAX: u32 = 50_000;

/// Tasks that are looked at for one such answer: queues are locked meanwhile.
pub(crate) const LOOKED_AT_MAX: usize = 200_000;

/// A name in such a row; a longer one is cut.
pub(crate) const REPORT_TEXT_BYTES_MAX: usize = 1 << 10;

/// From so many bytes on an object that several nodes want goes in pieces, of which each gives some
/// to the others; smaller ones are there before that pays.
pub(crate) const SWARM_BYTES_MIN: u64 = 16 << 20;

/// Larger ones come as a whole, room being made as they arrive and not on their owner's word.
pub(crate) const SWARM_BYTES_MAX: u64 = 4 << 30;

/// Bytes of a piece: long enough for a road of some milliseconds, and short enough that there are
/// many.
pub(crate) const PIECE_BYTES: usize = 1 << 20;

/// Pieces of one object that are asked for at once, half of them of nodes that have fetched them.
pub(crate) const PIECES_AHEAD: usize = 8;

/// How often bytes of another node are asked for whose links end over it.
pub(crate) const FETCH_TRIES_MAX: u32 = 16;

/// Bytes of the answer to a question about a node's state.
pub(crate) const REPORT_BYTES_MAX: u64 = 256 << 20;

/// An object that is listed by itself; smaller ones are counted.
pub(crate) const LISTED_BYTES_MIN: u64 = 100 << 10;

/// Questions about other nodes' state that wait for links to them.
pub(crate) const QUESTIONS_MAX: usize = 4_096;

/// Rows that a question about the state of a cluster asks for, unless it says otherwise.
pub(crate) const STATE_ROWS: u32 = 10_000;

/// How long the nodes have to answer it, unless it says otherwise.
pub(crate) const STATE_WAIT_MS: u64 = 30_000;

/// GPUs of one node: each has a place in a list.
pub(crate) const GPUS_MAX: u16 = 4_096;

/// How long the head has to answer an order about tokens.
pub(crate) const KEYS_WAIT_MS: u64 = 10_000;

/// Scrapes of a node's counters at once, the bytes of a request's head, and the time that one has.
#[cfg(feature = "cluster")]
pub(crate) const SCRAPES_MAX: usize = 16;
#[cfg(feature = "cluster")]
pub(crate) const SCRAPE_BYTES_MAX: usize = 8 << 10;
#[cfg(feature = "cluster")]
pub(crate) const SCRAPE_MS: u64 = 5_000;

/// The least memory for shared objects that is of any use.
pub(crate) const OBJECT_MEMORY_BYTES_MIN: u64 = 1 << 20;

/// Of what a node prints: one of the two files in which it is kept, and a line in them.
#[cfg(feature = "cluster")]
pub(crate) const LOG_FILE_BYTES_MAX: u64 = 8 << 20;
#[cfg(feature = "cluster")]
pub(crate) const LOG_LINE_BYTES_MAX: usize = 8 << 10;

/// Bytes of lines that wait to be handed on; further ones are counted and left out.
#[cfg(feature = "cluster")]
pub(crate) const LOG_QUEUE_BYTES_MAX: usize = 1 << 20;

/// Such lines.
#[cfg(feature = "cluster")]
pub(crate) const LOG_QUEUE_LINES_MAX: usize = 20_000;

/// Folders with what processes have printed that are gone: with them at most 320 MiB are kept.
#[cfg(feature = "cluster")]
pub(crate) const LOG_SESSIONS_KEPT: usize = 20;

/// How long a process that ends waits for the last that it has printed.
#[cfg(feature = "cluster")]
pub(crate) const LOG_CLOSE_MS: u64 = 1_000;

/// Bytes of lines that go to one driver at once, and how often: half a megabyte in a second, so
/// that what prints in a loop does not take the road from others.
#[cfg(feature = "cluster")]
pub(crate) const LOG_BATCH_BYTES: usize = 48 << 10;
#[cfg(feature = "cluster")]
pub(crate) const LOG_BATCH_MS: u64 = 100;

/// How long a driver has to take them.
#[cfg(feature = "cluster")]
pub(crate) const LOG_TAKEN_MS: u64 = 2_000;

/// Batches that wait in a driver to be printed; its terminal may be slow.
#[cfg(feature = "cluster")]
pub(crate) const LOG_BATCHES_WAITING: usize = 64;

/// Bytes of what a node has printed in one answer.
#[cfg(feature = "cluster")]
pub(crate) const LOG_PART_BYTES_MAX: usize = 1 << 20;
