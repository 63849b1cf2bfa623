/**
 * The push protocol's version and where it is served.
 *
 * History
 * - 1: register host, inventory, work, validation report, session (open, documents, structure,
 *   digest, report, complete, cutover failed, fail, close).
 * - 2: `paused` in work, MIGRATION_PAUSED, report of a paused migration, `destinationMs` of documents,
 *   rates and what follows them in progress, unlink. Agents of version 1 try a paused migration's push again
 *   until it goes on.
 * - 3: `throttle`, `blockSourceWrites` and `namespaces` in work, THROTTLE among what holds a migration back,
 *   status of a migration, `fence` and `elsewhere` of it, structures, `namesOnly` of listing, `buckets`, `order` and `after` of digest, key
 *   digests, verification, source, size, samples and probe of a validation, `unlessInUse` of a session, report of a
 *   migration that waits for one, `hostChanges` of a session, `lane`, `seq`, `number` and `made` of structure,
 *   `lastStructure` of a session, NAMESPACE_GONE, CLIENT_CERTIFICATE_REFUSED, who holds a key
 *   that a unique index refuses, ranges, sub-leases, `copy` in work, `sourceWriteBlock` in progress and
 *   `writeBlockLeft` in work. Agents of version 2 are told of no
 *   throttle, and are not given what has `namespaces`, what another host has begun, or ranges to copy: they
 *   would move everything.
 *
 * A server speaks its own version and the one before; servers are upgraded first.
 */
export const PUSH_VERSION = 3;

/** The versions that a server speaks. */
export const SPOKEN_PUSH_VERSIONS: readonly number[] = [2, PUSH_VERSION];

/** Every push request is a POST below this path. */
export const PUSH_BASE = '/api/linkspan/push/v1';

/** Carries `<sessionId>.<sessionSecret>` on every request below `/sessions/{sessionId}`. */
export const SESSION_HEADER = 'linkspan-session';

/** Carries the agent's {@link PUSH_VERSION}; a server that does not speak it answers PUSH_VERSION_UNSUPPORTED. */
export const VERSION_HEADER = 'linkspan-push-version';

/** The most that the documents of one batch may add up to before compression, in bytes. */
export const MAX_BATCH_BYTES = 16 * 1024 * 1024;

/** The largest body after decompression, in bytes: a batch, one more document, and its header. */
export const MAX_BODY_BYTES = 2 * MAX_BATCH_BYTES + 64 * 1024;
